import type { Command } from '#shared/std/command-line.ts';
import { askOptions, clientOf } from './cli-central.ts';
import { print } from './cli-fleet.ts';

interface AuthorityState {
  pin: string;
  pinBefore: string | null;
  sitesBefore: string[];
}

/** `authority …`: the key that signs sites' certificates, and how to replace it. */
export const authorityCommands: Command[] = [
  {
    name: 'authority',
    summary: "Show the authority that signs sites' certificates.",
    options: askOptions,
    run: (args, io) =>
      print(args, io, '/api/v1/authority', (answer) => describe(answer as AuthorityState)),
  },
  {
    name: 'authority rotate',
    summary: 'Let a new key sign, without a restart and without losing a site.',
    details:
      'Sites that are connected renew within minutes, others when they come back; until then what\n' +
      'the key before signed stays good. "authority retire" ends that. Back the new file up.',
    options: askOptions,
    async run(args, io) {
      const state = (await clientOf(args).post('/api/v1/authority/rotate')) as AuthorityState;
      io.out(args.flag('json') ? JSON.stringify(state) : describe(state));
      return 0;
    },
  },
  {
    name: 'authority retire',
    summary: 'Take nothing any longer that the key before the last rotation signed.',
    options: {
      'even-so': {
        type: 'boolean',
        doc: 'Also while sites still depend on it: they will have to join again.',
      },
      ...askOptions,
    },
    async run(args, io) {
      const path = `/api/v1/authority/retire${args.flag('even-so') ? '?evenSo=true' : ''}`;
      const state = (await clientOf(args).post(path)) as AuthorityState;
      io.out(args.flag('json') ? JSON.stringify(state) : describe(state));
      return 0;
    },
  },
];

function describe({ pin, pinBefore, sitesBefore }: AuthorityState): string {
  const lines = [`authority ${pin} signs`];
  if (pinBefore !== null) {
    lines.push(`what ${pinBefore} signed before is still good; "authority retire" ends that`);
    const some = sitesBefore.slice(0, 20).join(', ') + (sitesBefore.length > 20 ? ', …' : '');
    lines.push(
      sitesBefore.length === 0
        ? 'every site has renewed since'
        : `${sitesBefore.length} sites have not renewed since: ${some}`,
    );
  }
  return lines.join('\n');
}
