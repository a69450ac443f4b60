import { expect, test } from 'vitest';
import { Random } from '../../sim/random.ts';
import { Model } from './model.ts';

const seeds = Number(process.env.TRIBUTARY_BUFFER_SEEDS ?? 60);
const from = Number(process.env.TRIBUTARY_BUFFER_FROM ?? 1);

test(`the books balance and no record is lost silently, whatever happens (${seeds} seeds)`, async () => {
  for (let seed = from; seed < from + seeds; seed++) {
    const outcome = await new Model(new Random(seed)).run(60).catch((error: Error) => error);
    expect(outcome, `seed ${seed}`).toBeUndefined();
  }
}, 120_000);
