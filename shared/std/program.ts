import { readFileSync } from 'node:fs';

/** What both programs know of themselves. */

const manifest = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string };

export const programVersion = manifest.version;

/** Variables of the environment that are settings; the ignored ones mean something else. */
export const settingsEnvironment = {
  prefix: 'TRIBUTARY_',
  ignore:
    /^TRIBUTARY_((EDGE|CENTRAL)_CONFIG|TESTS?|REQUIRE|KAFKA|SIM|SEEDS?|BENCH|RUNS|VERSION)(_\w*)?$/,
} as const;
