import { openApiClient } from '#shared/std/api-client.ts';
import type { CommandIo } from '#shared/std/command-io.ts';
import { type Command, type CommandArgs, UsageError } from '#shared/std/command-line.ts';
import { askHttp } from '#shared/std/http-request.ts';
import { parseDuration } from '#shared/std/settings-units.ts';
import { printable, showBytes, showCount, showSeconds, textTable } from '#shared/std/text-table.ts';
import { agentUrl, askOptions, startAdvice } from './cli-edge.ts';

/** What the agent answers at /api/v1/status, as far as it is shown. */
export interface AgentStatus {
  alias: string;
  version: string;
  uptimeSeconds: number;
  central: {
    url: string | null;
    state: string;
    lastAckAt: string | null;
    lastError: string | null;
    failingSince: string | null;
    held: string[];
    nextAttemptAt: string | null;
    sentBytes: number;
  };
  buffer: {
    usedBytes: number;
    maxBytes: number;
    whenFull: string;
    blocked: boolean;
    backlogRecords: number;
    backlogBytes: number;
    oldestSeconds: number | null;
    quarantined: number;
  };
  counts: { accepted: number; acknowledged: number; backlog: number; lost: number };
  sources: { name: string; state: string; detail: string; acceptedRecords: number }[];
  streams: StreamRow[];
  streamsOmitted: boolean;
  losses: LossRow[];
}

export interface StreamRow {
  epoch: string;
  topic: string;
  partition: number;
  head: number;
  cursor: number;
  backlogRecords: number;
  backlogBytes: number;
  oldestSeconds: number | null;
  lostRecords: number;
}

export interface LossRow {
  topic: string;
  partition: number;
  first: number;
  records: number;
  bytes: number;
  reason: string;
  detail: string;
  declaredAt: string | null;
  landed: boolean;
}

export const statusCommand: Command = {
  name: 'status',
  summary: 'Show how the running agent is: central, buffer, sources, streams.',
  options: {
    connected: {
      type: 'string',
      value: 'TIME',
      doc: 'Wait this long at most for the link to central; 1 when it is not up by then.',
    },
    ...askOptions,
  },
  run: status,
};

export const askStatus = async (url: string, query = ''): Promise<AgentStatus> =>
  (await openApiClient(url, startAdvice).get(`/api/v1/status${query}`)) as AgentStatus;

async function status(args: CommandArgs, io: CommandIo): Promise<number> {
  const url = agentUrl(args);
  const patience = args.text('connected');
  const answer = await (patience === undefined ? askStatus(url) : connected(url, patience, io));
  io.out(args.flag('json') ? JSON.stringify(answer) : describe(answer, await storeTrouble(url)));
  return patience === undefined || isConnected(answer) ? 0 : 1;
}

const isConnected = ({ central }: AgentStatus): boolean => central.state === 'connected';
const lookEveryMs = 250;

/** The answer once the link is up, or the last one; an agent that starts is waited for. */
async function connected(url: string, patience: string, { clock }: CommandIo) {
  const ms = parseDuration(patience);
  if (ms === undefined) throw new UsageError(`--connected "${patience}" is no time like "30s"`);
  const until = clock.monotonic() + ms;
  for (;;) {
    const isLast = clock.monotonic() >= until;
    const answer = await askStatus(url).catch((error: unknown) => {
      if (isLast) throw error;
    });
    if (answer && (isLast || isConnected(answer))) return answer;
    await clock.sleep(lookEveryMs);
  }
}

const healthMs = 10_000;

/** Why nothing can be accepted, in the words of the agent's health. */
async function storeTrouble(url: string): Promise<string | undefined> {
  const { text } = await askHttp(`${url}/healthz`, { timeoutMs: healthMs });
  const health = JSON.parse(text) as { status?: string; checks: { store: { message: string } } };
  return health.status === 'failing' ? health.checks.store.message : undefined;
}

function describe(status: AgentStatus, trouble: string | undefined): string {
  const { counts, buffer } = status;
  const oldest = buffer.oldestSeconds;
  return [
    `${status.alias}: agent ${status.version}, up ${showSeconds(status.uptimeSeconds)}`,
    centralLine(status),
    `buffer ${showBytes(buffer.usedBytes)} of ${showBytes(buffer.maxBytes)}` +
      (buffer.blocked ? ', FULL: sources wait for room' : '') +
      (oldest === null ? '' : `, oldest record ${showSeconds(oldest)} old`),
    ...(trouble === undefined ? [] : [`NOTHING CAN BE ACCEPTED: ${printable(trouble)}`]),
    `accepted ${showCount(counts.accepted)} = acknowledged ${showCount(counts.acknowledged)} + ` +
      `backlog ${showCount(counts.backlog)} + lost ${showCount(counts.lost)}`,
    ...(status.sources.length === 0 ? [] : ['', sourcesTable(status.sources)]),
    ...(status.streams.length === 0 ? [] : ['', streamsTable(status.streams)]),
    ...(status.streamsOmitted ? ['… and more: tributary-edge buffer list'] : []),
  ].join('\n');
}

const notLanding = 'connected, but central cannot land what it is sent';

function centralLine({ central }: AgentStatus): string {
  const { url, state, lastAckAt, lastError, failingSince, nextAttemptAt, held } = central;
  if (url === null) return 'central: none is set, records are kept here';
  const parts = [
    `central ${url}: ${state === 'not-landing' ? notLanding : state}`,
    `last acknowledgement ${lastAckAt ?? 'never'}`,
    ...(lastError === null ? [] : [printable(lastError)]),
    ...(failingSince === null ? [] : [`failing since ${failingSince}`]),
    ...(nextAttemptAt === null ? [] : [`tries again at ${nextAttemptAt}`]),
  ];
  const waiting = held.map((reason) => `held at central: ${printable(reason)}`);
  return [parts.join(', '), ...waiting].join('\n');
}

const sourcesTable = (sources: AgentStatus['sources']): string =>
  textTable(
    [{ name: 'SOURCE' }, { name: 'STATE' }, { name: 'ACCEPTED', right: true }, { name: 'DETAIL' }],
    sources.map(({ name, state, acceptedRecords, detail }) => [
      name,
      state,
      showCount(acceptedRecords),
      detail,
    ]),
  );

export const streamsTable = (streams: readonly StreamRow[]): string =>
  textTable(
    [
      { name: 'TOPIC' },
      { name: 'PARTITION', right: true },
      { name: 'EPOCH' },
      { name: 'HEAD', right: true },
      { name: 'CURSOR', right: true },
      { name: 'BACKLOG', right: true },
      { name: 'BYTES', right: true },
      { name: 'OLDEST', right: true },
      { name: 'LOST', right: true },
    ],
    streams.map((stream) => [
      stream.topic,
      String(stream.partition),
      stream.epoch.slice(0, 8),
      showCount(stream.head),
      showCount(stream.cursor),
      showCount(stream.backlogRecords),
      showBytes(stream.backlogBytes),
      stream.oldestSeconds === null ? '-' : showSeconds(stream.oldestSeconds),
      showCount(stream.lostRecords),
    ]),
  );

export const lossesTable = (losses: readonly LossRow[]): string =>
  textTable(
    [
      { name: 'DECLARED' },
      { name: 'STREAM' },
      { name: 'FIRST', right: true },
      { name: 'RECORDS', right: true },
      { name: 'BYTES', right: true },
      { name: 'REASON' },
      { name: 'AT CENTRAL' },
      { name: 'DETAIL' },
    ],
    losses.map((loss) => [
      loss.declaredAt ?? '?',
      `${loss.topic}/${loss.partition}`,
      showCount(loss.first),
      showCount(loss.records),
      showBytes(loss.bytes),
      loss.reason,
      loss.landed ? 'yes' : 'not yet',
      loss.detail,
    ]),
  );
