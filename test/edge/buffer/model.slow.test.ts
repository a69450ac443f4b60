import { expect, test } from 'vitest';
import { Random } from '../../sim/random.ts';
import { Model } from './model.ts';

const count = Number(process.env.TRIBUTARY_SEEDS ?? 80);

test(`the books balance and no record is lost silently (${count} seeds)`, async () => {
  for (let seed = 1001; seed < 1001 + count; seed++) {
    const outcome = await new Model(new Random(seed)).run(100).catch((error: Error) => error);
    expect(outcome, `seed ${seed}`).toBeUndefined();
  }
}, 900_000);
