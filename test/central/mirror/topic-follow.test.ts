import { describe, expect, test } from 'vitest';
import { aclsToCreate, configsToSet } from '#central/mirror/topic-follow.ts';
import type { AclBinding, ConfigEntry } from '#shared/kafka/kafka.ts';
import type { ReportedAcl, ReportedConfig } from '#shared/wire/kafka-report.ts';
import { configFilter } from '#shared/wire/mm2-filter.ts';
import { remoteTopic } from '#shared/wire/topic-name.ts';

const day = 86_400_000;
const madeWith = {
  'retention.ms': String(37 * day),
  'retention.bytes': '-1',
  'cleanup.policy': 'delete',
};
const options = { follows: configFilter(), longestOutageMs: 30 * day, madeWith };

const site = (name: string, value: string | null, explicit = true): ReportedConfig => ({
  ...{ name, value, explicit },
});
const central = (name: string, value: string, source: ConfigEntry['source'] = 'topic') => ({
  ...{ name, value, source, readOnly: false, sensitive: false },
});
const changes = (at: ReportedConfig[], here: ConfigEntry[], more: object = {}) =>
  configsToSet(at, here, { ...options, ...more });

describe('settings of a topic', () => {
  test('that the site has set are set at central, once', () => {
    const at = [site('segment.bytes', '1000'), site('delete.retention.ms', '5')];
    const here = [central('segment.bytes', '9', 'default'), central('delete.retention.ms', '5')];
    expect(changes(at, here)).toEqual({ 'segment.bytes': '1000' });
    expect(changes(at, [central('segment.bytes', '1000'), here[1]!])).toEqual({});
  });

  test('a value that only happens to be the default at central is made sure of', () => {
    const here = [central('segment.bytes', '1000', 'default')];
    expect(changes([site('segment.bytes', '1000')], here)).toEqual({ 'segment.bytes': '1000' });
  });

  test('that the site has by default go back to the default', () => {
    const at = [site('segment.bytes', '1', false), site('flush.ms', '1', false)];
    const here = [central('segment.bytes', '9'), central('flush.ms', '9', 'default')];
    expect(changes(at, here)).toEqual({ 'segment.bytes': null });
  });

  test("that MirrorMaker 2 excludes stay central's", () => {
    const at = [site('min.insync.replicas', '3'), site('unclean.leader.election.enable', 'true')];
    expect(changes(at, [])).toEqual({});
    expect(changes(at, [], { follows: configFilter([]) })).toEqual({
      'min.insync.replicas': '3',
      'unclean.leader.election.enable': 'true',
    });
  });

  test.each([
    ['message.timestamp.type', 'LogAppendTime'],
    ['message.timestamp.after.max.ms', '1000'],
    ['max.message.bytes', '1000'],
    ['compression.type', 'gzip'],
  ])('%s stays what a site with a backlog needs, whatever the lists say', (name, value) => {
    expect(changes([site(name, value)], [], { follows: configFilter([]) })).toEqual({});
  });

  test('a retention has the longest outage added, so that a backlog is kept as long', () => {
    const at = [site('retention.ms', String(7 * day))];
    expect(changes(at, [])).toEqual({ 'retention.ms': String(37 * day) });
    expect(changes(at, [central('retention.ms', String(37 * day))])).toEqual({});
    expect(changes([site('retention.ms', '-1')], [])).toEqual({ 'retention.ms': '-1' });
    const byDefault = [site('retention.ms', '1', false)];
    expect(changes(byDefault, [central('retention.ms', String(37 * day))])).toEqual({});
  });

  test('what the site sets no more goes back to what the topic was made with', () => {
    const at = ['cleanup.policy', 'retention.ms', 'retention.bytes'].map((name) =>
      site(name, 'x', false),
    );
    const here = (policy: string, ms: string, bytes: string) => [
      ...[central('cleanup.policy', policy), central('retention.ms', ms)],
      central('retention.bytes', bytes),
    ];
    expect(changes(at, here('compact', '5', '1000'))).toEqual(madeWith);
    expect(changes(at, here('delete', String(37 * day), '-1'))).toEqual({});
  });

  test("what somebody keeps longer is not taken away by a site's default", () => {
    const at = [site('retention.ms', '1', false), site('retention.bytes', '1', false)];
    const longer = [central('retention.ms', String(99 * day)), central('retention.bytes', '-1')];
    const smaller = { ...madeWith, 'retention.bytes': '1000' };
    expect(changes(at, longer, { madeWith: smaller })).toEqual({});
    expect(changes(at, [central('retention.ms', '-1')])).toEqual({});
  });

  test('read-only and secret ones are left alone', () => {
    const here = [
      { ...central('a', '1'), readOnly: true },
      { ...central('b', '1'), sensitive: true },
    ];
    expect(changes([site('a', '2'), site('b', '2')], here)).toEqual({});
  });
});

describe('access to a topic', () => {
  const acl = (operation: string, permission: 'ALLOW' | 'DENY' = 'ALLOW'): ReportedAcl => ({
    ...{ topic: 't', principal: 'User:a', host: '*', operation, permission },
  });
  const create = (at: ReportedAcl[], here: AclBinding[] = []) =>
    aclsToCreate(at, here, (topic) => remoteTopic('factory-a', topic));

  test('follows under the name at central', () => {
    expect(create([acl('READ')])).toEqual([
      {
        resourceType: 'topic',
        resourceName: 'factory-a.t',
        patternType: 'literal',
        principal: 'User:a',
        host: '*',
        operation: 'READ',
        permission: 'ALLOW',
      },
    ]);
  });

  const made = (at: ReportedAcl[], here: AclBinding[] = []) =>
    create(at, here).map(({ operation, permission }) => `${permission} ${operation}`);

  test('never to write, and of all only to read', () => {
    expect(made([acl('WRITE'), acl('ALL'), acl('DESCRIBE')])).toEqual([
      'ALLOW READ',
      'ALLOW DESCRIBE',
    ]);
  });
  test('a denial stays one, of writing and of all too', () => {
    expect(made([acl('WRITE', 'DENY'), acl('ALL', 'DENY')])).toEqual(['DENY WRITE', 'DENY ALL']);
  });
  test('what is there is not made again, nor twice', () => {
    expect(made([acl('READ'), acl('ALL')])).toEqual(['ALLOW READ']);
    expect(made([acl('READ')], create([acl('READ')]))).toEqual([]);
  });
});
