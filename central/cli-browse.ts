import type { ApiClient } from '#shared/std/api-client.ts';
import type { CommandIo } from '#shared/std/command-io.ts';
import { type Command, type CommandArgs, UsageError } from '#shared/std/command-line.ts';
import { printable, showBytes, showCount, textTable } from '#shared/std/text-table.ts';
import { topicProblem } from '#shared/wire/topic-name.ts';
import { askOptions, clientOf, expectSite } from './cli-central.ts';
import { print } from './cli-fleet.ts';

/** `flows`, `losses`, `topics` and `records`: what landed. */
export const browseCommands: Command[] = [
  {
    name: 'flows',
    summary: 'List the merged topics: rate, watermark, who holds it back.',
    options: askOptions,
    run: (args, io) => print(args, io, '/api/v1/flows', flowsTable),
  },
  {
    name: 'losses',
    summary: 'List the losses: what will never land, and why.',
    options: {
      alias: { type: 'string', value: 'ALIAS', doc: 'Of this site only.' },
      since: { type: 'string', value: 'TIME', doc: 'Landed since, ISO 8601 with a zone.' },
      ...askOptions,
    },
    run: losses,
  },
  {
    name: 'topics',
    summary: 'List the topics that landed.',
    options: askOptions,
    run: (args, io) => print(args, io, '/api/v1/topics', topicsTable),
  },
  {
    name: 'records',
    summary: 'Show records of a topic, oldest first.',
    details:
      'Begins at the newest ones unless --offset is given. With --json one record a line.\n' +
      'Example: tributary-central records sensor-data --limit 5',
    words: ['TOPIC'],
    options: {
      partition: { type: 'string', value: 'N', doc: 'Partition; default 0.' },
      offset: {
        type: 'string',
        value: 'N',
        doc: 'First offset; default: so that the newest show.',
      },
      limit: { type: 'string', value: 'N', doc: 'Records at most; default 20.' },
      ...askOptions,
    },
    run: records,
  },
];

function queryOf(parameters: { [name: string]: string | undefined }): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return given.length === 0 ? '' : `?${new URLSearchParams(given as [string, string][])}`;
}

interface Flow {
  into: string;
  from: string[];
  records: number;
  recordsExact: boolean;
  recordsPerSecond: number;
  watermark: string | null;
  heldBackBy: string[];
  sources: { remoteTopic: string; copy: Copy | null }[];
}

interface Copy {
  behind: number | null;
  trouble: string | null;
}

function flowsTable(answer: unknown): string {
  const { flows } = answer as { flows: Flow[] };
  if (flows.length === 0) return 'No flows: add [[flow]] to the settings of central.';
  const rows = flows.map(({ into, from, recordsPerSecond, ...flow }) => [
    into,
    showRecords(flow),
    showCount(recordsPerSecond),
    flow.watermark ?? '?',
    flow.heldBackBy.join(', '),
    from.join(', '),
  ]);
  const [INTO, RECORDS, RATE, WATERMARK, HELD, FROM] = [
    { name: 'INTO' },
    { name: 'RECORDS', right: true },
    { name: 'RECORDS/S', right: true },
    { name: 'COMPLETE THROUGH' },
    { name: 'HELD BACK BY' },
    { name: 'FROM' },
  ];
  const copies = flows.flatMap(copiesOf);
  return [textTable([INTO!, RECORDS!, RATE!, WATERMARK!, HELD!, FROM!], rows), ...copies].join(
    '\n',
  );
}

/** Of what is copied, where something has yet to come. */
function copiesOf({ into, sources }: Flow): string[] {
  return sources.flatMap(({ remoteTopic, copy }) => {
    if (!copy || (copy.behind === 0 && copy.trouble === null)) return [];
    const behind = copy.behind === null ? 'not known how far' : `${showCount(copy.behind)} offsets`;
    const why = copy.trouble === null ? '' : `; stands still: ${printable(copy.trouble)}`;
    return [`${into}: the copy of ${remoteTopic} is behind, ${behind}${why}`];
  });
}

async function losses(args: CommandArgs, io: CommandIo): Promise<number> {
  const alias = args.text('alias');
  const client = clientOf(args);
  const path = `/api/v1/losses${queryOf({ alias, since: args.text('since') })}`;
  const answer = (await client.get(path)) as { losses: LossRow[]; truncated: boolean };
  if (answer.losses.length === 0 && alias !== undefined) await expectSite(client, alias);
  io.out(args.flag('json') ? JSON.stringify(answer) : lossesTable(answer));
  return 0;
}

interface LossRow {
  alias: string;
  topic: string;
  partition: number;
  first: number;
  records: number;
  bytes: number;
  reason: string;
  detail: string;
  landedAt: string;
}

function lossesTable(answer: { losses: LossRow[]; truncated: boolean }): string {
  const { losses, truncated } = answer;
  if (losses.length === 0) return 'No losses.';
  const rows = losses.map((loss) => [
    loss.landedAt,
    loss.alias,
    `${loss.topic}/${loss.partition}`,
    showCount(loss.first),
    showCount(loss.records),
    showBytes(loss.bytes),
    loss.reason,
    loss.detail,
  ]);
  const table = textTable(
    [
      { name: 'DECLARED' },
      { name: 'SITE' },
      { name: 'STREAM' },
      { name: 'FIRST', right: true },
      { name: 'RECORDS', right: true },
      { name: 'BYTES', right: true },
      { name: 'REASON' },
      { name: 'DETAIL' },
    ],
    rows,
  );
  return truncated ? `${table}\nThere are more: use --since or --alias.` : table;
}

interface TopicOffsets {
  topic: string;
  kind: string;
  partitions: number;
  records: number;
  recordsExact: boolean;
  troubles: string[];
  offsets: { partition: number; startOffset: number; endOffset: number }[];
}

/** Offsets of Kafka say how many there are at most; where there are none, there is no record. */
const showRecords = ({ records, recordsExact }: { records: number; recordsExact: boolean }) =>
  `${recordsExact || records === 0 ? '' : '≤ '}${showCount(records)}`;

function topicsTable(answer: unknown): string {
  const { topics } = answer as { topics: TopicOffsets[] };
  if (topics.length === 0) return 'Nothing has landed yet.';
  const rows = topics.map(({ topic, kind, partitions, ...row }) => [
    topic,
    kind,
    showCount(partitions),
    showRecords(row),
  ]);
  const table = textTable(
    [
      { name: 'TOPIC' },
      { name: 'KIND' },
      { name: 'PARTITIONS', right: true },
      { name: 'RECORDS', right: true },
    ],
    rows,
  );
  const troubles = topics.flatMap(({ topic, troubles }) =>
    troubles.map((trouble) => `${topic}: ${printable(trouble)}`),
  );
  return [table, ...troubles].join('\n');
}

interface ShownRecord {
  offset: number;
  timestamp: string | null;
  key?: string | null;
  keyBase64?: string;
  value?: string | null;
  valueBase64?: string;
}

async function records(args: CommandArgs, io: CommandIo): Promise<number> {
  const topic = args.words[0]!;
  const problem = topicProblem(topic);
  if (problem !== undefined) throw new UsageError(`TOPIC "${topic}" ${problem}`);
  const partition = args.number('partition', 0, 0, 2 ** 31 - 1);
  const limit = args.number('limit', 20, 1, 1_000);
  const client = clientOf(args);
  const path = `/api/v1/topics/${encodeURIComponent(topic)}/partitions/${partition}/records`;
  const read: ReadRecords = async (offset) => {
    const page = await client.get(`${path}?offset=${offset}&limit=${limit}`);
    return (page as { records: ShownRecord[] }).records;
  };
  const isFrom = args.text('offset') !== undefined;
  const found = isFrom
    ? await read(args.number('offset', 0, 0, Number.MAX_SAFE_INTEGER))
    : await newestRecords(read, await offsetsOf(client, topic, partition), limit);
  for (const record of found) {
    await io.write(`${args.flag('json') ? JSON.stringify(record) : recordLine(record)}\n`);
  }
  if (found.length === 0) {
    io.err(isFrom ? 'There is no record from this offset on.' : 'There is no record.');
  }
  return 0;
}

/** Some `limit` records from an offset on. */
type ReadRecords = (offset: number) => Promise<ShownRecord[]>;

async function offsetsOf(client: ApiClient, topic: string, partition: number) {
  const { topics } = (await client.get('/api/v1/topics')) as { topics: TopicOffsets[] };
  const offsets = topics.find((one) => one.topic === topic)?.offsets;
  const none = { startOffset: 0, endOffset: 0 };
  return offsets?.find((one) => one.partition === partition) ?? none;
}

/** Many enough for records that each are a transaction, whose marker has an offset, too. */
const looksBackMost = 8;

/** Not every offset is a record's: goes back until there are enough. */
async function newestRecords(
  read: ReadRecords,
  { startOffset, endOffset }: { startOffset: number; endOffset: number },
  limit: number,
): Promise<ShownRecord[]> {
  let from = Math.max(startOffset, endOffset - limit);
  let found = await read(from);
  for (
    let look = 1;
    look < looksBackMost && found.length < limit && from > startOffset;
    look += 1
  ) {
    const until = from;
    from = Math.max(startOffset, until - limit);
    const before = await read(from);
    found = [...before.filter(({ offset }) => offset < until), ...found];
  }
  return found.slice(-limit);
}

function recordLine(record: ShownRecord): string {
  const bytes = (text: string | null | undefined, base64: string | undefined) =>
    base64 === undefined ? (text === null || text === undefined ? '-' : printable(text)) : base64;
  const key = bytes(record.key, record.keyBase64);
  const value = bytes(record.value, record.valueBase64);
  return `${record.offset}\t${record.timestamp ?? '-'}\t${key}\t${value}`;
}
