import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { JavaRegexError, javaRegex } from '#shared/wire/java-regex.ts';
import { runs, seed } from './arbitrary.ts';

/** Java says what its patterns match: whatever we take must match the same. */

const java = spawnSync('java', ['-version']).status === 0;
if (!java && process.env.TRIBUTARY_REQUIRE !== 'all') {
  console.warn('skipped: no java on this machine, which the patterns are compared with');
}

const token = fc.constantFrom(
  ...[
    'a',
    'b',
    '-',
    '.',
    '*',
    '+',
    '?',
    '|',
    '(',
    ')',
    '[',
    ']',
    '^',
    '$',
    '{',
    '}',
    ',',
    '1',
    '2',
  ],
  ...[
    '\\',
    '\\.',
    '\\-',
    '\\d',
    '\\w',
    '\\W',
    '\\s',
    '\\S',
    '\\Q',
    '\\E',
    '\\A',
    '\\z',
    '\\b',
    '/',
  ],
  ...['(?:', '(?!', '(?<=', '(?<n>', '(?i)', '(?>', '[^', '[a-', '&&', '.*', 'a+', '{1,2}', '😀'],
  ...['[ab]', '[a-c]', '[\\w-.]', '[^\\s]', '(a|b)', 'ab', '\\x61', '\\u0062', ' '],
);
const pattern = fc.array(token, { maxLength: 8 }).map((parts) => parts.join(''));
const char = fc.constantFrom(...'aabbc-.12 ,^]}&/\u00a0Aü', '😀');
const names = fc.array(
  fc.array(char, { maxLength: 5 }).map((parts) => parts.join('')),
  {
    minLength: 12,
    maxLength: 12,
  },
);

test.skipIf(!java && process.env.TRIBUTARY_REQUIRE !== 'all')(
  `a pattern matches what Java lets it match, or is refused (seed ${seed})`,
  () => {
    const cases = fc.sample(fc.tuple(pattern, names), runs(20_000));
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const { stdout, stderr } = spawnSync(
      'java',
      [fileURLToPath(new URL('JavaMatches.java', import.meta.url))],
      {
        input: cases.map(([of, all]) => [of, ...all].map(base64).join(' ')).join('\n'),
        maxBuffer: 1 << 26,
      },
    );
    expect(String(stderr)).toBe('');
    const answers = String(stdout).trimEnd().split('\n');
    expect(answers).toHaveLength(cases.length);
    let taken = 0;
    let valid = 0;
    for (const [i, [of, all]] of cases.entries()) {
      if (answers[i] !== 'invalid') valid += 1;
      const ours = matches(of, all);
      if (ours === undefined) continue;
      taken += 1;
      expect([of, all, ours]).toEqual([of, all, answers[i]]);
    }
    // Not by refusing everything: most of what Java takes is taken.
    expect(taken).toBeGreaterThan(valid * 0.6);
  },
  120_000,
);

/** 1 and 0 a name; undefined where the pattern is refused. */
function matches(of: string, all: string[]): string | undefined {
  try {
    const regex = javaRegex(of);
    return all.map((name) => (regex.test(name) ? '1' : '0')).join('');
  } catch (error) {
    if (error instanceof JavaRegexError) return undefined;
    throw error;
  }
}
