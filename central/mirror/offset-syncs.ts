import type { Mm2OffsetSync } from '#shared/wire/mm2-offset-sync.ts';
import type { LandedSegment } from './translate.ts';

/**
 * Offset syncs of one site, for who reads MirrorMaker 2's own topic: per partition the last record
 * that landed, now and then. They are points, as MirrorMaker 2's are; our own translation rests on
 * the whole index instead. MirrorMaker 2 writes one whenever offsets at both ends do not step
 * alike, which at central, where transactions' markers come between, is always: hence a least time.
 */
export class OffsetSyncs {
  readonly #intervalMs: number;
  readonly #newest = new Map<string, Mm2OffsetSync>();
  readonly #writtenAt = new Map<string, number>();

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  landed(topic: string, partition: number, { first, remote, runs }: LandedSegment): void {
    const last = runs.at(-1);
    if (!last) return;
    const records = last.count - 1;
    this.#newest.set(`${topic}/${partition}`, {
      ...{ topic, partition },
      upstreamOffset: last.sourceOffset + records,
      offset: remote.offset + (last.sequence - first) + records,
    });
  }

  /** `at`: ms of the monotonic clock. */
  due(at: number): Mm2OffsetSync[] {
    return [...this.#newest.entries()]
      .filter(([key]) => {
        const writtenAt = this.#writtenAt.get(key);
        return writtenAt === undefined || at - writtenAt >= this.#intervalMs;
      })
      .map(([, sync]) => sync);
  }

  /** They are committed. */
  settle(syncs: readonly Mm2OffsetSync[], at: number): void {
    for (const sync of syncs) {
      const key = `${sync.topic}/${sync.partition}`;
      this.#writtenAt.set(key, at);
      if (this.#newest.get(key) === sync) this.#newest.delete(key);
    }
  }
}
