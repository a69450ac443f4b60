import { systemClock } from '#shared/std/clock.ts';
import { checkBatch } from '#shared/wire/batch-check.ts';
import type { Provenance, WireRecord } from '#shared/wire/record.ts';
import { type Compression, openBatch, sealBatch } from '#shared/wire/record-batch.ts';

/**
 * Million records a second through the codec, one thread: seal, central's check, open.
 * `node test/bench/codec.ts`. JSON telemetry with a key, with and without provenance headers.
 */
const provenance: Provenance = {
  alias: 'factory-a',
  topic: 'sensor-data',
  epoch: '0123456789abcdef0123456789abcdef',
  firstSequence: 1_000_000,
};
const roundMs = 400;

function telemetry(count: number, valueBytes: number): WireRecord[] {
  return Array.from({ length: count }, (_, i) => {
    const reading = { sensor: i % 50, at: 1_700_000_000_000 + i * 37, value: Math.sin(i) * 100 };
    const text = JSON.stringify({ ...reading, state: 'running', unit: 'celsius' });
    return {
      key: Buffer.from(`sensor-${i % 50}`),
      value: Buffer.from(text.padEnd(valueBytes, text).slice(0, valueBytes)),
      headers: [],
      timestamp: 1_700_000_000_000 + i * 37,
    };
  });
}

/** Best of three rounds, millions of records a second. */
function rate(count: number, work: () => unknown): number {
  let best = 0;
  for (let round = 0; round < 3; round++) {
    const start = systemClock.monotonic();
    let done = 0;
    while (systemClock.monotonic() - start < roundMs) {
      work();
      done += count;
    }
    best = Math.max(best, done / (systemClock.monotonic() - start) / 1000);
  }
  return Number(best.toFixed(2));
}

const rows = [];
for (const [valueBytes, count] of [
  [100, 3500],
  [1024, 700],
] as const) {
  for (const compression of ['none', 'zstd'] as const satisfies Compression[]) {
    for (const stamped of [true, false]) {
      const records = telemetry(count, valueBytes);
      const options = { compression, provenance: stamped ? provenance : undefined };
      const expected = { count, provenance: stamped ? provenance : null };
      const batch = sealBatch(records, options);
      rows.push({
        value: `${valueBytes} B`,
        compression,
        provenance: stamped ? 'headers' : 'index',
        'bytes/record': Number((batch.length / count).toFixed(1)),
        'seal M/s': rate(count, () => sealBatch(records, options)),
        'check M/s': rate(count, () => checkBatch(batch, expected)),
        'open M/s': rate(count, () => openBatch(batch)),
      });
    }
  }
}
console.table(rows);
