import { test } from 'vitest';
import { runSeeds } from './run-seeds.ts';

test('no record is lost silently and none lands twice, whatever fails (400 seeds)', async () => {
  await runSeeds(1001, 1400);
}, 600_000);
