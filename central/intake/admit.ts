import type { Verdict } from '#shared/wire/link.ts';
import type { Loss } from '#shared/wire/loss.ts';

/** Sequences decide, never the boundaries of segments: those may be cut and merged at any time. */

/** `through`: highest sequence landed in the stream, -1 when none. */
export function admitSegment(
  through: number,
  segment: { first: number; count: number },
): Exclude<Verdict, { verdict: 'refused' | 'clipped' }> {
  const expected = through + 1;
  if (segment.first === expected) return { verdict: 'fresh' };
  if (segment.first > expected) return { verdict: 'gap', expected };
  if (segment.first + segment.count <= expected) return { verdict: 'duplicate' };
  return { verdict: 'overlap', expected };
}

/** Sequences of `loss` that have landed already, as records or as an earlier loss. */
export const alreadyLanded = (through: number, loss: Loss): number =>
  Math.min(loss.span, Math.max(0, through + 1 - loss.first));

/**
 * A loss is cut to what has not landed. Of what has (`alreadyLanded`), `lostBefore` landed as
 * losses: those the edge declares again, because our answer was lost or because it has widened the
 * loss since. The others are records that are here after all, and the edge must take them off its
 * ledger.
 */
export function admitLoss(
  through: number,
  loss: Loss,
  lostBefore: number,
): { verdict: Verdict; clipped: Loss | null } {
  if (loss.first > through + 1) {
    return { verdict: { verdict: 'gap', expected: through + 1 }, clipped: null };
  }
  const landed = alreadyLanded(through, loss);
  const records = landed - lostBefore;
  const clipped = landed === loss.span ? null : cutFront(loss, landed);
  if (records > 0) return { verdict: { verdict: 'clipped', landed: records }, clipped };
  return { verdict: { verdict: clipped ? 'fresh' : 'duplicate' }, clipped };
}

/**
 * Without its first `cut` sequences. Its bytes are then an estimate, and `from` no more than a
 * bound.
 */
function cutFront(loss: Loss, cut: number): Loss {
  if (cut === 0) return loss;
  const span = loss.span - cut;
  return {
    ...loss,
    first: loss.first + cut,
    span,
    records: loss.scope === 'stream' ? span : loss.records,
    bytes: Math.round((loss.bytes * span) / loss.span),
  };
}
