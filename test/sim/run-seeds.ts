import { expect } from 'vitest';
import { simulate } from './world.ts';

/** Runs seeds `from` to `to`, both included; a failure names its seed. */
export async function runSeeds(from: number, to: number): Promise<void> {
  const totals = { runs: 0, published: 0, landed: 0, lost: 0, crashes: 0 };
  for (let seed = from; seed <= to; seed++) {
    const outcome = await simulate(seed);
    expect(outcome.problems, `seed ${seed}: TRIBUTARY_SEED=${seed} vitest run test/sim`).toEqual(
      [],
    );
    totals.runs += 1;
    totals.published += outcome.published;
    totals.landed += outcome.landed;
    totals.lost += outcome.lost;
    totals.crashes += outcome.crashes;
  }
  console.log(`simulation, seeds ${from} to ${to}: ${JSON.stringify(totals)}`);
}
