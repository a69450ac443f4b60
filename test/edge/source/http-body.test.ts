import { describe, expect, test } from 'vitest';
import { parseBody } from '#edge/source/http-body.ts';
import { HttpProblem } from '#edge/source/http-problem.ts';
import { parseTimestamp } from '#edge/source/http-timestamp.ts';

const now = 1_795_000_000_000;
const parse = (
  body: string | Buffer,
  contentType: string | undefined = 'application/json',
  key: string | null = null,
) => [
  ...parseBody(Buffer.from(body), contentType, {
    key: key === null ? null : Buffer.from(key),
    timestamp: now,
  }),
];

const values = (body: string, contentType?: string) =>
  parse(body, contentType).map(({ value }) => value?.toString());

function problem(body: string | Buffer, contentType?: string): HttpProblem {
  try {
    parse(body, contentType);
  } catch (error) {
    if (error instanceof HttpProblem) return error;
    throw error;
  }
  throw new Error('was taken');
}

describe('JSON', () => {
  test('one value, an array, or {"records":[…]}', () => {
    expect(values('{"t":21.5}')).toEqual(['{"t":21.5}']);
    expect(values(' [1, {"t":2},"three"] ')).toEqual(['1', '{"t":2}', '"three"']);
    expect(values('{"records" : [1,2]}')).toEqual(['1', '2']);
    expect(values('{"records":[1],"site":"a"}')).toEqual(['{"records":[1],"site":"a"}']);
    expect(values('{"records":5}')).toEqual(['{"records":5}']);
  });

  test('a value keeps its bytes: numbers, order, white space and doubled names', () => {
    const odd = '{"b":12345678901234567890, "a":1.0,"a":1e2,"é":"\\u00e9"}';
    expect(values(`[${odd},${odd}]`)).toEqual([odd, odd]);
    expect(values(`[{"value":${odd}}]`)).toEqual([odd]);
  });

  test('an envelope gives key, value, timestamp, headers and partition', () => {
    const [record] = parse(
      JSON.stringify({
        key: 'sensor-1',
        value: 'grün',
        timestamp: '2026-11-21T08:30:00.250+01:00',
        headers: { unit: 'C', none: null, raw: { base64: '/w==' } },
        partition: 3,
      }),
    );
    expect(record).toEqual({
      key: Buffer.from('sensor-1'),
      value: Buffer.from('grün'),
      timestamp: Date.UTC(2026, 10, 21, 7, 30, 0, 250),
      headers: [
        ['unit', Buffer.from('C')],
        ['none', null],
        ['raw', Buffer.from([0xff])],
      ],
      partition: 3,
    });
  });

  test('an envelope value of null is a tombstone, "" is empty, other JSON is its text', () => {
    const [tombstone, empty, object, number] = parse(
      '[{"key":"a","value":null},{"value":""},{"value": { "t" : 1.0 } },{"value":-0.10}]',
    );
    expect(tombstone).toMatchObject({ key: Buffer.from('a'), value: null });
    expect(empty?.value).toEqual(Buffer.alloc(0));
    expect([object, number].map((record) => record?.value?.toString())).toEqual([
      '{ "t" : 1.0 }',
      '-0.10',
    ]);
  });

  test('bytes that are no text come as base64', () => {
    const [record] = parse('{"keyBase64":"AAE=","valueBase64":"//79"}');
    expect(record).toMatchObject({ key: Buffer.from([0, 1]), value: Buffer.from([255, 254, 253]) });
    expect(parse('{"valueBase64":""}')[0]?.value).toEqual(Buffer.alloc(0));
  });

  test('header names may repeat when they come as pairs', () => {
    const [record] = parse('{"value":1,"headers":[["a","1"],["a","2"]]}');
    expect(record?.headers).toEqual([
      ['a', Buffer.from('1')],
      ['a', Buffer.from('2')],
    ]);
  });

  test('any other field makes it a value, not an envelope', () => {
    expect(values('{"value":21.5,"unit":"C"}')).toEqual(['{"value":21.5,"unit":"C"}']);
    expect(values('{"key":"a"}')).toEqual(['{"key":"a"}']);
    expect(values('{"__proto__":{"value":1}}')).toEqual(['{"__proto__":{"value":1}}']);
  });

  test("a record's own key and time go before the request's; a key of null is meant", () => {
    const body = '[{"key":"own","value":1},{"key":null,"value":1},{"value":1},2]';
    const keys = parse(body, 'application/json', 'of the request').map(({ key }) =>
      key?.toString(),
    );
    expect(keys).toEqual(['own', undefined, 'of the request', 'of the request']);
    expect(parse('[{"value":1,"timestamp":5},1]').map(({ timestamp }) => timestamp)).toEqual([
      5,
      now,
    ]);
  });

  test('a byte order mark is no part of the value', () => {
    expect(values('\ufeff{"a":1}')).toEqual(['{"a":1}']);
  });
});

describe('NDJSON', () => {
  test('one value a line, kept as it is; empty lines do not count', () => {
    const lines = '{"t":1.0}\r\n\n  {"value":"x","key":"k"}\n[1,2]\n  \n"last"';
    expect(values(lines, 'application/x-ndjson')).toEqual(['{"t":1.0}', 'x', '[1,2]', '"last"']);
    expect(values('  {"value": [1.0] }  \n', 'application/x-ndjson')).toEqual(['[1.0]']);
  });

  test('an error names record and line', () => {
    expect(problem('1\n\n{"a"\n', 'application/x-ndjson').message).toMatch(
      /^records\[1\] \(line 3\) is not JSON/,
    );
  });
});

describe('raw', () => {
  test.each(['text/plain', 'application/octet-stream', 'application/cloudevents+json'])(
    '%s is the value itself and its type a header',
    (type) => {
      expect(parse(Buffer.from([0, 255]), type)).toEqual([
        {
          key: null,
          value: Buffer.from([0, 255]),
          timestamp: now,
          headers: [['content-type', Buffer.from(type)]],
        },
      ]);
    },
  );

  test('without a type there is no header', () => {
    expect([...parseBody(Buffer.from('x'), undefined, { key: null, timestamp: 1 })]).toEqual([
      { key: null, value: Buffer.from('x'), timestamp: 1, headers: [] },
    ]);
  });
});

describe('what is wrong is named with its record, field and value', () => {
  test.each([
    ['[1,{"value":1,"timestamp":"yesterday"}]', 'records[1].timestamp = "yesterday" is no time'],
    ['{"value":1,"timestamp":"2026-11-21T08:30:00"}', 'records[0].timestamp'],
    ['{"value":1,"timestamp":1.5}', 'records[0].timestamp = 1.5'],
    ['{"value":1,"timestamp":-1}', 'records[0].timestamp = -1'],
    ['{"value":1,"valueBase64":"AA=="}', 'records[0] has both value and valueBase64'],
    ['{"valueBase64":"A"}', 'records[0].valueBase64 = "A" is not base64'],
    ['{"valueBase64":"A!!="}', 'records[0].valueBase64'],
    ['{"valueBase64":7}', 'records[0].valueBase64 = 7'],
    ['{"value":"\\ud800"}', 'records[0].value holds half of a surrogate pair'],
    ['{"value":1,"headers":{"a":1}}', 'records[0].headers.a = 1 is neither text nor null'],
    ['{"value":1,"headers":[["a"]]}', 'records[0].headers[0] = ["a"] is no pair'],
    ['{"value":1,"headers":"a"}', 'records[0].headers = "a" is not an object'],
    ['{"value":1,"partition":-1}', 'records[0].partition = -1 is no partition'],
    ['{"value":1,"partition":"0"}', 'records[0].partition'],
    ['[]', 'the request has no records'],
    ['{"records":[]}', 'the request has no records'],
    ['', 'records[0] is not JSON'],
    ['[1,,2]', 'records[1] is not JSON'],
    ['[1,2', 'the array is not closed'],
    ['[1] [2]', 'the array ends at byte 2'],
    ['{"a":1} x', 'the object ends at byte 6'],
  ])('%s', (body, message) => {
    const found = problem(body);
    expect(found.status).toBe(400);
    expect(found.message).toContain(message);
    expect(found.hint).toBeTruthy();
  });

  test('broken UTF-8 is no JSON', () => {
    expect(problem(Buffer.from([0x22, 0xff, 0x22]))).toMatchObject({ status: 400 });
    expect(problem('1', 'application/json; charset=latin1')).toMatchObject({ status: 415 });
    expect(values('1', 'application/json; charset="UTF-8"')).toEqual(['1']);
  });

  test('an empty raw body is no record, a form is not taken apart', () => {
    expect(problem('', 'text/plain')).toMatchObject({ status: 400 });
    expect(problem('x', 'multipart/form-data; boundary=x')).toMatchObject({ status: 415 });
  });

  test('what would cost too much to parse is refused before', () => {
    expect(problem(`${'['.repeat(200)}${']'.repeat(200)}`).message).toContain('nests deeper');
    expect(problem(`{"a":${'['.repeat(200)}${']'.repeat(200)}}`).message).toContain('deeper');
    expect(problem(`"${'x'.repeat(3_000_000)}"`)).toMatchObject({ status: 413 });
    expect(problem(`[${'1,'.repeat(100_000)}1]`)).toMatchObject({ code: 'too-many-records' });
  });
});

describe('times', () => {
  test.each([
    [0, 0],
    ['1795000000000', now],
    ['2026-11-21T08:30Z', Date.UTC(2026, 10, 21, 8, 30)],
    ['2026-11-21T08:30:15,5Z', Date.UTC(2026, 10, 21, 8, 30, 15, 500)],
    ['2026-11-21T08:30:00.123456+0130', Date.UTC(2026, 10, 21, 7, 0, 0, 123)],
  ])('%s', (value, expected) => {
    expect(parseTimestamp(value, 'at')).toBe(expected);
  });

  test.each([
    '',
    '2026-11-21',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00Z',
    'now',
    null,
    {},
    2 ** 60,
  ])('%s is none', (value) => {
    expect(() => parseTimestamp(value, 'at')).toThrow(`at = ${JSON.stringify(value)} is no time`);
  });
});
