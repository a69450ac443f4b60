import {
  type HeartbeatStream,
  type HelloStream,
  type StreamId,
  streamKey,
} from '#shared/wire/link.ts';
import type { Checkpoint } from '../landing/landing.ts';
import { backlogOf, isOpen, type StreamFacts } from './lag.ts';

/** What changed in a stream with a commit. */
export interface Moved {
  stream: StreamFacts;
  records: number;
}

/**
 * The streams of one edge: what central landed of each, and what the edge told last. Keeps apart
 * the ones that are open, so that lag costs nothing for streams at rest.
 */
export class EdgeStreams {
  readonly all = new Map<string, StreamFacts>();
  readonly open = new Set<StreamFacts>();
  /** Sum of what the edge told as the backlog of its streams. */
  toldRecords = 0;
  toldBytes = 0;
  /** Each counted on its own: by the edge, and by central as records and as losses. */
  accepted = 0;
  landedRecords = 0;
  lostRecords = 0;
  readonly #accepted = new Map<StreamFacts, number>();
  readonly #created: (stream: StreamFacts) => void;

  constructor(created: (stream: StreamFacts) => void) {
    this.#created = created;
  }

  /**
   * `acceptedAt`: when the newest record that the checkpoint counts was accepted; null when not
   * known.
   */
  landed(checkpoint: Checkpoint, acceptedAt: number | null): Moved {
    const stream = this.#of(checkpoint);
    const records = checkpoint.landedRecords - stream.landedRecords;
    this.landedRecords += records;
    this.lostRecords += checkpoint.lostRecords - stream.lostRecords;
    stream.through = checkpoint.through;
    stream.landedRecords = checkpoint.landedRecords;
    stream.lostRecords = checkpoint.lostRecords;
    stream.landedAcceptedAt = acceptedAt ?? stream.landedAcceptedAt;
    this.#sort(stream);
    return { stream, records };
  }

  /**
   * All that the edge has; what it does not name is gone there. What was told of other epochs may
   * have moved to this one since.
   */
  hello(epoch: string, streams: readonly HelloStream[]): void {
    const named = new Set(streams.map(streamKey));
    for (const [key, stream] of this.all) {
      if (named.has(key) && stream.epoch === epoch) continue;
      this.#tell(stream, null);
      stream.head = stream.through;
      this.#sort(stream);
    }
    for (const said of streams) {
      const stream = this.#of(said);
      if (stream.head !== said.head) this.#tell(stream, null);
      stream.head = said.head;
      this.#sort(stream);
    }
  }

  heartbeat(streams: readonly HeartbeatStream[], at: number): void {
    for (const said of streams) {
      const stream = this.#of(said);
      const { cursor, backlogRecords, backlogBytes, oldestAgeMs, acceptedRecords } = said;
      const oldestAt = oldestAgeMs === null ? null : at - oldestAgeMs;
      this.#tell(stream, { cursor, backlogRecords, backlogBytes, oldestAt, acceptedRecords });
      stream.head = said.head;
      this.#sort(stream);
    }
  }

  #of({ epoch, topic, partition }: StreamId): StreamFacts {
    const key = streamKey({ epoch, topic, partition });
    let stream = this.all.get(key);
    if (!stream) {
      stream = {
        ...{ epoch, topic, partition, through: -1, landedRecords: 0, lostRecords: 0 },
        ...{ head: null, told: null, landedAcceptedAt: null },
      };
      this.all.set(key, stream);
      this.#created(stream);
    }
    return stream;
  }

  #tell(stream: StreamFacts, told: StreamFacts['told']): void {
    this.toldRecords += (told?.backlogRecords ?? 0) - (stream.told?.backlogRecords ?? 0);
    this.toldBytes += (told?.backlogBytes ?? 0) - (stream.told?.backlogBytes ?? 0);
    stream.told = told;
  }

  /** After every change of a stream. */
  #sort(stream: StreamFacts): void {
    if (isOpen(stream)) this.open.add(stream);
    else this.open.delete(stream);
    // A heartbeat is older than what landed since: not less than what is known otherwise.
    const known = stream.landedRecords + stream.lostRecords + backlogOf(stream).records;
    const accepted = Math.max(known, stream.told?.acceptedRecords ?? 0);
    this.accepted += accepted - (this.#accepted.get(stream) ?? 0);
    this.#accepted.set(stream, accepted);
  }
}
