import { isUtf8 } from 'node:buffer';
import { isoTime } from '#shared/std/clock.ts';
import type { CommandIo } from '#shared/std/command-io.ts';
import type { StreamId } from '#shared/wire/link.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import type { DamagedRun, InspectedRun } from './buffer/inspect.ts';

/** Beyond it a number is no date (ECMA-262, time values). */
const dateMax = 8.64e15;

/** One record a line. What is damaged is told on standard error, and the exit code is 1. */
export async function exportRecords(
  runs: Iterable<InspectedRun | DamagedRun>,
  io: CommandIo,
): Promise<number> {
  let code = 0;
  for (const run of runs) {
    if ('damage' in run) {
      const { topic, partition, first, count, damage } = run;
      io.err(`${topic}/${partition}: ${count} records from ${first} on are damaged: ${damage}`);
      code = 1;
    } else await io.write(lines(run));
  }
  return code;
}

const lines = (run: InspectedRun): string =>
  run.records
    .map((record, index) => `${JSON.stringify(recordLine(run, run.first + index, record))}\n`)
    .join('');

/** Bytes that are no text as base64, as everywhere in our JSON. */
function recordLine({ topic, partition, epoch }: StreamId, sequence: number, record: WireRecord) {
  const { timestamp, key, value, headers } = record;
  const text = (name: 'key' | 'value', bytes: Buffer | null) =>
    bytes === null || isUtf8(bytes)
      ? { [name]: bytes?.toString('utf8') ?? null }
      : { [`${name}Base64`]: bytes.toString('base64') };
  return {
    ...{ topic, partition, epoch, sequence },
    timestamp: Math.abs(timestamp) <= dateMax ? isoTime(timestamp) : timestamp,
    ...text('key', key),
    ...text('value', value),
    headers: headers.map(([name, bytes]) => [
      name,
      bytes === null || isUtf8(bytes)
        ? (bytes?.toString('utf8') ?? null)
        : { base64: bytes.toString('base64') },
    ]),
  };
}
