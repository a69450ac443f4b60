import { expect, test } from 'vitest';
import type { KafkaReport } from '#shared/wire/kafka-report.ts';
import { checkKafkaReport } from '#shared/wire/kafka-report-check.ts';
import { limits } from '#shared/wire/limits.ts';

const hex = 'a'.repeat(32);
const offset = { topic: 't', partition: 0, offset: 5, incarnation: hex, metadata: '' };
const position = { topic: 't', partition: 0, incarnation: hex, next: 5, epoch: hex, sequence: 5 };
const config = { name: 'retention.ms', value: null, explicit: true };
const acl = {
  ...{ topic: 't', principal: 'User:a', host: '*', operation: 'READ' },
  permission: 'ALLOW' as const,
};
const report: KafkaReport = {
  version: 1,
  alias: 'a',
  session: hex,
  number: 0,
  groups: [{ group: '', state: 'Empty', offsets: [offset] }],
  gone: ['grüße'],
  positions: [position],
  topics: [{ topic: 't', incarnation: hex, partitions: 2, configs: [config] }],
  acls: [acl],
  complete: true,
};

test('a report passes whole, an empty group name too, which Kafka has', () => {
  expect(checkKafkaReport(report)).toEqual(report);
});

const withOffset = (change: object) => ({
  ...report,
  groups: [{ ...report.groups[0], offsets: [{ ...offset, ...change }] }],
});

const withConfig = (change: object) => ({
  ...report,
  topics: [{ ...report.topics[0], configs: [{ ...config, ...change }] }],
});

test.each([
  ['number', { ...report, number: -1 }],
  ['session', { ...report, session: 'x' }],
  ['groups[0].offsets[0].offset', withOffset({ offset: -1 })],
  ['groups[0].offsets[0].topic', withOffset({ topic: 'a/b' })],
  ['groups[0].offsets[0].incarnation', withOffset({ incarnation: '' })],
  ['groups[0].offsets[0].metadata', withOffset({ metadata: 'ü'.repeat(2_049) })],
  ['groups[0].offsets[0].metadata', withOffset({ metadata: null })],
  ['gone[0]', { ...report, gone: ['x'.repeat(limits.groupNameBytes + 1)] }],
  ['topics[0].partitions', { ...report, topics: [{ ...report.topics[0], partitions: 0 }] }],
  ['topics[0].configs[0].explicit', withConfig({ explicit: 1 })],
  ['topics[0].configs[0].value', withConfig({ value: 'x'.repeat(5_000) })],
  ['acls[0].operation', { ...report, acls: [{ ...acl, operation: 'read' }] }],
  ['acls[0].permission', { ...report, acls: [{ ...acl, permission: 'ANY' }] }],
  ['positions[0].sequence', { ...report, positions: [{ ...position, sequence: 1.5 }] }],
  ['positions', { ...report, positions: new Array(limits.kafkaReportRows + 1).fill(position) }],
])('a bad %s is named', (path, bad) => {
  expect(() => checkKafkaReport(bad)).toThrow(`${path} is`);
});
