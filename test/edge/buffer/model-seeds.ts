import { expect } from 'vitest';
import { Random } from '../../sim/random.ts';
import { Model } from './model.ts';

/** A hundred steps with each seed, `from` to `to`, both included; a failure names its seed. */
export async function runModels(from: number, to: number): Promise<void> {
  for (let seed = from; seed <= to; seed++) {
    const outcome = await new Model(new Random(seed)).run(100).catch((error: Error) => error);
    expect(outcome, `seed ${seed}`).toBeUndefined();
  }
}
