import type { Database } from 'better-sqlite3';
import { limits } from '#shared/wire/limits.ts';
import type { LossRecord } from '#shared/wire/link.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';
import type { Unit } from './embedded-unit.ts';
import type { AliasWrite } from './landing.ts';

export const lossesTopic = 'tributary.losses';
/**
 * Losses kept in the table, per alias, so that no site pushes out another's. They outlive the
 * topic's retention; the counters in `checkpoints` never forget.
 */
const lossesKept = 10_000;

export const ledgerStatements = (db: Database) => ({
  add: db.prepare<[{ alias: string; at: number; loss: string }]>(`
    INSERT INTO losses SELECT @alias, coalesce(max(number), 0) + 1, @at, @loss
    FROM losses WHERE alias = @alias`),
  prune: db.prepare<[{ alias: string; keep: number }]>(`
    DELETE FROM losses WHERE alias = @alias
      AND number <= (SELECT max(number) FROM losses WHERE alias = @alias) - @keep`),
});

/** The losses of `write` into the ledger and, as JSON under the alias as key, onto their topic. */
export function writeLedger(
  sql: ReturnType<typeof ledgerStatements>,
  unit: Unit,
  { alias, at, losses }: AliasWrite,
): void {
  const rows = losses.map(({ partitionCount: _, ...loss }) =>
    JSON.stringify({ alias, ...loss, landedAt: at } satisfies LossRecord),
  );
  for (const loss of rows) sql.add.run({ alias, at, loss });
  sql.prune.run({ alias, keep: lossesKept });

  const topic = unit.topic(lossesTopic, 'internal', 1);
  const key = Buffer.from(alias);
  for (const piece of pieces(rows)) {
    const records = piece.map((row) => ({
      key,
      value: Buffer.from(row),
      headers: [],
      timestamp: at,
    }));
    const batchId = unit.addBatch(sealBatch(records, { compression: 'zstd' }));
    unit.append(topic, 0, batchId, records.length, at);
  }
}

/** So many rows at a time that a batch surely holds them (one is below 16 KiB). */
function* pieces(rows: readonly string[]): Generator<readonly string[]> {
  const rowsPerBatch = Math.floor(limits.segmentBytes / (32 * 1024));
  for (let i = 0; i < rows.length; i += rowsPerBatch) yield rows.slice(i, i + rowsPerBatch);
}
