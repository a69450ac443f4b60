import { isoTime } from '#shared/std/clock.ts';
import type { CommandIo } from '#shared/std/command-io.ts';
import { type Command, type CommandArgs, CommandError } from '#shared/std/command-line.ts';
import { askHttp, NoAnswer } from '#shared/std/http-request.ts';
import { showBytes } from '#shared/std/text-table.ts';
import { limits } from '#shared/wire/limits.ts';
import type { BufferReport, LedgerLoss } from './buffer/buffer.ts';
import type { Inspection } from './buffer/inspect.ts';
import { exportRecords } from './cli-buffer-export.ts';
import { agentUrl, askOptions, configOf, settingsOptions } from './cli-edge.ts';
import {
  askStatus,
  type LossRow,
  lossesTable,
  type StreamRow,
  streamsTable,
} from './cli-status.ts';

/** `buffer …`: asked of the agent while one runs, read from the file otherwise. */
export const bufferCommands: Command[] = [
  {
    name: 'buffer list',
    summary: 'List the streams of the buffer: head, cursor, backlog, oldest record.',
    options: askOptions,
    run: listStreams,
  },
  {
    name: 'buffer losses',
    summary: 'List the newest losses of this edge, whether central knows them already or not.',
    options: askOptions,
    run: listLosses,
  },
  {
    name: 'buffer export',
    summary: 'Write the records that central has not acknowledged as NDJSON; they stay here.',
    details:
      'The agent may run meanwhile. Ends with 1 when some records on disk are damaged.\n' +
      'Example: tributary-edge buffer export --topic sensor-data > backlog.ndjson',
    options: {
      topic: { type: 'string', short: 't', value: 'TOPIC', doc: 'Of this topic only.' },
      ...settingsOptions,
    },
    run: (args, io) =>
      withBuffer(args, io, (buffer) => exportRecords(buffer.records(args.text('topic')), io)),
  },
];

async function listStreams(args: CommandArgs, io: CommandIo): Promise<number> {
  const found = await streamsOf(args, io);
  const { streams, usedBytes, maxBytes } = found;
  if (args.flag('json')) io.out(JSON.stringify(found));
  else {
    io.out(`${showBytes(usedBytes)} of ${showBytes(maxBytes)} used`);
    io.out(streams.length === 0 ? 'No streams yet.' : streamsTable(streams));
  }
  return 0;
}

interface FoundStreams {
  usedBytes: number;
  maxBytes: number;
  streams: StreamRow[];
}

async function streamsOf(args: CommandArgs, io: CommandIo): Promise<FoundStreams> {
  const url = await runningAgent(args);
  if (url !== undefined) {
    const { buffer, streams } = await askStatus(url, `?streams=${limits.streamsPerEdge}`);
    return { usedBytes: buffer.usedBytes, maxBytes: buffer.maxBytes, streams };
  }
  return withBuffer(args, io, async (buffer) => {
    const { usedBytes, maxBytes, streams } = buffer.report();
    return { usedBytes, maxBytes, streams: streams.map(streamRow) };
  });
}

const streamRow = ({ oldestAgeMs, ...stream }: BufferReport['streams'][number]): StreamRow => ({
  ...stream,
  oldestSeconds: oldestAgeMs === null ? null : oldestAgeMs / 1000,
});

const shownLosses = 1_000;

async function listLosses(args: CommandArgs, io: CommandIo): Promise<number> {
  const url = await runningAgent(args);
  const losses =
    url === undefined
      ? await withBuffer(args, io, async (buffer) =>
          buffer.losses(shownLosses).map((loss) => lossRow(loss)),
        )
      : (await askStatus(url)).losses;
  if (args.flag('json')) io.out(JSON.stringify({ losses }));
  else io.out(losses.length === 0 ? 'No losses.' : lossesTable(losses));
  return 0;
}

const lossRow = (loss: LedgerLoss): LossRow => ({ ...loss, declaredAt: isoTime(loss.declaredAt) });

const patienceMs = 10_000;

/** Where the agent answers; undefined when none runs. */
async function runningAgent(args: CommandArgs): Promise<string | undefined> {
  const url = agentUrl(args);
  try {
    await askHttp(`${url}/livez`, { timeoutMs: patienceMs });
    return url;
  } catch (error) {
    if (error instanceof NoAnswer && args.text('url') === undefined) return undefined;
    throw new CommandError((error as Error).message);
  }
}

/** Looks at the file of the settings, whether an agent owns it or not; nothing changes. */
async function withBuffer<T>(
  args: CommandArgs,
  io: CommandIo,
  use: (buffer: Inspection) => Promise<T>,
): Promise<T> {
  const settings = configOf(args).buffer;
  // Only here: to ask a running agent needs no library.
  const { Inspection } = await import('./buffer/inspect.ts');
  const buffer = new Inspection(settings, io.clock);
  try {
    return await use(buffer);
  } finally {
    buffer.close();
  }
}
