import type { Kafka, KafkaAdmin, KafkaError, TopicInfo } from '#shared/kafka/kafka.ts';
import { ownTopics } from './kafka-names.ts';
import {
  compactedConfigs,
  type DataTopicSettings,
  dataConfigs,
  ledgerConfigs,
  stateConfigs,
  unfit,
} from './kafka-topic-configs.ts';

export interface ClusterCheckOptions extends DataTopicSettings {
  brokers: readonly string[];
  shards: number;
  replicationFactor: number;
  partitions: number;
  /** Merged topics, with what they take of all topics that are there. */
  flows: readonly { into: string; takes: (topic: string) => boolean }[];
}

/** What is found out about the cluster, in sentences for a person. */
export interface ClusterCheck {
  summary: string;
  /** It will work, and somebody should know. */
  warnings: string[];
  /** It will not work. */
  problems: string[];
}

/** Asks the cluster whether it fits the settings; changes nothing. */
export async function checkCluster(
  { admin }: Pick<Kafka, 'admin'>,
  options: ClusterCheckOptions,
): Promise<ClusterCheck> {
  const at = options.brokers.join(', ');
  try {
    const { clusterId, brokers } = await admin.cluster();
    const topics = new Map((await admin.topics()).map((info) => [info.topic, info]));
    const check = new Check(admin, topics, options);
    check.replicas(brokers.length);
    await check.own();
    for (const flow of options.flows) await check.flow(flow);
    const many = inWords(brokers.length);
    return { summary: `Kafka at ${at} answers: cluster ${clusterId}, ${many}`, ...check.found };
  } catch (error) {
    const { name, code, message } = error as KafkaError;
    if (name !== 'KafkaError') throw error;
    const advice =
      code === 'denied'
        ? 'see landing.sasl and landing.tls, and what this user may do (DESCRIBE on cluster and topics)'
        : 'start it, or correct landing.brokers';
    const problems = [`${message}; ${advice}`];
    return { summary: `Kafka at ${at} was asked and did not answer`, warnings: [], problems };
  }
}

class Check {
  readonly found: Pick<ClusterCheck, 'warnings' | 'problems'> = { warnings: [], problems: [] };
  readonly #admin: KafkaAdmin;
  readonly #topics: ReadonlyMap<string, TopicInfo>;
  readonly #options: ClusterCheckOptions;

  constructor(
    admin: KafkaAdmin,
    topics: ReadonlyMap<string, TopicInfo>,
    options: ClusterCheckOptions,
  ) {
    this.#admin = admin;
    this.#topics = topics;
    this.#options = options;
  }

  replicas(brokers: number): void {
    const { replicationFactor: factor } = this.#options;
    if (factor > brokers) {
      this.found.problems.push(
        `landing.replication_factor = ${factor}: the cluster has ${inWords(brokers)}, and topics ` +
          'cannot be made; lower it, or add brokers',
      );
    }
    if (factor === 1 && brokers > 1) {
      this.found.warnings.push(
        'landing.replication_factor = 1: what is on a broker is gone with it; 3 is usual, and -1 ' +
          "takes the brokers' default",
      );
    }
  }

  async own(): Promise<void> {
    const { shards } = this.#options;
    const made = this.#topics.get(ownTopics.checkpoints)?.partitions.length ?? shards;
    if (made !== shards) {
      this.found.warnings.push(
        `landing.shards = ${shards}: ${ownTopics.checkpoints} was made with ${made}, which stays`,
      );
    }
    await this.#settings(ownTopics.registry, compactedConfigs);
    await this.#settings(ownTopics.checkpoints, stateConfigs);
    await this.#settings(ownTopics.fleet, stateConfigs);
    await this.#settings(ownTopics.losses, ledgerConfigs);
    await this.#settings(ownTopics.index, dataConfigs(this.#options));
  }

  async flow({ into, takes }: ClusterCheckOptions['flows'][number]): Promise<void> {
    const parts = [...this.#topics.values()].filter(({ topic }) => topic !== into && takes(topic));
    const partitionsOf = ({ partitions }: TopicInfo) => partitions.length;
    const most = Math.max(this.#options.partitions, ...parts.map(partitionsOf));
    for (const topic of [into, ...parts.map(({ topic }) => topic)]) {
      await this.#settings(topic, dataConfigs(this.#options));
    }
    const merged = this.#topics.get(into);
    if (merged && partitionsOf(merged) < most) {
      this.found.warnings.push(
        `topic "${into}" has ${partitionsOf(merged)} partitions and will need ${most}: central ` +
          'grows what it made itself, and keys go to other partitions from then on (their order ' +
          'holds before and after); one that was there before is for you to grow',
      );
    }
  }

  async #settings(topic: string, wanted: { readonly [name: string]: string }): Promise<void> {
    if (!this.#topics.has(topic)) return;
    const troubles = unfit(await this.#admin.configs(topic), wanted);
    this.found.warnings.push(...troubles.map((trouble) => `topic "${topic}": ${trouble}`));
  }
}

const inWords = (brokers: number): string => (brokers === 1 ? '1 broker' : `${brokers} brokers`);
