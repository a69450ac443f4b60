import { expect, test } from 'vitest';
import { Random } from '../../sim/random.ts';
import { seedCount } from '../../sim/seed-count.ts';
import { Model } from './model.ts';

/** `TRIBUTARY_SEED=7 vitest run test/edge/buffer/model.test.ts` repeats one run. */
const only = process.env.TRIBUTARY_SEED;
const seeds =
  only === undefined ? Array.from({ length: seedCount(5, 12) }, (_, i) => i + 1) : [Number(only)];

test('the books balance and no record is lost silently, whatever happens (a few seeds)', async () => {
  for (const seed of seeds) {
    const outcome = await new Model(new Random(seed)).run(100).catch((error: Error) => error);
    expect(outcome, `seed ${seed}`).toBeUndefined();
  }
}, 60_000);
