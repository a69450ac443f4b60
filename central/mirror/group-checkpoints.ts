import type { GroupCheckpoint } from '#shared/wire/mm2-checkpoint.ts';

/**
 * Which checkpoints of groups are written (MirrorCheckpointTask.checkpointsForGroup): the first,
 * one that has gone on at central, and one that the group itself took back at the source. Never one
 * that goes back at central by itself: whoever has resumed there would read twice.
 */
export function mayFollow(written: GroupCheckpoint | undefined, next: GroupCheckpoint): boolean {
  if (!written) return true;
  return next.upstreamOffset < written.upstreamOffset || next.offset > written.offset;
}

const keyOf = ({ group, topic, partition }: GroupCheckpoint): string =>
  JSON.stringify([group, topic, partition]);

/** What is written of one site's groups, and what is to be. */
export class GroupCheckpoints {
  readonly #written = new Map<string, GroupCheckpoint>();
  readonly #due = new Map<string, GroupCheckpoint>();
  #loaded = false;

  /** Nothing is due before it is known what is written already. */
  get loaded(): boolean {
    return this.#loaded;
  }

  load(written: readonly GroupCheckpoint[]): void {
    for (const checkpoint of written) this.#written.set(keyOf(checkpoint), checkpoint);
    this.#loaded = true;
    for (const checkpoint of this.#due.values()) this.offer(checkpoint);
  }

  /** The newest translation of a group's position. */
  offer(checkpoint: GroupCheckpoint): void {
    const key = keyOf(checkpoint);
    if (mayFollow(this.#written.get(key), checkpoint)) this.#due.set(key, checkpoint);
    else this.#due.delete(key);
  }

  due(): GroupCheckpoint[] {
    return this.#loaded ? [...this.#due.values()] : [];
  }

  /** They are committed. */
  settle(checkpoints: readonly GroupCheckpoint[]): void {
    for (const checkpoint of checkpoints) {
      const key = keyOf(checkpoint);
      this.#written.set(key, checkpoint);
      if (this.#due.get(key) === checkpoint) this.#due.delete(key);
    }
  }
}
