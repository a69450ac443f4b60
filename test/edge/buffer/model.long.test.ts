import { test } from 'vitest';
import { runModels } from './model-seeds.ts';

const count = Number(process.env.TRIBUTARY_SEEDS ?? 80);

test(`the books balance and no record is lost silently (${count} seeds)`, async () => {
  await runModels(2001, 2000 + count);
}, 3_600_000);
