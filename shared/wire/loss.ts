/**
 * A loss: a declared range that will never land, and why. It travels in-band, in its stream's
 * sequence order, and lands on `tributary.losses` (DESIGN §1.3).
 */
export interface Loss {
  /** First sequence of the range. */
  first: number;
  /** Sequences that the range takes, at least 1. */
  span: number;
  /**
   * Records lost. `scope: 'stream'`: equals `span`, and counts in accepted = landed + backlog +
   * lost. `scope: 'source'`: lost before we accepted them; the range is one marker sequence and the
   * number stands outside the equation (0 when the source cannot tell).
   */
  records: number;
  scope: 'stream' | 'source';
  /**
   * Payload bytes, as `recordBytes` counts them, or the stored bytes where records cannot be read.
   */
  bytes: number;
  /** Accept time of the oldest and newest record of the range, ms on the edge's accept clock. */
  from: number | null;
  to: number | null;
  reason: LossReason;
  /** For a person: which limit, which error. */
  detail: string;
}

export type LossReason =
  | 'evicted' // the buffer's cap, when_full = "drop-oldest"
  | 'too-large' // a record over the limit, acknowledged to its source and not kept
  | 'bad-record' // a record that cannot be encoded (reserved header, broken UTF-8 topic …)
  | 'refused' // central refused the segment for good; detail has its code
  | 'corrupt' // the bytes on the gateway's disk no longer match their checksum
  | 'source-gap' // the source lost it before we could take it (scope 'source')
  | 'central-rollback'; // central was rebuilt without what it had acknowledged

export const lossReasons: readonly LossReason[] = [
  'evicted',
  'too-large',
  'bad-record',
  'refused',
  'corrupt',
  'source-gap',
  'central-rollback',
];
