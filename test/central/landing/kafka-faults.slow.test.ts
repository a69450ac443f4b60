import { expect, test } from 'vitest';
import { chaos } from './kafka-chaos.ts';

test('whatever fails whenever, every record lands once and in order (60 seeds)', async () => {
  for (let seed = 100; seed < 160; seed++) {
    await expect(chaos(seed), `seed ${seed}`).resolves.toBeUndefined();
  }
}, 120_000);
