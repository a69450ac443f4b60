import { test } from 'vitest';
import { runSeeds } from './run-seeds.ts';

/** `TRIBUTARY_SIM_SEEDS=100000 TRIBUTARY_TESTS=long vitest run test/sim/sim.long.test.ts` for a night. */
const seeds = Number(process.env.TRIBUTARY_SIM_SEEDS ?? 600);

test(`no record is lost silently and none lands twice, whatever fails (${seeds} seeds)`, async () => {
  await runSeeds(2001, 2000 + seeds);
}, 86_400_000);
