import manifest from '../../package.json' with { type: 'json' };

/** What both programs know of themselves. */

export const programVersion: string = manifest.version;

/** Variables of the environment that are settings; the ignored ones mean something else. */
export const settingsEnvironment = {
  prefix: 'TRIBUTARY_',
  ignore:
    /^TRIBUTARY_((EDGE|CENTRAL)_CONFIG|TESTS?|REQUIRE|KAFKA|SIM|SEEDS?|BENCH|RUNS|VERSION)(_\w*)?$/,
} as const;
