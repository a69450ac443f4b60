import type { Database, Statement } from 'better-sqlite3';
import type { SourcePlace } from '#shared/wire/link.ts';

type Partition = Omit<SourcePlace, 'next'>;

/**
 * How far each partition of a source has landed through other buffers of this site, as central told
 * in a fork: nothing before it is taken again. Central's word, kept until it gives another.
 */
export class LandedPlaces {
  readonly #next: Statement;
  readonly #ofTopic: Statement;
  readonly #put: Statement;
  readonly #lower: Statement;

  constructor(database: Database) {
    this.#next = database
      .prepare(
        'SELECT next FROM landed_places WHERE topic = ? AND partition = ? AND incarnation = ?',
      )
      .pluck();
    this.#ofTopic = database.prepare(
      'SELECT partition, next FROM landed_places WHERE topic = ? AND incarnation = ?',
    );
    this.#put = database.prepare('INSERT OR REPLACE INTO landed_places VALUES (?, ?, ?, ?)');
    this.#lower = database.prepare(
      `UPDATE landed_places SET next = min(next, ?)
       WHERE topic = ? AND partition = ? AND incarnation = ?`,
    );
  }

  /** First source offset that has not landed; 0 where nothing is known. */
  next({ topic, partition, incarnation }: Partition): number {
    return (this.#next.get(topic, partition, incarnation) as number | undefined) ?? 0;
  }

  /** Of all partitions of a topic that are known. */
  ofTopic(topic: string, incarnation: string): Map<number, number> {
    const rows = this.#ofTopic.all(topic, incarnation) as { partition: number; next: number }[];
    return new Map(rows.map(({ partition, next }) => [partition, next]));
  }

  /** Within a transaction. */
  put(places: readonly SourcePlace[]): void {
    for (const { topic, partition, incarnation, next } of places) {
      this.#put.run(topic, partition, incarnation, next);
    }
  }

  /** Within a transaction. */
  cutBack({ topic, partition, incarnation }: Partition, offset: number): void {
    this.#lower.run(offset, topic, partition, incarnation);
  }
}
