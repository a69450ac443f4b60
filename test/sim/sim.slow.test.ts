import { test } from 'vitest';
import { runSeeds } from './run-seeds.ts';

test('no record is lost silently and none lands twice, whatever fails (200 seeds)', async () => {
  await runSeeds(1001, 1200);
}, 600_000);
