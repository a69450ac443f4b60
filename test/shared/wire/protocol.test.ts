import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkBatch } from '#shared/wire/batch-check.ts';
import { decodeFrames, encodeFrame, type Frame, type SegmentFrame } from '#shared/wire/frame.ts';
import { checkKafkaAnswer, checkKafkaReport } from '#shared/wire/kafka-report-check.ts';
import { limits } from '#shared/wire/limits.ts';
import { linkHeader, linkPath, refusalCodes, segmentsContentType } from '#shared/wire/link.ts';
import {
  checkHeartbeat,
  checkHello,
  checkHelloAnswer,
  checkSegmentsAnswer,
} from '#shared/wire/link-check.ts';
import { lossReasons } from '#shared/wire/loss.ts';
import { provenanceHeaders, type WireRecord } from '#shared/wire/record.ts';
import { openBatch, sealBatch, stripProvenance } from '#shared/wire/record-batch.ts';

/** PROTOCOL.md is tried out: its examples are the vectors. */

const folder = new URL('../../../shared/wire/', import.meta.url);
const page = readFileSync(new URL('PROTOCOL.md', folder), 'utf8');
const examples = new Map(
  [...page.matchAll(/^```(json|hex) ([a-z-]+)\n([\s\S]*?)^```$/gm)].map(([, type, name, text]) => [
    `${type} ${name}`,
    text!,
  ]),
);
const json = (name: string): unknown => JSON.parse(examples.get(`json ${name}`)!);
const bytes = (name: string): Buffer =>
  Buffer.from(examples.get(`hex ${name}`)!.replace(/#.*$|\s/gm, ''), 'hex');

const site = {
  alias: 'factory-a',
  topic: 'sensor-data',
  epoch: '5f0c7a1e9b3d4c2a8e6f00112233aabb',
  firstSequence: 41,
};

test('every example on the page is known to these tests', () => {
  expect([...examples.keys()].sort()).toEqual([
    'hex loss',
    'hex segment',
    'json error',
    'json heartbeat',
    'json hello',
    'json hello-accepted',
    'json hello-adopt',
    'json hello-fork',
    'json kafka',
    'json kafka-answer',
    'json loss',
    'json segment',
    'json segments-answer',
  ]);
});

test.each([
  ['hello', checkHello],
  ['hello-accepted', checkHelloAnswer],
  ['hello-fork', checkHelloAnswer],
  ['hello-adopt', checkHelloAnswer],
  ['segments-answer', checkSegmentsAnswer],
  ['heartbeat', checkHeartbeat],
  ['kafka', checkKafkaReport],
  ['kafka-answer', checkKafkaAnswer],
] as [string, (json: unknown) => unknown][])(
  'the %s example is one, field for field',
  (name, check) => {
    expect(check(json(name))).toEqual(json(name));
  },
);

describe('the segment example', () => {
  const { records, ...head } = json('segment') as SegmentFrame & {
    records: { key: string; value: string; headers: [string, string][]; timestamp: number }[];
  };
  const wire: WireRecord[] = records.map(({ key, value, headers, timestamp }) => ({
    key: Buffer.from(key),
    value: Buffer.from(value),
    headers: headers.map(([name, content]) => [name, Buffer.from(content)]),
    timestamp,
  }));

  test('decodes to what stands beside it', () => {
    const [frame] = decodeFrames(bytes('segment')) as [SegmentFrame];
    const { batch, ...rest } = frame;
    expect(rest).toEqual(head);
    expect(openBatch(batch).map(stripProvenance)).toEqual(wire);
    expect(checkBatch(batch, { count: 2, provenance: site }).count).toBe(2);
  });

  test('is what the code makes of it', () => {
    const batch = sealBatch(wire, { compression: 'none', provenance: site });
    const frame: Frame = { ...head, batch };
    expect(Buffer.concat(encodeFrame(frame)).toString('hex')).toBe(
      bytes('segment').toString('hex'),
    );
  });
});

test('the loss example decodes to what stands beside it, and back', () => {
  expect(decodeFrames(bytes('loss'))).toEqual([json('loss')]);
  expect(Buffer.concat(encodeFrame(json('loss') as Frame))).toEqual(bytes('loss'));
});

test('the grammar of frames is that of the code', () => {
  const lines = (text: string) => text.split('\n').map((line) => line.replace(/^[ *]+/, ''));
  const code = lines(readFileSync(new URL('frame.ts', folder), 'utf8'));
  const grammar = lines(/^```\n(frame[\s\S]*?)^```$/m.exec(page)![1]!).filter(Boolean);
  for (const line of grammar) expect(code).toContain(line);
});

test('what the page names is what the code has, nothing more and nothing less', () => {
  for (const name of [
    ...Object.values(linkPath).map((path) => `POST ${path}`),
    ...Object.values(linkHeader),
    ...Object.values(provenanceHeaders),
    ...refusalCodes,
    ...lossReasons,
    segmentsContentType,
  ]) {
    expect(page).toContain(`\`${name}\``);
  }
  const headers = new Set(page.match(/`tributary-[a-z]+`/g));
  expect([...headers].map((name) => name.slice(1, -1)).sort()).toEqual(
    Object.values(linkHeader).sort(),
  );
});

test('the limits on the page are those of the code', () => {
  expect(page).toContain(`JSON, ${limits.helloBytes >> 20} MiB at most`);
  expect(page).toContain(`back to back, ${limits.requestBytes >> 20} MiB at most`);
  expect(page).toContain(`JSON, ${limits.heartbeatBytes >> 10} KiB at most`);
  expect(page).toContain(`a batch of ${limits.segmentBytes >> 20} MiB at most`);
  expect(page).toContain(`headers of a record within ${limits.recordBytes >> 10} KiB`);
  expect(page).toContain(`${limits.headersPerRecord} headers a record`);
  expect(page).toContain(`1 to ${limits.aliasLength} of letters`);
  expect(page).toContain(`${limits.heartbeatStreams} at most`);
  expect(page).toContain(`JSON, ${limits.kafkaReportBytes >> 20} MiB at most`);
  expect(page).toContain(`${limits.kafkaReportRows} rows of a kind in a report at most`);
  expect(page).toContain(`1 to ${limits.segmentRecords / 1000} 000 of them`);
});
