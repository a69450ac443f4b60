import { defineConfig } from 'vitest/config';
import { sourceFlags } from './packaging/node-flags.ts';

/**
 * `*.test.ts` is fast and runs in `npm run check`; `*.slow.test.ts` joins in `npm test`;
 * `*.long.test.ts` only in `npm run test:long`.
 */
const only = process.env.TRIBUTARY_TESTS ?? 'all';
const exclude = ['**/node_modules/**'];
if (only === 'fast') exclude.push('**/*.slow.test.ts');
if (only !== 'long') exclude.push('**/*.long.test.ts');

export default defineConfig({
  test: {
    include: only === 'long' ? ['test/**/*.long.test.ts'] : ['test/**/*.test.ts'],
    exclude,
    reporters: ['default', './test/closing-line.ts'],
    globalSetup: ['./test/kafka/shared-broker.ts'],
    pool: 'forks',
    // Fast tests wait more than they work, and each file's start would cost as much as its tests:
    // there files share a process. The whole run keeps them apart, and so sees both.
    maxWorkers: only === 'fast' ? 3 : 2,
    isolate: only !== 'fast',
    execArgv: sourceFlags,
    // Real brokers, kernels and clocks on two cores: what fails once is told, and tried once more.
    retry: only === 'fast' ? 0 : 1,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
