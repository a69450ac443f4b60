import { describe, expect, test } from 'vitest';
import { admitLoss, admitSegment, alreadyLanded } from '#central/intake/admit.ts';
import type { Loss } from '#shared/wire/loss.ts';

describe('a segment is judged by its sequences', () => {
  test.each([
    // through, first, count, verdict
    [-1, 0, 1, { verdict: 'fresh' }],
    [-1, 0, 10, { verdict: 'fresh' }],
    [9, 10, 5, { verdict: 'fresh' }],
    [9, 11, 1, { verdict: 'gap', expected: 10 }],
    [-1, 1, 1, { verdict: 'gap', expected: 0 }],
    [-1, Number.MAX_SAFE_INTEGER - 1, 1, { verdict: 'gap', expected: 0 }],
    [9, 5, 5, { verdict: 'duplicate' }],
    [9, 9, 1, { verdict: 'duplicate' }],
    [9, 0, 1, { verdict: 'duplicate' }],
    [9, 9, 2, { verdict: 'overlap', expected: 10 }],
    [9, 0, 11, { verdict: 'overlap', expected: 10 }],
    [9, 0, 10_000, { verdict: 'overlap', expected: 10 }],
  ])('through %i, first %i, count %i → %j', (through, first, count, verdict) => {
    expect(admitSegment(through, { first, count })).toEqual(verdict);
  });
});

const loss = (first: number, span: number, over: Partial<Loss> = {}): Loss => ({
  first,
  span,
  records: span,
  scope: 'stream',
  bytes: span * 100,
  from: 1_000,
  to: 2_000,
  reason: 'evicted',
  detail: 'max_bytes',
  ...over,
});

describe('a loss is clipped to what has not landed', () => {
  test.each([
    // through, first, span, of the landed ones: lost before; verdict, what is recorded
    [-1, 0, 5, 0, { verdict: 'fresh' }, [0, 5]],
    [9, 10, 5, 0, { verdict: 'fresh' }, [10, 5]],
    [9, 12, 5, 0, { verdict: 'gap', expected: 10 }, null],
    [9, 8, 5, 0, { verdict: 'clipped', landed: 2 }, [10, 3]],
    [9, 8, 2, 0, { verdict: 'clipped', landed: 2 }, null],
    [9, 0, 5, 0, { verdict: 'clipped', landed: 5 }, null],
    // declared again: the answer was lost
    [9, 0, 5, 5, { verdict: 'duplicate' }, null],
    // widened since it landed
    [9, 5, 10, 5, { verdict: 'fresh' }, [10, 5]],
    // widened, and in between records had landed
    [9, 0, 15, 4, { verdict: 'clipped', landed: 6 }, [10, 5]],
  ])(
    'through %i, first %i, span %i, lost before %i → %j %j',
    (through, first, span, lost, verdict, left) => {
      const answer = admitLoss(through, loss(first, span), lost);
      expect(answer.verdict).toEqual(verdict);
      const { clipped } = answer;
      expect(clipped && [clipped.first, clipped.span]).toEqual(left);
      if (clipped) expect(clipped.records).toBe(clipped.span);
      if (clipped) expect(clipped.bytes).toBe(clipped.span * 100);
    },
  );

  test('a marker of the source keeps its number', () => {
    const marker = loss(10, 1, { scope: 'source', records: 700, reason: 'source-gap' });
    expect(admitLoss(9, marker, 0)).toEqual({ verdict: { verdict: 'fresh' }, clipped: marker });
    expect(admitLoss(10, marker, 1)).toEqual({ verdict: { verdict: 'duplicate' }, clipped: null });
  });

  test.each([
    [-1, 0, 5, 0],
    [3, 0, 5, 4],
    [9, 0, 5, 5],
    [9, 20, 5, 0],
  ])('through %i covers of [%i, +%i) %i', (through, first, span, covered) => {
    expect(alreadyLanded(through, loss(first, span))).toBe(covered);
  });
});
