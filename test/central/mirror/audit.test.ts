import { expect, test } from 'vitest';
import { type AuditedTopic, auditTopic } from '#central/mirror/audit.ts';
import type { ConfigEntry } from '#shared/kafka/kafka.ts';
import type { ReportedConfig } from '#shared/wire/kafka-report.ts';
import { configFilter } from '#shared/wire/mm2-filter.ts';

const day = 86_400_000;
const madeWith = { 'retention.ms': String(37 * day), 'cleanup.policy': 'delete' };
const options = { follows: configFilter(), longestOutageMs: 30 * day, madeWith, syncs: true };

const here = (values: { [name: string]: string }): ConfigEntry[] =>
  Object.entries(values).map(([name, value]) => ({
    ...{ name, value, source: 'topic' as const, readOnly: false, sensitive: false },
  }));
const there = (values: { [name: string]: string }): ReportedConfig[] =>
  Object.entries(values).map(([name, value]) => ({ name, value, explicit: true }));

/** Alike, but for what is given. */
const audit = (
  site: { partitions?: number; configs?: { [name: string]: string } },
  central: {
    partitions?: number;
    replicas?: number;
    configs?: { [name: string]: string };
    grows?: boolean;
  } | null,
  more: Partial<AuditedTopic> & { syncs?: boolean } = {},
) => {
  const audited: AuditedTopic = {
    alias: 'factory-a',
    topic: 'factory-a.t',
    site: {
      ...{ topic: 't', incarnation: '0'.repeat(32), partitions: site.partitions ?? 3 },
      configs: there(site.configs ?? {}),
    },
    central: central && {
      ...{ partitions: central.partitions ?? 3, replicas: central.replicas ?? 3 },
      configs: here(central.configs ?? {}),
      grows: central.grows ?? true,
    },
    backlogAgeMs: null,
    ...more,
  };
  return auditTopic(audited, { ...options, syncs: more.syncs ?? true });
};

test('topics that are alike have nothing to tell', () => {
  const site = { 'retention.ms': String(7 * day), 'cleanup.policy': 'delete' };
  const central = { 'retention.ms': String(37 * day), 'cleanup.policy': 'delete' };
  expect(audit({ configs: site }, { configs: central }, { backlogAgeMs: 30 * day })).toEqual([]);
});

test('a topic that is not there yet is made as the site has it', () => {
  expect(audit({ partitions: 6 }, null)).toEqual([
    {
      alias: 'factory-a',
      topic: 'factory-a.t',
      what: 'missing',
      severity: 'note',
      site: '6 partitions',
      central: null,
      meaning: 'nothing of it has landed yet',
      change: 'it is made with 6 partitions when the first record lands',
    },
  ]);
});

test('partitions: more at the site are grown to, more at central stay', () => {
  expect(audit({ partitions: 6 }, {})).toMatchObject([
    {
      what: 'partitions',
      severity: 'warning',
      site: '6',
      central: '3',
      change: expect.stringContaining('grown to 6'),
    },
  ]);
  expect(audit({ partitions: 6 }, { grows: false })).toMatchObject([
    { what: 'partitions', severity: 'danger', change: null },
  ]);
  expect(audit({}, { partitions: 12 })).toMatchObject([
    { what: 'partitions', severity: 'note', central: '12', change: null },
  ]);
});

test('a retention that has no room for an outage is told, with what would do', () => {
  const site = { 'retention.ms': String(7 * day) };
  const [drift] = audit({ configs: site }, { configs: { 'retention.ms': String(7 * day) } });
  expect(drift).toMatchObject({ what: 'retention', severity: 'warning' });
  expect(drift!.meaning).toContain(`retention.ms = ${37 * day} would do`);
  expect(drift!.change).toBe(`retention.ms is set to ${37 * day}`);
});

test('a site that keeps for ever needs a central that does', () => {
  const drift = audit(
    { configs: { 'retention.ms': '-1' } },
    { configs: { 'retention.ms': String(37 * day) } },
  );
  expect(drift).toMatchObject([{ what: 'retention', change: 'retention.ms is set to -1' }]);
});

test('without following nothing is changed, and the report says so', () => {
  const configs = { 'retention.ms': String(7 * day), 'segment.bytes': '5' };
  const drift = audit({ configs }, { configs: { 'retention.ms': '1' } }, { syncs: false });
  expect(drift.map(({ what, change }) => [what, change])).toEqual([
    ['retention', null],
    ['settings', null],
  ]);
});

test('a backlog that is older than the retention is a danger', () => {
  const central = { configs: { 'retention.ms': String(day), 'cleanup.policy': 'delete' } };
  const found = audit({}, central, { backlogAgeMs: 2 * day });
  expect(found).toMatchObject([{ what: 'backlog', severity: 'danger' }]);
  expect(audit({}, central, { backlogAgeMs: day / 2 })).toEqual([]);
  const compacted = { configs: { 'retention.ms': String(day), 'cleanup.policy': 'compact' } };
  expect(audit({}, compacted, { backlogAgeMs: 2 * day })).toEqual([]);
});

test('compaction where the site keeps all is a danger, the other way round a warning', () => {
  const policy = (value: string) => ({ configs: { 'cleanup.policy': value } });
  expect(audit(policy('delete'), policy('compact'))).toMatchObject([
    { what: 'cleanup', severity: 'danger', change: 'cleanup.policy is set to delete' },
  ]);
  expect(audit(policy('compact'), policy('delete'))).toMatchObject([{ severity: 'warning' }]);
  expect(audit(policy('compact,delete'), policy('delete, compact'))[0]?.what).not.toBe('cleanup');
});

test('min.insync.replicas: more than there are replicas is a danger, fewer than at the site a note', () => {
  const isr = (value: string) => ({ configs: { 'min.insync.replicas': value } });
  expect(audit(isr('2'), { ...isr('2'), replicas: 1 })).toMatchObject([
    { what: 'min-isr', severity: 'danger', change: null },
  ]);
  expect(audit(isr('2'), isr('1'))).toMatchObject([{ what: 'min-isr', severity: 'note' }]);
  expect(audit(isr('1'), isr('2'))).toEqual([]);
});

test('other settings that would follow are named', () => {
  const drift = audit({ configs: { 'segment.bytes': '5' } }, {});
  expect(drift).toMatchObject([
    {
      what: 'settings',
      site: 'segment.bytes = 5',
      central: 'segment.bytes = default',
      change: 'segment.bytes is set to 5',
    },
  ]);
});
