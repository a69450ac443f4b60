import type { CommandIo } from '#shared/std/command-io.ts';
import { type Command, type CommandArgs, UsageError } from '#shared/std/command-line.ts';
import { printable, showCount, textTable } from '#shared/std/text-table.ts';
import { aliasProblem } from '#shared/wire/alias.ts';
import { askOptions, clientOf, expectSite, landingKind } from './cli-central.ts';

interface Place {
  topic: string;
  offset: number;
  exactness: 'exact' | 'ahead' | 'before';
}

interface Group {
  group: string;
  state: string;
  topic: string;
  partition: number;
  sourceOffset: number;
  remote: Place | null;
  earlier: Place[];
  merged: Place[];
}

interface Applied {
  outcome: 'set' | 'current' | 'active' | 'unknown';
  offsets: { topic: string; partition: number; offset: number }[];
}

/** `translate`: where a site's consumer groups go on at central. */
export const translateCommand: Command = {
  name: 'translate',
  summary: "Show where a site's consumer groups go on at central, or put a group there.",
  details:
    'A position is exact where all that is before it at the site is before it at central, and all\n' +
    'behind it behind. "ahead": records before it have yet to land, and would be read once more.\n' +
    '"before": what is known begins behind it; such a place is never applied.',
  options: {
    alias: { type: 'string', value: 'ALIAS', doc: 'The site.' },
    group: { type: 'string', value: 'GROUP', doc: 'Of this group only.' },
    apply: {
      type: 'boolean',
      doc: "Put the group's positions into central's consumer offsets: never back, never under members.",
    },
    ...askOptions,
  },
  run: translate,
};

async function translate(args: CommandArgs, io: CommandIo): Promise<number> {
  const alias = args.text('alias');
  const group = args.text('group');
  const problem = aliasProblem(alias);
  if (alias === undefined)
    throw new UsageError('--alias is missing, for example --alias factory-a');
  if (problem !== undefined) throw new UsageError(`--alias "${alias}" ${problem}`);
  if (args.flag('apply') && group === undefined) {
    throw new UsageError('--apply needs --group: one group at a time');
  }
  const client = clientOf(args);
  const kind = await landingKind(client);
  if (kind !== 'kafka') {
    io.err(
      `central has the ${kind} landing, which has no consumer groups: nobody reads it with ` +
        'the Kafka protocol. With landing.type = "kafka" sites\' groups are translated.',
    );
    return 1;
  }
  const query = new URLSearchParams({ alias, ...(group === undefined ? {} : { group }) });
  if (args.flag('apply')) {
    const applied = (await client.post(`/api/v1/groups/apply?${query}`)) as Applied;
    io.out(args.flag('json') ? JSON.stringify(applied) : appliedText(group!, applied));
    return applied.outcome === 'set' || applied.outcome === 'current' ? 0 : 1;
  }
  const { groups } = (await client.get(`/api/v1/groups?${query}`)) as { groups: Group[] };
  if (groups.length === 0) await expectSite(client, alias);
  io.out(args.flag('json') ? JSON.stringify({ groups }) : groupsTable(groups, alias, group));
  return groups.length > 0 ? 0 : 1;
}

function groupsTable(groups: readonly Group[], alias: string, group: string | undefined): string {
  if (groups.length === 0) {
    const which = group === undefined ? 'no group' : `no group "${printable(group)}"`;
    return `${alias} told of ${which}: "groups" of its Kafka source says which it tells of.`;
  }
  const rows = groups.flatMap((one) => {
    const places = [...(one.remote ? [one.remote] : []), ...one.earlier, ...one.merged];
    const source = [
      ...[printable(one.group), one.state, one.topic, showCount(one.partition)],
      showCount(one.sourceOffset),
    ];
    if (places.length === 0) return [[...source, 'nothing landed yet', '', '']];
    return places.map(({ topic, offset, exactness }) => [
      ...source,
      ...[topic, showCount(offset), exactness],
    ]);
  });
  return textTable(
    [
      ...[{ name: 'GROUP' }, { name: 'STATE' }, { name: 'TOPIC' }, { name: 'PART', right: true }],
      { name: 'OFFSET', right: true },
      { name: 'AT CENTRAL' },
      { name: 'OFFSET', right: true },
      { name: 'HOW' },
    ],
    rows,
  );
}

function appliedText(group: string, { outcome, offsets }: Applied): string {
  const name = printable(group);
  if (outcome === 'active') {
    return `${name} has members at central: what they commit counts. Stop them first.`;
  }
  if (outcome === 'current') return `${name} is there already, or further on.`;
  if (outcome === 'unknown') return `The site told of no position of ${name} that has landed.`;
  const lines = offsets.map(({ topic, partition, offset }) => `  ${topic}/${partition} ${offset}`);
  return [`${name} goes on at central at`, ...lines].join('\n');
}
