import { limits } from '#shared/wire/limits.ts';
import type { SourcePlace, StreamId } from '#shared/wire/link.ts';
import type { Checkpoint } from '../landing/landing.ts';
import { type Lineage, localKey } from './lineage.ts';

type Row = Checkpoint & { sourceIncarnation: string; sourceNext: number };

/**
 * How far a site's own Kafka has landed, whichever of its buffers brought it. A buffer that is put
 * back to an older state, or a new one on a new gateway, would read there what is here already.
 *
 * A partition is read in order, so all before the last place that landed has landed, or is a loss
 * that its buffer declared. Which place is the last is the lineage's to say, not the higher offset's:
 * a log may have been cut back at the source, and then the lower one is the later.
 */
export class SourcePlaces {
  /** Those that landed something with a place, the epoch that was opened last first. */
  readonly #rows: Row[];
  readonly #opened: Map<string, number>;
  /** Epochs of the rows, by topic and partition. */
  readonly #epochs = new Map<string, Set<string>>();

  constructor({ epochs }: Lineage, checkpoints: Iterable<Checkpoint>) {
    this.#opened = new Map(epochs.map(({ epoch }, index) => [epoch, index]));
    this.#rows = [...checkpoints].filter(hasPlace).sort((a, b) => {
      // Of epochs that were forgotten, the lower place: a record may then land twice, none is lost.
      return this.#openedAt(b.epoch) - this.#openedAt(a.epoch) || a.sourceNext - b.sourceNext;
    });
    for (const row of this.#rows) {
      const epochs = this.#epochs.get(localKey(row));
      if (epochs) epochs.add(row.epoch);
      else this.#epochs.set(localKey(row), new Set([row.epoch]));
    }
  }

  /** Differs when more has landed with a place. */
  get at(): number {
    return this.#rows.reduce((sum, { landedRecords }) => sum + landedRecords, 0);
  }

  /** Something has landed since a buffer in this epoch could know of it. */
  hasNewer(epoch: string): boolean {
    const opened = this.#openedAt(epoch);
    return this.#rows.some((row) => row.epoch !== epoch && this.#openedAt(row.epoch) >= opened);
  }

  /** Records with a place landed in the stream's topic and partition in another epoch, too. */
  hasOther(stream: StreamId): boolean {
    const epochs = this.#epochs.get(localKey(stream));
    return epochs !== undefined && epochs.size > (epochs.has(stream.epoch) ? 1 : 0);
  }

  list(): SourcePlace[] {
    const places = new Map<string, SourcePlace>();
    for (const { topic, partition, sourceIncarnation: incarnation, sourceNext: next } of this
      .#rows) {
      const key = `${topic}/${partition}/${incarnation}`;
      if (!places.has(key)) places.set(key, { topic, partition, incarnation, next });
    }
    return [...places.values()].slice(0, limits.streamsPerEdge);
  }

  #openedAt(epoch: string): number {
    return this.#opened.get(epoch) ?? -1;
  }
}

const hasPlace = (row: Checkpoint): row is Row =>
  row.sourceIncarnation !== null && row.sourceNext !== null;
