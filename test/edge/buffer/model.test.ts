import { test } from 'vitest';
import { seedCount } from '../../sim/seed-count.ts';
import { runModels } from './model-seeds.ts';

/** `TRIBUTARY_SEED=7 vitest run test/edge/buffer/model.test.ts` repeats one run. */
const only = process.env.TRIBUTARY_SEED;

test('the books balance and no record is lost silently, whatever happens (a few seeds)', async () => {
  if (only !== undefined) return runModels(Number(only), Number(only));
  await runModels(1, seedCount(5, 12));
}, 60_000);
