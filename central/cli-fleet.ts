import type { ApiClient } from '#shared/std/api-client.ts';
import type { CommandIo } from '#shared/std/command-io.ts';
import { type Command, type CommandArgs, UsageError } from '#shared/std/command-line.ts';
import { printable, showBytes, showCount, showSeconds, textTable } from '#shared/std/text-table.ts';
import { aliasProblem } from '#shared/wire/alias.ts';
import { askOptions, clientOf } from './cli-central.ts';

/** What the status API answers of one site (DESIGN §9), as far as it is shown here. */
interface Edge {
  alias: string;
  state: string;
  stateSince: string | null;
  lastHeartbeatAt: string | null;
  lag: { records: number | null; bytes: number | null; seconds: number | null; atLeast: boolean };
  rates: { recordsPerSecond: number };
  buffer: { usedBytes: number | null; maxBytes: number | null; etaFullSeconds: number | null };
  losses: { records: number };
  counts: { accepted: number | null; landed: number; backlog: number | null; lost: number };
  sources: { name: string; type: string; state: string; detail: string }[];
  alarms: string[];
}

interface Stream {
  topic: string;
  partition: number;
  epoch: string;
  through: number;
  backlog: { records: number | null };
  landedRecords: number;
  lostRecords: number;
}

/** `status` and `edges …`. */
export const fleetCommands: Command[] = [
  {
    name: 'status',
    summary: 'Show how central and its sites are.',
    options: askOptions,
    run: status,
  },
  {
    name: 'edges list',
    summary: 'List the sites: state, lag, backlog, losses.',
    options: askOptions,
    run: (args, io) =>
      print(args, io, '/api/v1/edges', (answer) => edgesTable((answer as { edges: Edge[] }).edges)),
  },
  {
    name: 'edges show',
    summary: 'Show one site with its streams and sources.',
    words: ['ALIAS'],
    options: askOptions,
    run: (args, io) =>
      print(args, io, `/api/v1/edges/${aliasOf(args)}`, (answer) =>
        edgeDetails(answer as Edge & { streams: Stream[] }),
      ),
  },
  ...actions(),
];

function actions(): Command[] {
  const all: [name: string, summary: string, done: string][] = [
    [
      'adopt',
      'Let a site go on although central lacks what it had acknowledged: the hole becomes a loss.',
      'may go on: its next hello may leave a hole, which becomes a loss "central-rollback"',
    ],
    ['disable', 'Refuse a site; what it has stays in its buffer.', 'is refused from now on'],
    ['enable', 'Let a disabled site in again.', 'is let in again'],
    [
      'remove',
      'Forget a site: sessions, checkpoints, heartbeat. Its topics stay.',
      'is forgotten; its topics stay',
    ],
  ];
  return all.map(([name, summary, done]) => ({
    name: `edges ${name}`,
    summary,
    words: ['ALIAS'],
    options: askOptions,
    async run(args, io) {
      const alias = aliasOf(args);
      const answer = await clientOf(args).post(`/api/v1/edges/${alias}/${name}`);
      io.out(args.flag('json') ? JSON.stringify(answer) : `${alias} ${done}.`);
      return 0;
    },
  }));
}

function aliasOf({ words: [alias] }: CommandArgs): string {
  const problem = aliasProblem(alias);
  if (problem === undefined) return alias!;
  throw new UsageError(`ALIAS "${alias}" ${problem}; "tributary-central edges list" has them`);
}

/** Asks for one path and prints it: as it came with `--json`, else as `show` makes it. */
export async function print(
  args: CommandArgs,
  io: CommandIo,
  path: string,
  show: (answer: unknown) => string,
): Promise<number> {
  const answer = await clientOf(args).get(path);
  io.out(args.flag('json') ? JSON.stringify(answer) : show(answer));
  return 0;
}

async function status(args: CommandArgs, io: CommandIo): Promise<number> {
  const client = clientOf(args);
  const [central, { edges }, { flows }] = (await Promise.all([
    client.get('/api/v1/central'),
    client.get('/api/v1/edges'),
    client.get('/api/v1/flows'),
  ])) as [Central, { edges: Edge[] }, { flows: unknown[] }];
  if (args.flag('json')) io.out(JSON.stringify({ central, edges, flows }));
  else io.out([centralLine(client, central), '', edgesTable(edges)].join('\n'));
  return 0;
}

interface Central {
  version: string;
  linkUrl: string | null;
  landing: { kind: string; usedBytes: number | null; maxBytes: number | null };
}

const centralLine = ({ url }: ApiClient, { version, linkUrl, landing }: Central): string =>
  `central ${version} at ${url}, link ${linkUrl ?? 'none'}, ${landing.kind} landing${diskOf(landing)}`;

/** Kafka's disks are its own. */
const diskOf = ({ usedBytes, maxBytes }: Central['landing']): string =>
  usedBytes === null ? '' : ` ${showBytes(usedBytes)} of ${showBytes(maxBytes)}`;

function edgesTable(edges: Edge[]): string {
  if (edges.length === 0) return 'No site yet: a new one appears with its first hello.';
  const rows = edges.map((edge) => [
    edge.alias,
    edge.state,
    lagText(edge),
    showCount(edge.lag.records),
    showCount(edge.rates.recordsPerSecond),
    showBytes(edge.buffer.usedBytes),
    showCount(edge.losses.records),
    edge.alarms.length === 0 ? '' : `! ${edge.alarms.join('; ')}`,
  ]);
  return textTable(
    [
      { name: 'SITE' },
      { name: 'STATE' },
      { name: 'BEHIND', right: true },
      { name: 'BACKLOG', right: true },
      { name: 'RECORDS/S', right: true },
      { name: 'BUFFER', right: true },
      { name: 'LOST', right: true },
      { name: '' },
    ],
    rows,
  );
}

const lagText = ({ lag }: Edge): string =>
  `${lag.atLeast && lag.seconds !== null ? '≥ ' : ''}${showSeconds(lag.seconds)}`;

function edgeDetails(edge: Edge & { streams: Stream[] }): string {
  const { counts, buffer } = edge;
  const eta =
    buffer.etaFullSeconds === null ? '' : `, full in ${showSeconds(buffer.etaFullSeconds)}`;
  const lines = [
    `${edge.alias}: ${edge.state} since ${edge.stateSince ?? '?'}, ` +
      `last heartbeat ${edge.lastHeartbeatAt ?? 'never'}`,
    `behind ${lagText(edge)}, ${showCount(edge.lag.records)} records, ${showBytes(edge.lag.bytes)}`,
    `accepted ${showCount(counts.accepted)} = landed ${showCount(counts.landed)} + backlog ` +
      `${showCount(counts.backlog)} + lost ${showCount(counts.lost)}`,
    `buffer ${showBytes(buffer.usedBytes)} of ${showBytes(buffer.maxBytes)}${eta}`,
    ...edge.alarms.map((alarm) => `! ${printable(alarm)}`),
    ...edge.sources.map(({ name, state, detail }) =>
      printable(`source ${name}: ${state}, ${detail}`),
    ),
  ];
  const streams = edge.streams.map((stream) => [
    stream.topic,
    String(stream.partition),
    stream.epoch.slice(0, 8),
    showCount(stream.through),
    showCount(stream.backlog.records),
    showCount(stream.landedRecords),
    showCount(stream.lostRecords),
  ]);
  const headings = ['TOPIC', 'PARTITION', 'EPOCH', 'THROUGH', 'BACKLOG', 'LANDED', 'LOST'].map(
    (name, index) => ({ name, right: index === 1 || index > 2 }),
  );
  return [...lines, ...(streams.length > 0 ? ['', textTable(headings, streams)] : [])].join('\n');
}
