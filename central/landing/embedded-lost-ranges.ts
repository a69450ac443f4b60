import type { Database } from 'better-sqlite3';

/**
 * Which landed sequences are losses, exactly, for `lostWithin`: an edge repeats or widens a loss
 * only above its cursor, so that the newest ranges of a stream are the ones that will be asked for.
 */
const rangesKept = 10_000;

export type LostRangeStatements = ReturnType<typeof lostRangeStatements>;

export const lostRangeStatements = (db: Database) => ({
  extend: db.prepare<[{ id: number; first: number; last: number }]>(`
    UPDATE lost_ranges SET last = @last WHERE checkpoint_id = @id AND last = @first - 1
      AND number = (SELECT max(number) FROM lost_ranges WHERE checkpoint_id = @id)`),
  add: db.prepare<[{ id: number; first: number; last: number }]>(`
    INSERT INTO lost_ranges SELECT @id, coalesce(max(number), 0) + 1, @first, @last
    FROM lost_ranges WHERE checkpoint_id = @id`),
  prune: db.prepare<[{ id: number; keep: number }]>(`
    DELETE FROM lost_ranges WHERE checkpoint_id = @id
      AND number <= (SELECT max(number) FROM lost_ranges WHERE checkpoint_id = @id) - @keep`),
});

/** `first` is above every range of this checkpoint: a loss that follows the last one joins it. */
export function addLostRange(
  sql: LostRangeStatements,
  id: number,
  first: number,
  last: number,
): void {
  if (sql.extend.run({ id, first, last }).changes > 0) return;
  sql.add.run({ id, first, last });
  sql.prune.run({ id, keep: rangesKept });
}
