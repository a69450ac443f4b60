import { afterEach, beforeEach, describe } from 'vitest';
import { describeGroups, testSeams } from './landing-atomic.ts';
import { LandingBench, type LandingKind } from './landing-bench.ts';
import { describeCommits } from './landing-commits.ts';
import { describeCheckpoints, describeLosses } from './landing-positions.ts';
import { describeReading, describeRetention } from './landing-reading.ts';
import { describeRefusals } from './landing-refusals.ts';
import { describeRegistry } from './landing-registry.ts';
import { describeSessions } from './landing-sessions.ts';

/** The promises of the landing port (central/landing/landing.ts). Every adapter passes them. */
export function describeLanding(kind: LandingKind): void {
  describe(`landing: ${kind.name}`, () => {
    const bench = new LandingBench(kind);
    beforeEach(() => bench.open());
    afterEach(() => bench.close());

    describeCommits(bench);
    describeRefusals(bench);
    describeCheckpoints(bench);
    describeLosses(bench);
    describeSessions(bench);
    describeReading(bench);
    if (kind.retains) describeRetention(bench);
    describeRegistry(bench);
    describeGroups(bench);
    if (kind.seams) testSeams(bench);
  });
}
