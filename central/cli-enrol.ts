import { type Command, UsageError } from '#shared/std/command-line.ts';
import { parseDuration } from '#shared/std/settings-units.ts';
import { aliasProblem } from '#shared/wire/alias.ts';
import { askOptions, clientOf } from './cli-central.ts';

interface JoinToken {
  alias: string;
  token: string;
  expiresAt: string;
  linkUrl: string | null;
}

/** `enrol ALIAS`: the one secret that a person carries to the gateway. */
export const enrolCommand: Command = {
  name: 'enrol',
  summary: 'Issue a one-time join token for a site.',
  details:
    'Prints the command to run on the gateway. The token is good once, for this alias, and says\n' +
    'whom the gateway may believe. A new one replaces an older one that was not used.',
  words: ['ALIAS'],
  options: {
    ttl: { type: 'string', value: 'TIME', doc: 'How long it is good: 1m to 90d; default 24h.' },
    link: {
      type: 'string',
      value: 'URL',
      doc: 'Where the gateway reaches central; default: the first of link.names.',
    },
    ...askOptions,
  },
  async run(args, io) {
    const [alias] = args.words;
    const problem = aliasProblem(alias);
    if (problem !== undefined) throw new UsageError(`ALIAS "${alias}" ${problem}`);
    const seconds = secondsOf(args.text('ttl') ?? '24h');
    const path = `/api/v1/edges/${alias}/enrol?ttl=${seconds}`;
    const answer = (await clientOf(args).post(path)) as JoinToken;
    const url = args.text('link') ?? answer.linkUrl ?? 'https://CENTRAL:8443';
    const command = `tributary-edge join ${answer.token} --url ${url}`;
    if (args.flag('json')) io.out(JSON.stringify({ ...answer, command }));
    else {
      io.out(`On the gateway of "${alias}", once, until ${answer.expiresAt}:\n\n  ${command}\n`);
    }
    return 0;
  },
};

function secondsOf(text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined && ms >= 60_000 && ms <= 90 * 86_400_000) return Math.round(ms / 1000);
  throw new UsageError(`--ttl "${text}" must be a time from 1m to 90d, for example 24h`);
}
