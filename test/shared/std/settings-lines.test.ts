import fc from 'fast-check';
import { parse } from 'smol-toml';
import { expect, test } from 'vitest';
import { keyLines } from '#shared/std/settings-lines.ts';

const linesOf = (text: string) => Object.fromEntries(keyLines(text));

test('keys are found under tables, arrays of tables and dots', () => {
  const text = `# a comment = here
alias = "a"   # x = 1
[buffer]
max_bytes = "1GiB"
log.level = "info"

[[source]]
type = "mqtt"
[source.tls]
ca_file = "x"
[[source]]
type = "host"
`;
  expect(linesOf(text)).toEqual({
    alias: 2,
    buffer: 3,
    'buffer.max_bytes': 4,
    'buffer.log': 5,
    'buffer.log.level': 5,
    'source[0]': 7,
    'source[0].type': 8,
    'source[0].tls': 9,
    'source[0].tls.ca_file': 10,
    'source[1]': 11,
    'source[1].type': 12,
  });
});

test('strings, multi-line strings and comments in arrays do not confuse it', () => {
  const text = `a = """
b = 1 # "
"quoted"""""
c = '''
[d]'''
e = [ # first
  "x]", 'y[', # ]
  { f = 1, g = "}" },
  { f = 2,
    g = [1, [2, 3]] },
]
"h i" = "\\"" # "
j = 1979-05-27T07:32:00Z
k.l = {}
`;
  expect(linesOf(text)).toEqual({
    a: 1,
    c: 4,
    e: 6,
    'e[0]': 7,
    'e[1]': 7,
    'e[2]': 8,
    'e[2].f': 8,
    'e[2].g': 8,
    'e[3]': 9,
    'e[3].f': 9,
    'e[3].g': 10,
    'e[3].g[0]': 10,
    'e[3].g[1]': 10,
    'e[3].g[1][0]': 10,
    'e[3].g[1][1]': 10,
    'h i': 12,
    j: 13,
    k: 14,
    'k.l': 14,
  });
});

test('line ends of Windows and a byte order mark count like others', () => {
  expect(linesOf('\uFEFFa = 1\r\n# c\r\nb = 2\r\n')).toEqual({ a: 1, b: 3 });
});

/** Random documents: each key on a line of its own, whatever stands between them. */
const value = fc.constantFrom(
  '1',
  '"a # b"',
  "'[x]'",
  '[1, 2]',
  '["a]", "b"]',
  'true',
  '"""\nx\n"""',
  "'''\n\n'''",
  '[\n1,\n2, # two\n]',
  '1.5e3',
);
const gap = fc.constantFrom('', '\n', '# key = 1\n', '\n\n', '  # "\n');

test('every key is found at the line where it stands, in any document', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(gap, value), { maxLength: 12 }), (parts) => {
      let text = '';
      const expected = new Map<string, number>();
      for (const [index, [before, shown]] of parts.entries()) {
        text += before;
        expected.set(`k${index}`, text.split('\n').length);
        text += `k${index} = ${shown}\n`;
      }
      expect(Object.keys(parse(text))).toEqual([...expected.keys()]);
      const found = keyLines(text);
      for (const [key, line] of expected) expect(found.get(key)).toBe(line);
    }),
  );
});

test('ends on any text, even one that is no TOML', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'a[]{}"\'=.,#\n\\ ') }), (text) => {
      keyLines(text);
    }),
    { numRuns: 2_000 },
  );
});
