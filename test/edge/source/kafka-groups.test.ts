import { expect, test } from 'vitest';
import { seeGroups } from '#edge/source/kafka-groups.ts';
import {
  type AclBinding,
  type ConfigEntry,
  type GroupOffset,
  KafkaError,
} from '#shared/kafka/kafka.ts';
import { groupFilter } from '#shared/wire/mm2-filter.ts';

const incarnation = '1'.padStart(32, '0');
const at = (topic: string, partition: number, offset: number, metadata = ''): GroupOffset => ({
  ...{ topic, partition, offset, metadata },
});

interface Cluster {
  groups: { [group: string]: { type?: string; state?: string; offsets: GroupOffset[] } };
  configs?: ConfigEntry[];
  acls?: AclBinding[] | KafkaError;
}

const see = ({ groups, configs = [], acls = [] }: Cluster, told: Partial<{ acls: boolean }> = {}) =>
  seeGroups({
    admin: {
      groups: async () =>
        Object.entries(groups).map(([groupId, { type = 'consumer' }]) => {
          return { groupId, protocolType: type };
        }),
      describeGroups: async (ids) =>
        ids.map((groupId) => {
          const { state = 'Stable', type = 'consumer' } = groups[groupId]!;
          return { groupId, state, protocolType: type, members: [] };
        }),
      groupOffsets: async (group) => groups[group]!.offsets,
      configs: async () => configs,
      acls: async () => {
        if (acls instanceof KafkaError) throw acls;
        return acls;
      },
    },
    follows: groupFilter(),
    topics: () => [{ topic: 'sensor-data', incarnation, partitions: 2 }],
    positions: () => [],
    acls: told.acls ?? false,
  });

test('groups are those that MirrorMaker 2 follows by default, with positions in replicated topics', async () => {
  const { groups } = await see({
    groups: {
      dashboard: { offsets: [at('sensor-data', 0, 7, 'm'), at('other', 0, 9)] },
      'simple-consumer': { type: '', state: 'Empty', offsets: [at('sensor-data', 1, 3)] },
      'console-consumer-1': { offsets: [at('sensor-data', 0, 1)] },
      'connect-sink': { offsets: [at('sensor-data', 0, 1)] },
      __internal: { offsets: [at('sensor-data', 0, 1)] },
      'tributary-central': { type: 'tributary', offsets: [at('sensor-data', 0, 1)] },
      elsewhere: { offsets: [at('other', 0, 1)] },
      grown: { offsets: [at('sensor-data', 2, 1), at('sensor-data', 0, -1)] },
    },
  });
  expect(groups).toEqual([
    {
      ...{ group: 'dashboard', state: 'Stable' },
      offsets: [{ ...at('sensor-data', 0, 7, 'm'), incarnation }],
    },
    {
      ...{ group: 'simple-consumer', state: 'Empty' },
      offsets: [{ ...at('sensor-data', 1, 3), incarnation }],
    },
  ]);
});

test('a name or metadata that is too long for the link costs that group or metadata alone', async () => {
  const { groups } = await see({
    groups: {
      ['x'.repeat(1_001)]: { offsets: [at('sensor-data', 0, 1)] },
      fits: { offsets: [at('sensor-data', 0, 1, 'm'.repeat(4_097))] },
    },
  });
  expect(groups.map(({ group, offsets }) => [group, offsets[0]!.metadata])).toEqual([['fits', '']]);
});

test('topics are told with their settings, but for secrets', async () => {
  const entry = (name: string, source: ConfigEntry['source'], sensitive = false): ConfigEntry => {
    return { name, value: 'v', source, readOnly: false, sensitive };
  };
  const configs = [entry('b', 'default'), entry('a', 'topic'), entry('c', 'topic', true)];
  const { topics } = await see({ groups: {}, configs });
  expect(topics).toEqual([
    {
      ...{ topic: 'sensor-data', incarnation, partitions: 2 },
      configs: [
        { name: 'a', value: 'v', explicit: true },
        { name: 'b', value: 'v', explicit: false },
      ],
    },
  ]);
});

test('bindings are told where asked for: literal ones of replicated topics', async () => {
  const binding = (over: Partial<AclBinding>): AclBinding => ({
    ...{ resourceType: 'topic', resourceName: 'sensor-data', patternType: 'literal' },
    ...{ principal: 'User:a', host: '*', operation: 'READ', permission: 'ALLOW', ...over },
  });
  const acls = [
    binding({}),
    binding({ patternType: 'prefixed' }),
    binding({ resourceName: 'other' }),
    binding({ resourceType: 'group' }),
  ];
  expect((await see({ groups: {}, acls })).acls).toBeNull();
  expect((await see({ groups: {}, acls }, { acls: true })).acls).toEqual([
    {
      topic: 'sensor-data',
      principal: 'User:a',
      host: '*',
      operation: 'READ',
      permission: 'ALLOW',
    },
  ]);
});

test('a cluster without an authorizer has no bindings; one that does not let us look is an error', async () => {
  const failing = (code: 'invalid' | 'denied', kafkaCode: string) =>
    see({ groups: {}, acls: new KafkaError(code, kafkaCode, { kafkaCode }) }, { acls: true });
  expect((await failing('invalid', 'SECURITY_DISABLED')).acls).toEqual([]);
  await expect(failing('denied', 'CLUSTER_AUTHORIZATION_FAILED')).rejects.toThrow('AUTHORIZATION');
});
