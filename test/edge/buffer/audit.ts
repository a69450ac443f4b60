import type { Database } from 'better-sqlite3';
import { readRuns } from '#shared/wire/source-runs.ts';

interface StreamRow {
  id: number;
  log: number;
  epoch: string;
  topic: string;
  partition: number;
  base: number;
  head: number;
  cursor: number;
  accepted: number;
  acked: number;
  lost: number;
  backlog_records: number;
  backlog_bytes: number;
  stored_bytes: number;
  losses_pending: number;
  oldest: number | null;
}

interface Piece {
  pos: number;
  span: number;
  kind: 'segment' | 'loss';
}

/**
 * Looks at every row of a buffer and says what does not hold: segments and losses that have not landed
 * tile each stream behind its cursor, and the counters are what a count gives.
 */
export function audit(database: Database): string[] {
  const problems: string[] = [];
  const streams = database.prepare('SELECT * FROM streams ORDER BY log, base').all() as StreamRow[];
  let known = 0;
  for (const stream of streams) {
    const name = `${stream.topic}/${stream.partition}@${stream.epoch.slice(0, 4)}`;
    const say = (problem: string) => problems.push(`${name}: ${problem}`);
    const from = stream.base + stream.cursor + 1;
    const to = stream.base + stream.head;
    const pieces = database
      .prepare(
        `SELECT pos, count AS span, 'segment' AS kind FROM segments WHERE log = :log AND pos BETWEEN :from AND :to
         UNION ALL SELECT pos, span, 'loss' FROM losses WHERE landed = 0 AND log = :log AND pos BETWEEN :from AND :to
         ORDER BY pos`,
      )
      .all({ log: stream.log, from, to }) as Piece[];
    known += pieces.length;
    let next = from;
    for (const { pos, span, kind } of pieces) {
      if (pos !== next) say(`${kind} at ${pos - stream.base}, expected ${next - stream.base}`);
      next = pos + span;
    }
    if (next !== to + 1) say(`ends at ${next - 1 - stream.base}, head is ${stream.head}`);
    const sums = database
      .prepare(
        `SELECT coalesce(sum(count), 0) AS records, coalesce(sum(bytes), 0) AS bytes,
         coalesce(sum(length(batch)), 0) AS stored, min(accepted_from) AS oldest
         FROM segments WHERE log = ? AND pos BETWEEN ? AND ?`,
      )
      .get(stream.log, from, to) as {
      records: number;
      bytes: number;
      stored: number;
      oldest: number;
    };
    const lossCount = pieces.filter(({ kind }) => kind === 'loss').length;
    const expect = (what: string, is: unknown, should: unknown) => {
      if (is !== should) say(`${what} is ${is}, a count gives ${should}`);
    };
    expect('backlog_records', stream.backlog_records, sums.records);
    expect('backlog_bytes', stream.backlog_bytes, sums.bytes);
    expect('stored_bytes', stream.stored_bytes, sums.stored);
    expect('losses_pending', stream.losses_pending, lossCount);
    expect('oldest', stream.oldest, sums.oldest);
    expect('accepted', stream.accepted, stream.acked + stream.backlog_records + stream.lost);
  }
  const rows = database
    .prepare(
      'SELECT (SELECT count(*) FROM segments) + (SELECT count(*) FROM losses WHERE landed = 0)',
    )
    .pluck()
    .get() as number;
  if (rows !== known) problems.push(`${rows - known} rows belong to no stream`);
  return [...problems, ...auditRuns(database)];
}

/** Source runs belong to a segment, and make it up. */
function auditRuns(database: Database): string[] {
  const rows = database
    .prepare(
      `SELECT source_runs.id, runs, count FROM source_runs
       LEFT JOIN segments ON segments.id = source_runs.id`,
    )
    .all() as { id: number; runs: Buffer; count: number | null }[];
  const problems: string[] = [];
  for (const { id, runs, count } of rows) {
    const sum = readRuns(runs.subarray(0, -4), 0).reduce((total, run) => total + run.count, 0);
    if (sum !== count) problems.push(`source runs ${id} make up ${sum} of ${count}`);
  }
  return problems;
}
