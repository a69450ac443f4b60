import type { SourceState } from '#shared/wire/link.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import type { RecordRun } from '#shared/wire/record-run.ts';

/**
 * The contract of every source (DESIGN §1.1): it hands records over with `deliver` and acknowledges
 * them to the outside world only after the returned promise has resolved, which happens when they
 * are on disk with synchronous=FULL. Many deliveries may be outstanding; one group commit carries
 * them.
 */
export interface Source {
  /** Unique on this edge; prefix of the source's position keys. */
  readonly name: string;
  readonly type: 'mqtt' | 'http' | 'host' | 'kafka' | 'send';
  /** Where it listens itself, once started: `mqtt://127.0.0.1:1883`; undefined when it does not. */
  readonly address?: string | undefined;
  /**
   * Resolves when the source takes input or keeps trying by itself (a broker that is down is no
   * error).
   */
  start(): Promise<void>;
  /**
   * Takes no new input, waits for outstanding deliveries and their acknowledgements, closes.
   * Idempotent.
   */
  stop(): Promise<void>;
  state(): SourceState;
}

export interface Delivery {
  topic: string;
  /** At least one, unless only positions move. The partition is chosen by key unless given. */
  records: readonly DeliveredRecord[];
  /**
   * Behind `records`: those of one partition as a Kafka's batches have them, unopened. All plain
   * (`RunWalk.isPlain`); `incarnation` is needed.
   */
  runs?: { partition: number; runs: readonly RecordRun[] };
  /**
   * Which life of its topic the records' source offsets belong to, 32 hexadecimal digits. Without
   * it they count for nothing.
   */
  incarnation?: string;
  /** Partitions that the topic has at its source: never fewer here. */
  partitions?: number;
  /**
   * Committed in the same transaction as the records. Keys begin with the source's name and a
   * slash.
   */
  positions?: PositionChange;
  /**
   * A repeat within 24 hours (and the newest 100 000 keys) is answered from memory and not
   * appended.
   */
  idempotencyKey?: string;
  /**
   * When the buffer is full and `when_full = "block"`: wait for room (default) or fail with
   * `buffer-full`.
   */
  whenFull?: 'wait' | 'refuse';
  /**
   * What the source itself knows to be lost; declared with scope 'source' in this topic, behind the
   * records. Partition 0 unless given.
   */
  sourceLoss?: { records: number; detail: string; partition?: number };
  /**
   * Where all of it begins at the source, in one partition of the life `incarnation`. What has
   * landed from there already, through another buffer, is not taken: `Delivered.landedTo`.
   */
  from?: SourceOffset;
  /** The source's log was cut back: what lands from here on is new, whatever had landed before. */
  cutBack?: SourceOffset;
}

export interface SourceOffset {
  partition: number;
  offset: number;
}

export interface DeliveredRecord extends WireRecord {
  partition?: number;
  /** Its place at the source, where that numbers its records. */
  sourceOffset?: number;
}

export interface PositionChange {
  set?: ReadonlyMap<string, Buffer>;
  delete?: readonly string[];
}

export interface Delivered {
  /** Records appended (or appended earlier under the same idempotency key). */
  accepted: number;
  /** Records that could not be kept and were declared a loss at once (too large, not encodable). */
  declaredLost: number;
  duplicate: boolean;
  /**
   * Nothing of it was taken, nor did positions move: all before this source offset has landed
   * already, and the source goes on there.
   */
  landedTo?: number;
}

/** What a source is given. */
export interface SourceContext {
  /**
   * Resolves when durable. Rejects with a DeliverError (../deliver-error.ts). A record that can
   * never be kept (see `recordProblem`) resolves too: it becomes a loss, so that its sender does
   * not repeat it for ever.
   */
  deliver(delivery: Delivery): Promise<Delivered>;
  /** Positions committed earlier whose keys begin with `prefix`. */
  positions(prefix: string): Promise<Map<string, Buffer>>;
  /**
   * How far each partition of a topic has landed through another buffer of this site, by partition:
   * where to begin what was never read here. A buffer that no central knows yet is introduced
   * first, for a while.
   */
  landed?(topic: string, incarnation: string): Promise<Map<number, number>>;
}
