import { test } from 'vitest';
import { runModels } from './model-seeds.ts';

test('the books balance and no record is lost silently (30 seeds)', async () => {
  await runModels(1001, 1030);
}, 900_000);
