import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LinkFormatError } from '#shared/wire/json-shape.ts';
import { limits } from '#shared/wire/limits.ts';
import type { Heartbeat, Hello, HelloAnswer, SegmentsAnswer } from '#shared/wire/link.ts';
import {
  checkHeartbeat,
  checkHello,
  checkHelloAnswer,
  checkSegmentsAnswer,
} from '#shared/wire/link-check.ts';
import { runs, seed } from './arbitrary.ts';

const epoch = '0'.repeat(32);
const session = '1'.repeat(32);
const stream = { epoch, topic: 'sensor-data', partition: 0 };
const hello: Hello = {
  version: 1,
  alias: 'factory-a',
  epoch,
  session,
  previous: null,
  centralId: null,
  agent: '0.1.0',
  clock: 1_700_000_000_000,
  streams: [{ ...stream, head: 5, cursor: 3, confirmed: 4 }],
};
const heartbeat: Heartbeat = {
  version: 1,
  alias: 'factory-a',
  epoch,
  session,
  number: 0,
  agent: '0.1.0',
  clock: 1_700_000_000_000,
  intervalMs: 5000,
  totals: {
    acceptedRecords: 6,
    backlogRecords: 2,
    backlogBytes: 200,
    oldestAgeMs: 12,
    lostRecords: 0,
    lossesPending: 0,
  },
  buffer: { usedBytes: 4096, maxBytes: 1 << 30, whenFull: 'drop-oldest', blocked: false },
  disk: { freeBytes: 1e10, totalBytes: 1e11 },
  sources: [
    { name: 'mqtt:localhost:1883', type: 'mqtt', state: 'running', detail: '', acceptedRecords: 6 },
  ],
  streams: [
    {
      ...stream,
      partitionCount: 1,
      head: 5,
      cursor: 3,
      backlogRecords: 2,
      backlogBytes: 200,
      oldestAgeMs: null,
      acceptedRecords: 6,
      lostRecords: 0,
    },
  ],
};
const accepted: HelloAnswer = {
  outcome: 'accepted',
  centralId: 'c-1',
  session,
  clock: 1_700_000_000_000,
  heartbeatIntervalMs: 5000,
  limits: { requestBytes: 1 << 23, segmentBytes: 1 << 20 },
  checkpoints: [{ ...stream, through: 3 }],
};
const fork: HelloAnswer = {
  outcome: 'fork',
  centralId: 'c-1',
  scope: 'all',
  keep: [{ ...stream, through: 3 }],
  reason: 'restored',
};
const adopt: HelloAnswer = {
  outcome: 'adopt-needed',
  centralId: 'c-1',
  reason: 'rebuilt',
  holes: [{ ...stream, first: 0, span: 4 }],
};
const answer: SegmentsAnswer = {
  acks: [{ ...stream, through: 5 }],
  verdicts: [
    { index: 0, verdict: 'duplicate' },
    { index: 1, verdict: 'gap', expected: 6 },
    { index: 2, verdict: 'overlap', expected: 7 },
    { index: 3, verdict: 'refused', code: 'bad-crc', message: 'CRC is 1, not 2' },
    { index: 4, verdict: 'clipped', landed: 2 },
    { index: 5, verdict: 'fresh' },
  ],
};

const checks: [string, (json: unknown) => unknown, object][] = [
  ['hello', checkHello, hello],
  ['heartbeat', checkHeartbeat, heartbeat],
  ['accepted', checkHelloAnswer, accepted],
  ['fork', checkHelloAnswer, fork],
  ['adopt-needed', checkHelloAnswer, adopt],
  ['segments answer', checkSegmentsAnswer, answer],
];

test.each(checks)('a good %s passes as it is', (_, check, message) => {
  expect(check(JSON.parse(JSON.stringify(message)))).toEqual(message);
});

test.each(checks)('%s: fields that we do not know do not get in', (_, check, message) => {
  const extra = JSON.parse(JSON.stringify(message).replaceAll('{"', '{"unknown":1,"'));
  expect(check(extra)).toEqual(message);
  expect(Object.keys(check(extra) as object)).not.toContain('unknown');
});

/** Every path to a value in `json`, for example [`streams`, 0, `head`]. */
function pathsOf(json: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof json !== 'object' || json === null) return [path];
  const inner = Object.entries(json).flatMap(([key, value]) =>
    pathsOf(value, [...path, Array.isArray(json) ? Number(key) : key]),
  );
  return path.length > 0 ? [path, ...inner] : inner;
}

function changed(message: object, path: (string | number)[], value: unknown): unknown {
  const copy = structuredClone(message);
  let at = copy as { [key: string | number]: never };
  for (const key of path.slice(0, -1)) at = at[key]!;
  const last = path.at(-1)!;
  if (value === undefined) delete at[last];
  else at[last] = value as never;
  return copy;
}

const pathText = (path: (string | number)[]): string =>
  path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : text ? `${text}.${key}` : key),
    '',
  );

test.each(checks)('%s: every field is checked, and the error names it', (_, check, message) => {
  for (const path of pathsOf(message)) {
    for (const bad of [undefined, { x: 1 }, [[]], Number.NaN, -1.5]) {
      if (typeof path.at(-1) === 'number' && bad === undefined) continue;
      const broken = changed(message, path, bad);
      expect(() => check(broken), pathText(path)).toThrow(LinkFormatError);
      try {
        check(broken);
      } catch (error) {
        expect((error as LinkFormatError).path.startsWith(pathText(path))).toBe(true);
      }
    }
  }
});

test.each(checks)(
  `%s: any JSON at all gives the message or an error (seed ${seed})`,
  (_, check) => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        expect(() => check(json)).toThrow(LinkFormatError);
      }),
      runs(300),
    );
  },
);

describe('what does not go together is refused', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ ...hello.streams[0]!, topic: `t${i}` }));
  const beats = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ ...heartbeat.streams[0]!, topic: `t${i}` }));
  const twice = [hello.streams[0], hello.streams[0]];
  const cases: [string, (json: unknown) => unknown, object, RegExp][] = [
    ['another version', checkHello, { ...hello, version: 2 }, /^version is 2: /],
    ['an alias with a dot', checkHello, { ...hello, alias: 'a.b' }, /^alias is "a\.b": must not/],
    ['a reserved alias', checkHello, { ...hello, alias: 'heartbeats' }, /^alias .* is reserved/],
    ['an upper-case epoch', checkHello, { ...hello, epoch: 'A'.repeat(32) }, /^epoch is "AAAA/],
    ['a short session', checkHello, { ...hello, session: 'a' }, /^session is "a": must be 32/],
    ['a clock before 1970', checkHello, { ...hello, clock: -1 }, /^clock is -1/],
    ['an odd central id', checkHello, { ...hello, centralId: 'a/b' }, /^centralId is "a\/b"/],
    ['a stream twice', checkHello, { ...hello, streams: twice }, /^streams\[1\].* occurs twice/],
    ['too many streams', checkHello, { ...hello, streams: many(10_001) }, /longer than 10000/],
    [
      'a cursor ahead of its head',
      checkHello,
      changed(hello, ['streams', 0, 'cursor'], 6) as object,
      /^streams\[0\] .*cursor 6 is ahead of head 5/,
    ],
    [
      'ends of runs that go down',
      checkHello,
      changed(
        { ...hello, unconfirmed: [epoch, session] },
        ['streams', 0, 'ends'],
        [5, 4],
      ) as object,
      /^streams\[0\] .*ends 5,4 do not rise from 4 to 5/,
    ],
    [
      'ends of other runs than are listed',
      checkHello,
      changed({ ...hello, unconfirmed: [session] }, ['streams', 0, 'ends'], [4, 5]) as object,
      /^streams\[0\]\.ends is a list of 2: must be one for each of 1 runs/,
    ],
    [
      'more confirmed than there is',
      checkHello,
      changed(hello, ['streams', 0, 'confirmed'], 6) as object,
      /^streams\[0\] .*confirmed 6 is ahead of head 5/,
    ],
    [
      'a head below none',
      checkHello,
      changed(hello, ['streams', 0, 'head'], -2) as object,
      /^streams\[0\]\.head is -2: must be a whole number from -1/,
    ],
    [
      'an unsafe head',
      checkHello,
      changed(hello, ['streams', 0, 'head'], 2 ** 53) as object,
      /^streams\[0\]\.head/,
    ],
    [
      'a topic that is none',
      checkHello,
      changed(hello, ['streams', 0, 'topic'], '..') as object,
      /^streams\[0\]\.topic is "\.\."/,
    ],
    [
      'a partition beyond its count',
      checkHeartbeat,
      changed(heartbeat, ['streams', 0, 'partition'], 1) as object,
      /^streams\[0\] .*partition 1 of 1/,
    ],
    [
      'more streams than a heartbeat has',
      checkHeartbeat,
      { ...heartbeat, streams: beats(limits.heartbeatStreams + 1) },
      /longer than 500/,
    ],
    [
      'too many sources',
      checkHeartbeat,
      { ...heartbeat, sources: new Array(101).fill(heartbeat.sources[0]) },
      /longer than 100/,
    ],
    [
      'a checkpoint twice',
      checkHelloAnswer,
      {
        ...accepted,
        checkpoints: [
          { ...stream, through: 1 },
          { ...stream, through: 2 },
        ],
      },
      /^checkpoints\[1\].* occurs twice/,
    ],
    [
      'a kept stream twice',
      checkHelloAnswer,
      {
        ...fork,
        keep: [
          { ...stream, through: 1 },
          { ...stream, through: 2 },
        ],
      },
      /^keep\[1\].* occurs twice/,
    ],
    [
      'an ack twice',
      checkSegmentsAnswer,
      {
        ...answer,
        acks: [
          { ...stream, through: 1 },
          { ...stream, through: 2 },
        ],
      },
      /^acks\[1\].* occurs twice/,
    ],
    [
      'an unknown outcome',
      checkHelloAnswer,
      { outcome: 'maybe' },
      /^outcome is "maybe": must be one/,
    ],
    [
      'an unknown verdict',
      checkSegmentsAnswer,
      { acks: [], verdicts: [{ index: 0, verdict: 'toString' }] },
      /^verdicts\[0\]\.verdict is "toString"/,
    ],
    ['no object', checkHello, [], /^message is a list of 0: must be an object/],
  ];
  test.each(cases)('%s', (_, check, message, wanted) => {
    expect(() => check(message)).toThrow(wanted);
  });
});

test('words for people are cut, so that a long error text costs no heartbeat', () => {
  const wordy = changed(heartbeat, ['sources', 0, 'detail'], 'x'.repeat(5000));
  expect(checkHeartbeat(wordy).sources[0]!.detail).toHaveLength(limits.lossDetailLength);
});

test('the value in an error is short, whatever was sent', () => {
  try {
    checkHello({ ...hello, alias: 'x'.repeat(100_000) });
  } catch (error) {
    expect((error as Error).message.length).toBeLessThan(200);
  }
  expect.assertions(1);
});

test('a prototype smuggled in is no field', () => {
  const json = JSON.parse(`{"__proto__":${JSON.stringify(hello)}}`);
  expect(() => checkHello(json)).toThrow('version is missing');
});

test('a full hello and a full heartbeat stay within their bytes', () => {
  const topic = (i: number) => `${i}`.padStart(40, 't');
  const streams = Array.from({ length: limits.streamsPerEdge }, (_, i) => ({
    ...stream,
    topic: topic(i),
    head: Number.MAX_SAFE_INTEGER,
    cursor: Number.MAX_SAFE_INTEGER,
    confirmed: Number.MAX_SAFE_INTEGER,
  }));
  expect(JSON.stringify(checkHello({ ...hello, streams })).length).toBeLessThan(limits.helloBytes);
  const beats = Array.from({ length: limits.heartbeatStreams }, (_, i) => ({
    ...heartbeat.streams[0]!,
    topic: topic(i),
  }));
  const full = JSON.stringify(checkHeartbeat({ ...heartbeat, streams: beats }));
  expect(full.length).toBeLessThan(limits.heartbeatBytes);
});
