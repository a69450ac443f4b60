import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../contract/eventually.ts';
import { startKafka, type TestKafka } from '../../kafka/kafka.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { unique } from '../../kafka/shared.ts';
import { consoleConsumer } from '../../kafka/tools.ts';
import { clientOf, outgoing } from './real-cluster.ts';

/** Both lines that we support: the versions agreed on differ, and so do the codecs' branches. */
describe.skipIf(kafkaMissing).each(['4.x', '3.x'] as const)('KafkaAdmin of Kafka %s', (version) => {
  let cluster: TestKafka;
  beforeAll(async () => {
    const properties = {
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS',
    };
    cluster = await startKafka({ version, properties });
  });
  afterAll(() => cluster?.close());
  const client = () => clientOf(cluster.bootstrap);

  const makeTopic = async (partitions = 2, configs = {}) => {
    const topic = unique('topic');
    await client().admin.createTopic({ topic, partitions, replicationFactor: 1, configs });
    return topic;
  };
  const write = async (topic: string, ...batches: [partition: number, values: string[]][]) => {
    const producer = client().producer({
      transactionalId: unique('writer'),
      transactionTimeoutMs: 10_000,
    });
    await producer.init();
    await producer.send(batches.map(([partition, values]) => outgoing(topic, partition, values)));
    await producer.commit();
  };
  const failure = (promise: Promise<unknown>) => expect(promise).rejects;

  test('the cluster says who it is', async () => {
    const { clusterId, controller, brokers } = await client().admin.cluster();
    expect(clusterId).toHaveLength(22);
    expect(controller).toBe(1);
    expect(brokers).toEqual([{ id: 1, host: '127.0.0.1', port: cluster.broker(1).port }]);
  });

  test('a topic made is there, led, with an id of its own, and made only once', async () => {
    const { admin } = client();
    const topic = await makeTopic(3, { 'retention.ms': '1234567' });
    const [info, ...others] = await admin.topics([topic, unique('not-there')]);
    expect(others).toEqual([]);
    const partition = { leader: 1, replicas: [1], isr: [1] };
    expect(info).toEqual({
      topic,
      id: expect.stringMatching(/^(?!0{32})[0-9a-f]{32}$/),
      internal: false,
      partitions: [0, 1, 2].map((number) => ({ partition: number, ...partition })),
    });
    await failure(
      admin.createTopic({ topic, partitions: 1, replicationFactor: 1, configs: {} }),
    ).toMatchObject({ code: 'exists', topic, kafkaCode: 'TOPIC_ALREADY_EXISTS' });
    expect((await admin.topics()).map((one) => one.topic)).toContain(topic);
    expect(await admin.topics([])).toEqual([]);
    expect(await admin.topics(['no such name'])).toEqual([]);
  });

  test('a topic that cannot be made is invalid, with the reason', async () => {
    const { admin } = client();
    const good = { topic: unique('topic'), partitions: 1, replicationFactor: 1, configs: {} };
    for (const [bad, kafkaCode] of [
      [{ replicationFactor: 3 }, 'INVALID_REPLICATION_FACTOR'],
      [{ partitions: 0 }, 'INVALID_PARTITIONS'],
      [{ configs: { 'no.such': 'x' } }, 'INVALID_CONFIG'],
      [{ topic: 'no such name' }, 'INVALID_TOPIC_EXCEPTION'],
    ] as const) {
      await failure(admin.createTopic({ ...good, ...bad })).toMatchObject({
        code: 'invalid',
        kafkaCode,
        message: expect.stringMatching(/: .{20}/),
      });
    }
    await admin.createTopic({ ...good, replicationFactor: -1 });
  });

  test('a topic grows, never shrinks, and a new life has a new id', async () => {
    const { admin } = client();
    const topic = await makeTopic(1);
    await admin.growTopic(topic, 3);
    const [grown] = await admin.topics([topic]);
    expect(grown!.partitions).toHaveLength(3);
    await failure(admin.growTopic(topic, 2)).toMatchObject({ code: 'invalid' });
    await failure(admin.growTopic(unique('none'), 2)).toMatchObject({ code: 'missing' });
    await admin.deleteTopic(topic);
    await failure(admin.deleteTopic(topic)).toMatchObject({ code: 'missing' });
    await eventually(async () => expect(await admin.topics([topic])).toEqual([]));
    await admin.createTopic({ topic, partitions: 1, replicationFactor: 1, configs: {} });
    const [again] = await admin.topics([topic]);
    expect(again!.id).not.toBe(grown!.id);
  });

  test('configs change one by one, and null takes a change back', async () => {
    const { admin } = client();
    const topic = await makeTopic(1, { 'retention.ms': '5000', 'cleanup.policy': 'compact' });
    await admin.alterConfigs(topic, { 'retention.ms': '6000', 'max.message.bytes': '2000000' });
    const read = async () => new Map((await admin.configs(topic)).map((one) => [one.name, one]));
    let configs = await read();
    expect(configs.get('retention.ms')).toEqual({
      name: 'retention.ms',
      value: '6000',
      source: 'topic',
      readOnly: false,
      sensitive: false,
    });
    expect(configs.get('cleanup.policy')).toMatchObject({ value: 'compact', source: 'topic' });
    expect(configs.get('max.message.bytes')).toMatchObject({ value: '2000000' });
    expect(configs.get('segment.ms')).toMatchObject({ source: 'default' });
    await admin.alterConfigs(topic, { 'retention.ms': null });
    configs = await read();
    expect(configs.get('retention.ms')).toMatchObject({ value: '604800000', source: 'default' });
    await failure(admin.alterConfigs(topic, { 'retention.ms': 'soon' })).toMatchObject({
      code: 'invalid',
    });
    await failure(admin.configs(unique('none'))).toMatchObject({ code: 'missing' });
  });

  test('offsets of both ends and of a time, in the order asked for', async () => {
    const { admin } = client();
    const topic = await makeTopic(2);
    const before = Date.now();
    await write(topic, [0, ['a', 'b', 'c']], [1, ['d']]);
    const at = [1, 0, 1].map((partition) => ({ topic, partition }));
    expect(await admin.offsets(at, 'earliest')).toEqual([0, 0, 0]);
    // The commit's marker has an offset too, and may take a moment.
    await eventually(async () => expect(await admin.offsets(at, 'latest')).toEqual([2, 4, 2]));
    await eventually(async () =>
      expect(await admin.offsets(at, 'latest', 'committed')).toEqual([2, 4, 2]),
    );
    expect(await admin.offsets(at, before)).toEqual([0, 0, 0]);
    expect(await admin.offsets(at, before + 3_600_000)).toEqual([2, 4, 2]);
    await admin.deleteRecords([{ topic, partition: 0, offset: 2 }]);
    expect(await admin.offsets(at, 'earliest')).toEqual([0, 2, 0]);
    await failure(admin.deleteRecords([{ topic, partition: 0, offset: 99 }])).toMatchObject({
      code: 'out-of-range',
      topic,
      partition: 0,
    });
    await failure(admin.offsets([{ topic, partition: 7 }], 'latest')).toMatchObject({
      code: 'missing',
      partition: 7,
    });
  });

  test('what is not committed is behind the committed end', async () => {
    const kafka = client();
    const topic = await makeTopic(1);
    const at = [{ topic, partition: 0 }];
    const producer = kafka.producer({
      transactionalId: unique('open'),
      transactionTimeoutMs: 10_000,
    });
    await producer.init();
    await producer.send([outgoing(topic, 0, ['a', 'b'])]);
    expect(await kafka.admin.offsets(at, 'latest')).toEqual([2]);
    expect(await kafka.admin.offsets(at, 'latest', 'committed')).toEqual([0]);
    await producer.abort();
  });

  test('a group’s offsets are set while it is empty, read back and deleted', async () => {
    const { admin } = client();
    const topic = await makeTopic(2);
    const groupId = unique('group');
    expect(await admin.groupOffsets(groupId)).toEqual([]);
    const offsets = [
      { topic, partition: 0, offset: 5, metadata: 'from here' },
      { topic, partition: 1, offset: 0, metadata: '' },
    ];
    await admin.setGroupOffsets(groupId, offsets);
    const byPartition = (await admin.groupOffsets(groupId)).sort(
      (a, b) => a.partition - b.partition,
    );
    expect(byPartition).toEqual(offsets);
    expect((await admin.groups()).map((one) => one.groupId)).toContain(groupId);
    expect(await admin.describeGroups([groupId])).toEqual([
      { groupId, state: 'Empty', protocolType: '', members: [] },
    ]);
    await admin.deleteGroup(groupId);
    await failure(admin.deleteGroup(groupId)).toMatchObject({ code: 'missing' });
    const [gone] = await admin.describeGroups([groupId]);
    expect(gone).toMatchObject({ groupId, state: 'Dead', members: [] });
  });

  test('a group with members is shown with them, and keeps its offsets to itself', async () => {
    const kafka = client();
    const topic = await makeTopic(1);
    const groupId = unique('group');
    let assigned: string | null = null;
    const membership = kafka.join({
      groupId,
      metadata: 'x',
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 500,
      rebalanceTimeoutMs: 5000,
      assign: (members) => new Map(members.map(({ memberId }) => [memberId, 'all'])),
      onAssignment: (assignment) => {
        assigned = assignment;
      },
    });
    await eventually(() => expect(assigned).toBe('all'));
    const [group] = await kafka.admin.describeGroups([groupId]);
    expect(group).toMatchObject({ groupId, state: 'Stable' });
    expect(group!.members).toEqual([
      { memberId: expect.stringMatching(/^test/), clientId: 'test', host: '/127.0.0.1' },
    ]);
    const offsets = [{ topic, partition: 0, offset: 1, metadata: '' }];
    await failure(kafka.admin.setGroupOffsets(groupId, offsets)).toMatchObject({ code: 'refused' });
    await failure(kafka.admin.deleteGroup(groupId)).toMatchObject({ code: 'refused' });
    await membership.leave();
    await eventually(() => kafka.admin.setGroupOffsets(groupId, offsets));
  });

  // Brokers of the older line have none.
  if (version !== '3.x') {
    test('a group of the newer protocol is shown too', async () => {
      const kafka = client();
      const topic = await makeTopic(1);
      const groupId = unique('group');
      const options = ['--group', groupId, '--consumer-property', 'group.protocol=consumer'];
      const reading = consoleConsumer(cluster.bootstrap, topic, 1, options);
      await eventually(async () => {
        const [group] = await kafka.admin.describeGroups([groupId]);
        expect(group).toMatchObject({ groupId, state: 'Stable', protocolType: 'consumer' });
        expect(group!.members).toEqual([
          {
            memberId: expect.stringMatching(/./),
            clientId: 'console-consumer',
            host: '/127.0.0.1',
          },
        ]);
      });
      const offsets = [{ topic, partition: 0, offset: 1, metadata: '' }];
      await failure(kafka.admin.setGroupOffsets(groupId, offsets)).toMatchObject({
        code: 'refused',
      });
      await write(topic, [0, ['the one']]);
      expect(await reading).toContain('the one');
      await eventually(() => kafka.admin.setGroupOffsets(groupId, offsets));
    });
  }

  test('ACLs are made and listed', async () => {
    const { admin } = client();
    const binding = {
      resourceType: 'topic',
      resourceName: unique('acl'),
      patternType: 'prefixed',
      principal: 'User:site',
      host: '*',
      operation: 'READ',
      permission: 'ALLOW',
    } as const;
    await admin.createAcls([binding, { ...binding, operation: 'WRITE', permission: 'DENY' }]);
    await eventually(async () => {
      const ours = (await admin.acls()).filter(
        ({ resourceName }) => resourceName === binding.resourceName,
      );
      expect(ours.map(({ operation, permission }) => [operation, permission]).sort()).toEqual([
        ['READ', 'ALLOW'],
        ['WRITE', 'DENY'],
      ]);
      expect(ours).toContainEqual(binding);
    });
    await failure(admin.createAcls([{ ...binding, operation: 'FLY' }])).toMatchObject({
      code: 'invalid',
    });
  });
});
