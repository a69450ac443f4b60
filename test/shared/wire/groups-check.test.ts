import { expect, test } from 'vitest';
import type { GroupsReport } from '#shared/wire/groups.ts';
import { checkGroupsReport } from '#shared/wire/groups-check.ts';
import { limits } from '#shared/wire/limits.ts';

const hex = 'a'.repeat(32);
const offset = { topic: 't', partition: 0, offset: 5, incarnation: hex, metadata: '' };
const position = { topic: 't', partition: 0, incarnation: hex, next: 5, epoch: hex, sequence: 5 };
const report: GroupsReport = {
  version: 1,
  alias: 'a',
  session: hex,
  number: 0,
  groups: [{ group: '', state: 'Empty', offsets: [offset] }],
  gone: ['grüße'],
  positions: [position],
};

test('a report passes whole, an empty group name too, which Kafka has', () => {
  expect(checkGroupsReport(report)).toEqual(report);
});

const withOffset = (change: object) => ({
  ...report,
  groups: [{ ...report.groups[0], offsets: [{ ...offset, ...change }] }],
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
  ['positions[0].sequence', { ...report, positions: [{ ...position, sequence: 1.5 }] }],
  ['positions', { ...report, positions: new Array(limits.groupsReportOffsets + 1).fill(position) }],
])('a bad %s is named', (path, bad) => {
  expect(() => checkGroupsReport(bad)).toThrow(`${path} is`);
});
