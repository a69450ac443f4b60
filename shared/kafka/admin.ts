import type { Clock } from '#shared/std/clock.ts';
import { createAcls, describeAcls } from './acl-apis.ts';
import type { Api, Destination } from './api.ts';
import { partitionKey } from './by-topic.ts';
import { describeConfigs, incrementalAlterConfigs } from './config-apis.ts';
import type { Connections } from './connections.ts';
import { brokerError } from './error-codes.ts';
import {
  deleteGroup,
  describeConsumerGroup,
  describeGroup,
  listGroups,
} from './group-admin-apis.ts';
import {
  type AclBinding,
  type Broker,
  type ConfigEntry,
  type GroupInfo,
  type GroupOffset,
  type Isolation,
  type KafkaAdmin,
  KafkaError,
  type NewTopic,
  type TopicInfo,
  type TopicPartition,
} from './kafka.ts';
import { metadata } from './metadata.ts';
import {
  deleteRecords,
  listOffsets,
  offsetCommit,
  offsetFetch,
  type PartitionOffset,
  special,
} from './offset-apis.ts';
import { asUnavailable } from './produce-api.ts';
import { retrying } from './retrying.ts';
import { createPartitions, createTopics, deleteTopics } from './topic-apis.ts';

export interface AdminDeps {
  connections: Connections;
  clock: Clock;
  requestTimeoutMs: number;
}

/** The broker says that it did nothing, and that soon it or another one will. */
const soonBetter: readonly (string | null)[] = [
  'CONCURRENT_TRANSACTIONS',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'LEADER_NOT_AVAILABLE',
  'NOT_CONTROLLER',
  'NOT_COORDINATOR',
  'NOT_LEADER_OR_FOLLOWER',
  'OFFSET_NOT_AVAILABLE',
  'UNKNOWN_LEADER_EPOCH',
  'UNSTABLE_OFFSET_COMMIT',
];
const patienceMs = 5000;

/** A group that has members says it in one of these ways. */
const hasMembers: readonly (string | null)[] = [
  'ILLEGAL_GENERATION',
  'REBALANCE_IN_PROGRESS',
  'STALE_MEMBER_EPOCH',
  'UNKNOWN_MEMBER_ID',
];

/** `KafkaAdmin` over the connections: see there. */
export class ClusterAdmin implements KafkaAdmin {
  readonly #deps: AdminDeps;

  constructor(deps: AdminDeps) {
    this.#deps = deps;
  }

  async cluster(): Promise<{ clusterId: string; controller: number; brokers: Broker[] }> {
    const { clusterId, controller, brokers } = await this.#ask('any', metadata([]));
    return { clusterId, controller, brokers };
  }

  async topics(names?: readonly string[]): Promise<TopicInfo[]> {
    if (names?.length === 0) return [];
    const { topics } = await this.#soon(async () => {
      const answer = await this.#deps.connections.send('any', metadata(names ?? null));
      for (const { error, topic } of answer.topics) {
        if (error !== 0 && !isNoTopic(error)) throw brokerError(error, 'describing', { topic });
      }
      return answer;
    });
    return topics
      .filter(({ error }) => error === 0)
      .map(({ topic, id, internal, partitions }) => ({ topic, id, internal, partitions }));
  }

  async createTopic(topic: NewTopic): Promise<void> {
    const id = await this.#ask('controller', createTopics(topic, this.#brokerTimeoutMs));
    await this.#untilLed(topic.topic, topic.partitions, id);
  }

  async deleteTopic(topic: string): Promise<void> {
    const [before] = await this.topics([topic]);
    await this.#ask('controller', deleteTopics(topic, this.#brokerTimeoutMs));
    await this.#untilGone(topic, before?.id);
  }

  async growTopic(topic: string, partitions: number): Promise<void> {
    await this.#ask('controller', createPartitions(topic, partitions, this.#brokerTimeoutMs));
    await this.#untilLed(topic, partitions);
  }

  configs(topic: string): Promise<ConfigEntry[]> {
    return this.#ask('any', describeConfigs(topic));
  }

  async alterConfigs(
    topic: string,
    configs: { readonly [name: string]: string | null },
  ): Promise<void> {
    if (Object.keys(configs).length === 0) return;
    await this.#ask('controller', incrementalAlterConfigs(topic, configs));
  }

  async offsets(
    of: readonly TopicPartition[],
    at: 'earliest' | 'latest' | number,
    isolation: Isolation = 'uncommitted',
  ): Promise<number[]> {
    const timestamp = typeof at === 'number' ? at : special[at];
    const found = await this.#perLeader(of, (list) => listOffsets(list, timestamp, isolation));
    const behind = of.filter((_, i) => found[i]! < 0);
    if (behind.length === 0) return found;
    const ends = await this.offsets(behind, 'latest', isolation);
    return found.map((offset) => (offset < 0 ? ends.shift()! : offset));
  }

  async deleteRecords(before: readonly (TopicPartition & { offset: number })[]): Promise<void> {
    await this.#perLeader(before, (list) => deleteRecords(list, this.#brokerTimeoutMs));
  }

  async groups(): Promise<{ groupId: string; protocolType: string }[]> {
    const { brokers } = await this.cluster();
    const found = await Promise.all(brokers.map(({ id }) => this.#ask({ node: id }, listGroups)));
    return found.flat();
  }

  describeGroups(ids: readonly string[]): Promise<GroupInfo[]> {
    return Promise.all(
      ids.map(async (group) => {
        const found = await this.#ask({ group }, describeGroup(group));
        return found.state === 'Dead' ? ((await this.#newerGroup(group)) ?? found) : found;
      }),
    );
  }

  groupOffsets(group: string): Promise<GroupOffset[]> {
    return this.#ask({ group }, offsetFetch(group));
  }

  async setGroupOffsets(group: string, offsets: readonly GroupOffset[]): Promise<void> {
    if (offsets.length === 0) return;
    try {
      await this.#ask({ group }, offsetCommit(group, offsets));
    } catch (error) {
      if (!(error instanceof KafkaError) || !hasMembers.includes(error.kafkaCode)) throw error;
      throw new KafkaError('refused', `group ${group} has members: ${error.message}`, {
        cause: error,
        kafkaCode: error.kafkaCode!,
      });
    }
  }

  async deleteGroup(group: string): Promise<void> {
    await this.#ask({ group }, deleteGroup(group));
  }

  acls(): Promise<AclBinding[]> {
    return this.#ask('any', describeAcls);
  }

  async createAcls(bindings: readonly AclBinding[]): Promise<void> {
    if (bindings.length > 0) await this.#ask('controller', createAcls(bindings));
  }

  /** Less than we wait ourselves, so that a slow broker says so. */
  get #brokerTimeoutMs(): number {
    return Math.ceil(this.#deps.requestTimeoutMs * 0.8);
  }

  #ask<T>(to: Destination, api: Api<T>): Promise<T> {
    return this.#soon(() => this.#deps.connections.send(to, api));
  }

  #soon<T>(attempt: () => Promise<T>): Promise<T> {
    const { clock } = this.#deps;
    const when = (error: KafkaError) =>
      soonBetter.includes(error.kafkaCode) ||
      // Said by a leader that has not heard of it; that it is missing, the cluster says.
      (error.code === 'unavailable' && error.kafkaCode === 'UNKNOWN_TOPIC_OR_PARTITION');
    return retrying(attempt, { clock, forMs: patienceMs, when });
  }

  /** One request to each leader; all again where one of them is no longer it. */
  #perLeader<P extends TopicPartition>(
    of: readonly P[],
    api: (list: P[]) => Api<PartitionOffset[]>,
  ): Promise<number[]> {
    const { view } = this.#deps.connections;
    // Brokers refuse a request that names a partition twice.
    const asked = [...new Map(of.map((one) => [partitionKey(one), one])).values()];
    return this.#soon(async () => {
      const leaders = await view.leaders(asked);
      const byNode = new Map<number, P[]>();
      for (const [i, node] of leaders.entries()) {
        if (typeof node !== 'number') throw node;
        const list = byNode.get(node) ?? [];
        byNode.set(node, list);
        list.push(asked[i]!);
      }
      const answers = await Promise.all(
        [...byNode].map(([node, list]) => this.#askLeader(node, list, api(list))),
      );
      const offsets = new Map(answers.flat().map((one) => [partitionKey(one), one.offset]));
      return of.map((one) => offsets.get(partitionKey(one)) ?? leftOut(one));
    });
  }

  async #askLeader(
    node: number,
    list: readonly TopicPartition[],
    api: Api<PartitionOffset[]>,
  ): Promise<PartitionOffset[]> {
    const { connections } = this.#deps;
    try {
      const answer = await connections.send({ node }, api);
      const failed = answer.find(({ error }) => error !== null);
      if (failed)
        throw failed.error!.code === 'missing' ? asUnavailable(failed.error!) : failed.error;
      return answer;
    } catch (error) {
      for (const one of list) connections.view.forgetLeader(one);
      throw error;
    }
  }

  /**
   * kafkajs' own waiting for leaders fails on a cluster of several brokers. With an id: a broker may
   * still know, and even lead, a topic of the same name that was deleted just before.
   */
  async #untilLed(topic: string, partitions: number, id: string | null = null): Promise<void> {
    const { clock, requestTimeoutMs } = this.#deps;
    await retrying(
      async () => {
        const [found] = await this.topics([topic]);
        const isOurs = id === null || found?.id === id;
        const led = isOurs ? (found?.partitions.filter(({ leader }) => leader >= 0) ?? []) : [];
        if (led.length < Math.max(1, partitions) || led.length < found!.partitions.length) {
          throw new KafkaError(
            'unavailable',
            `${topic} is made, but ${led.length} of its partitions have a leader by now`,
            { topic, kafkaCode: 'LEADER_NOT_AVAILABLE' },
          );
        }
        // A broker tells who leads before it does so itself; who answers this does.
        const all = led.map(({ partition }) => ({ topic, partition }));
        await this.#perLeader(all, (list) => listOffsets(list, special.earliest, 'uncommitted'));
      },
      {
        clock,
        forMs: requestTimeoutMs,
        pauseMs: [10, 200],
        // It is made: a broker that does not know it has not heard of it yet.
        when: (error) => error.canRetry || error.code === 'missing',
      },
    );
  }

  /** A broker tells of a topic for a while after the controller has deleted it. */
  async #untilGone(topic: string, id: string | undefined): Promise<void> {
    const { clock, requestTimeoutMs } = this.#deps;
    await retrying(
      async () => {
        const [found] = await this.topics([topic]);
        if (found?.id !== id || found === undefined) return;
        throw new KafkaError('unavailable', `${topic} is deleted, but a broker still knows it`, {
          topic,
        });
      },
      { clock, forMs: requestTimeoutMs, pauseMs: [10, 200] },
    );
  }

  /** Of the protocol that brokers before 3.7 do not have. */
  async #newerGroup(group: string): Promise<GroupInfo | null> {
    try {
      return await this.#ask({ group }, describeConsumerGroup(group));
    } catch (error) {
      if (error instanceof KafkaError && error.kafkaCode === 'UNSUPPORTED_VERSION') return null;
      throw error;
    }
  }
}

const noTopicCodes = [3, 17];
/** No such topic; or no name that a topic could have, which comes to the same. */
const isNoTopic = (code: number): boolean => noTopicCodes.includes(code);

function leftOut({ topic, partition }: TopicPartition): never {
  const message = `the broker's answer leaves out ${topic}-${partition}`;
  throw new KafkaError('unavailable', message, { topic, partition });
}
