import { expect, test } from 'vitest';
import { simulate } from './world.ts';

const seeds = Number(process.env.TRIBUTARY_SIM_SEEDS ?? 40);
const from = Number(process.env.TRIBUTARY_SIM_FROM ?? 1);

test(`no record is lost silently and none lands twice, whatever fails (${seeds} seeds)`, async () => {
  for (let seed = from; seed < from + seeds; seed++) {
    const outcome = await simulate(seed);
    expect(outcome.problems, `seed ${seed}`).toEqual([]);
  }
}, 600_000);
