import type { Kafka, KafkaAdmin, KafkaError, TopicInfo } from '#shared/kafka/kafka.ts';
import type { Asked } from '#shared/std/settings-command.ts';
import type { CopyFlows } from './kafka-copy-sources.ts';
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
  flows: readonly { into: string }[];
  copies: Pick<CopyFlows, 'externalTargets' | 'feedTargets'>;
}

/** A file that the settings name is not there: nobody was asked. */
export const unreadable = (brokers: readonly string[], { message }: Error): Asked => ({
  ...{ summary: `Kafka at ${brokers.join(', ')} was not asked`, warnings: [] },
  problems: [`landing.${message}`],
});

/**
 * Asks the cluster whether our own topics and those of flows can be had as the settings want them;
 * changes nothing. What sites' topics are like, a central that runs tells (`topics`, `audit`).
 */
export async function checkCluster(
  { admin }: Pick<Kafka, 'admin'>,
  options: ClusterCheckOptions,
): Promise<Asked> {
  const at = `Kafka at ${options.brokers.join(', ')}`;
  try {
    const { clusterId, brokers } = await admin.cluster();
    const check = new Check(admin, options);
    await check.all(brokers.length);
    const many = inWords(brokers.length);
    return { summary: `${at} answers: cluster ${clusterId}, ${many}`, ...check.found };
  } catch (error) {
    if ((error as Error).name !== 'KafkaError') throw error;
    return { summary: `${at} was asked and did not answer`, warnings: [], problems: [why(error)] };
  }
}

function why(error: unknown): string {
  const { code, message } = error as KafkaError;
  const isAway = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ETIMEDOUT/.test(message);
  const advice =
    code === 'unavailable' && isAway
      ? 'start it, or correct landing.brokers'
      : 'see landing.brokers, landing.tls and landing.sasl, and what this user may do there';
  return `${message}; ${advice}`;
}

class Check {
  readonly found: { warnings: string[]; problems: string[] } = { warnings: [], problems: [] };
  readonly #admin: KafkaAdmin;
  readonly #options: ClusterCheckOptions;
  readonly #topics = new Map<string, TopicInfo>();

  constructor(admin: KafkaAdmin, options: ClusterCheckOptions) {
    this.#admin = admin;
    this.#options = options;
  }

  async all(brokers: number): Promise<void> {
    for (const info of await this.#admin.topics()) this.#topics.set(info.topic, info);
    this.#replicas(brokers);
    this.#shards();
    const data = dataConfigs(this.#options);
    const wanted = new Map<string, { readonly [name: string]: string }>([
      [ownTopics.registry, compactedConfigs],
      [ownTopics.checkpoints, stateConfigs],
      [ownTopics.fleet, stateConfigs],
      [ownTopics.losses, ledgerConfigs],
      [ownTopics.index, data],
      ...this.#options.flows.map(({ into }) => [into, data] as const),
    ]);
    for (const [topic, configs] of wanted) await this.#settings(topic, configs);
    for (const { into } of this.#options.flows) this.#partitions(into);
  }

  #replicas(brokers: number): void {
    const { replicationFactor: factor } = this.#options;
    if (factor > brokers) {
      const all = Object.values(ownTopics).every((topic) => this.#topics.has(topic));
      const list = all ? this.found.warnings : this.found.problems;
      list.push(
        `landing.replication_factor = ${factor}: the cluster has ${inWords(brokers)} now, and no ` +
          'topic can be made; lower it, or add brokers',
      );
    }
    if (factor === 1 && brokers > 1) {
      this.found.warnings.push(
        'landing.replication_factor = 1: what is on a broker is gone with it; 3 is usual, and -1 ' +
          "takes the brokers' default",
      );
    }
  }

  #shards(): void {
    const { shards } = this.#options;
    const made = this.#partitionsOf(ownTopics.checkpoints) ?? shards;
    if (made !== shards) {
      this.found.warnings.push(
        `landing.shards = ${shards}: ${ownTopics.checkpoints} was made with ${made}, which stays`,
      );
    }
    for (const topic of [ownTopics.fleet, ownTopics.losses, ownTopics.index]) {
      const has = this.#partitionsOf(topic) ?? made;
      if (has >= made) continue;
      this.found.problems.push(
        `topic "${topic}" has ${has} partitions, and ${made} are needed: ` +
          `kafka-topics --alter --topic ${topic} --partitions ${made}`,
      );
    }
  }

  #partitions(into: string): void {
    const { copies, partitions } = this.#options;
    const feeds = [...this.#topics.values()].filter(({ topic, internal }) => {
      const external = copies.externalTargets(topic).map((flow) => flow.into);
      return !internal && [...copies.feedTargets(topic), ...external].includes(into);
    });
    const most = Math.max(partitions, ...feeds.map((feed) => feed.partitions.length));
    const has = this.#partitionsOf(into) ?? most;
    if (has >= most) return;
    this.found.warnings.push(
      `topic "${into}" has ${has} partitions and will need ${most}: central grows what it made ` +
        'itself, and keys go to other partitions from then on (their order holds before and ' +
        'after); one that was there before is for you to grow',
    );
  }

  /** Of one that is there. The list leaves out what this user may not see. */
  async #settings(topic: string, wanted: { readonly [name: string]: string }): Promise<void> {
    try {
      const [found] = this.#topics.has(topic) ? [true] : await this.#admin.topics([topic]);
      if (!found) return;
      const troubles = unfit(await this.#admin.configs(topic), wanted);
      this.found.warnings.push(...troubles.map((trouble) => `topic "${topic}": ${trouble}`));
    } catch (error) {
      if ((error as Error).name !== 'KafkaError') throw error;
      const { code, message } = error as KafkaError;
      // Gone since it was listed.
      if (code === 'missing') return;
      if (code !== 'denied') throw error;
      const needs = 'this user needs DESCRIBE and DESCRIBE_CONFIGS on it';
      this.found.problems.push(`topic "${topic}": ${message}; ${needs}`);
    }
  }

  #partitionsOf(topic: string): number | undefined {
    return this.#topics.get(topic)?.partitions.length;
  }
}

const inWords = (brokers: number): string => (brokers === 1 ? '1 broker' : `${brokers} brokers`);
