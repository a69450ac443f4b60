import { expect, test } from 'vitest';
import { parseProperties } from '#central/mirror/java-properties.ts';

const of = (text: string) => parseProperties(text).map(({ key, value }) => [key, value]);

// What java.util.Properties.load of Java 17 makes of each.
test.each([
  ['a=b', 'a', 'b'],
  ['a = b ', 'a', 'b '],
  ['a:b', 'a', 'b'],
  ['a b=c', 'a', 'b=c'],
  ['a\t=\tb', 'a', 'b'],
  ['a==b', 'a', '=b'],
  ['a', 'a', ''],
  ['a =', 'a', ''],
  ['  a=b', 'a', 'b'],
  ['factory-a->central.enabled = true', 'factory-a->central.enabled', 'true'],
  ['a\\=b=c', 'a=b', 'c'],
  ['a\\ b=c', 'a b', 'c'],
  ['a\\:b:c', 'a:b', 'c'],
  ['topics = .*\\\\.data', 'topics', '.*\\.data'],
  ['a=\\tb\\nc', 'a', '\tb\nc'],
  ['a=\\u00e4\\u0042', 'a', 'äB'],
  ['a=\\q', 'a', 'q'],
  ['a=b#c', 'a', 'b#c'],
  ['a=b\\\n   c', 'a', 'bc'],
  ['a=b\\\r\n\tc\\\r\n  d', 'a', 'bcd'],
  ['a=b\\\\\nc=d', 'a', 'b\\'],
  ['a=b\\\n#c', 'a', 'b#c'],
  ['a=b\\', 'a', 'b'],
])('%j is %j = %j', (text, key, value) => {
  expect(of(text)[0]).toEqual([key, value]);
});

test('comments and blank lines are none', () => {
  expect(of('# a=b\n\n  ! c=d\n \t\n#e\\\nf=g\n')).toEqual([['f', 'g']]);
});

test('lines are counted as an editor does', () => {
  const text = '# one\na = 1,\\\n  2\n\nb = 3';
  expect(parseProperties(text)).toEqual([
    { key: 'a', value: '1,2', line: 2 },
    { key: 'b', value: '3', line: 5 },
  ]);
});

test('a broken \\u escape is told with its line', () => {
  expect(() => parseProperties('a=b\nc=\\u00g0')).toThrow('line 2: "\\u"');
});
