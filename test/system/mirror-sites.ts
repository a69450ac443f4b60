import { execFile } from 'node:child_process';
import { expect } from 'vitest';
import type { Kafka } from '#shared/kafka/kafka.ts';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { type LogRecord, openRecords } from '#shared/kafka/open-records.ts';
import { silentLog } from '#shared/std/log.ts';
import { startKafka, type TestKafka } from '../kafka/kafka.ts';
import { agentOf, ask } from './api.ts';
import { House, type Program } from './programs.ts';

/** One of the two clusters, and a client of it for the test. */
export interface Cluster {
  readonly nodes: TestKafka;
  readonly bootstrap: string;
  readonly kafka: Kafka;
  close(): Promise<void>;
}

export async function openCluster(properties: { readonly [name: string]: string } = {}) {
  const nodes = await startKafka({ properties, heapMb: 384 });
  const { bootstrap } = nodes;
  const kafka = openKafka({ brokers: [bootstrap], clientId: 'test' }, { log: silentLog });
  const close = async () => {
    await kafka.close();
    await nodes.close();
  };
  return { nodes, bootstrap, kafka, close } satisfies Cluster;
}

export interface EdgeOptions {
  topics: readonly string[];
  /** More lines of the source. */
  source?: string;
  /** Where it reaches central; default: directly. */
  link?: string;
  /** More lines of [central]. */
  linkMore?: string;
  /** Brokers of its Kafka; default: those of the sites' cluster. */
  brokers?: string;
}

/**
 * A Kafka that stands for those of all sites, another for central's, and a collector: for all tests of
 * a file. Sites and topics are each test's own.
 */
export class MirrorSites {
  readonly site: Cluster;
  readonly central: Cluster;
  readonly collector: Program;
  readonly #house: House;

  static async open(more = ''): Promise<MirrorSites> {
    const [site, central] = await Promise.all([openCluster(siteProperties), openCluster()]);
    const house = new House('closed by hand');
    const landingMore = 'replication_factor = 1\nsync_group_offsets = true';
    const collector = house.central({ kafka: central.bootstrap, landingMore, more });
    await collector.start();
    return new MirrorSites({ site, central, house, collector });
  }

  private constructor(parts: {
    site: Cluster;
    central: Cluster;
    house: House;
    collector: Program;
  }) {
    this.site = parts.site;
    this.central = parts.central;
    this.collector = parts.collector;
    this.#house = parts.house;
  }

  async close(): Promise<void> {
    await this.#house.close();
    await Promise.all([this.site.close(), this.central.close()]);
  }

  /** An agent that replicates these topics, with the test's own house. Not started yet. */
  edge(house: House, alias: string, options: EdgeOptions): Program {
    const { topics, source = '', link = this.collector.ready.link!, linkMore = '' } = options;
    const brokers = options.brokers ?? this.site.bootstrap;
    const more = `[[source]]
type = "kafka"
brokers = ["${brokers}"]
topics = ${JSON.stringify(topics)}
refresh_interval = "300ms"
${source}`;
    return house.edge({ alias, central: link, linkMore, more });
  }

  /** Waits until so many records of a remote topic can be read, and answers them: no more, no less. */
  async landed(topic: string, count: number, timeout = 30_000): Promise<LogRecord[]> {
    const found = () => readTopic(this.central.kafka, topic);
    await expect
      .poll(async () => (await found()).length, { timeout, interval: 100 })
      .toBeGreaterThanOrEqual(count);
    const records = await found();
    expect(records, `${topic} holds more than it should`).toHaveLength(count);
    return records;
  }

  groups(alias: string): Promise<GroupAnswer[]> {
    const url = `${this.collector.ready.status}/api/v1/groups?alias=${alias}`;
    return ask<{ groups: GroupAnswer[] }>(url).then(({ groups }) => groups);
  }

  /** Waits until central tells these groups, or these and more, so. */
  async groupsAre(alias: string, told: readonly object[], timeout = 30_000): Promise<void> {
    await expect
      .poll(() => this.groups(alias), { timeout, interval: 200 })
      .toEqual(told.map((one) => expect.objectContaining(one)));
  }
}

/** Compaction within a second, and nothing refused for a clock that is wrong. */
const siteProperties = {
  'log.cleaner.backoff.ms': '200',
  'log.message.timestamp.after.max.ms': '9223372036854775807',
};

export interface GroupAnswer {
  group: string;
  topic: string;
  partition: number;
  sourceOffset: number;
  remote: { topic: string; offset: number; exact: boolean } | null;
  merged: { topic: string; offset: number; exact: boolean }[];
}

/**
 * What a committed reader gets of a topic, partition by partition; none while it is not there. `from`:
 * offsets to begin at, by partition; `only`: of this partition.
 */
export async function readTopic(
  kafka: Kafka,
  topic: string,
  from: ReadonlyMap<number, number> = new Map(),
  only?: number,
): Promise<LogRecord[]> {
  const [info] = await kafka.admin.topics([topic]);
  const records: LogRecord[] = [];
  for (const { partition } of info?.partitions ?? []) {
    if (only !== undefined && partition !== only) continue;
    const at = { topic, partition };
    const [end] = await kafka.admin.offsets([at], 'latest', 'committed');
    const [begin] = await kafka.admin.offsets([at], 'earliest', 'committed');
    for (let offset = from.get(partition) ?? begin!; offset < end!; ) {
      const options = { maxWaitMs: 1_000, isolation: 'committed' } as const;
      const [answer] = await kafka.reads.fetch([{ ...at, offset }], options);
      if (answer!.error) throw answer!.error;
      const opened = answer!.batches.flatMap(({ bytes }) => [...openRecords(bytes)]);
      records.push(...opened.filter((record) => record.offset >= offset && record.offset < end!));
      offset = answer!.nextOffset;
    }
  }
  return records;
}

export const valuesOf = (records: readonly LogRecord[]): (string | null)[] =>
  records.map(({ value }) => value?.toString() ?? null);

/** Values `<key>:<from>` up to before `<key>:<to>`, which `assertEachOnce` knows, in order. */
export const numbered = (key: string, from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `${key}:${from + i}`);

/** Plain records of one key and partition by librdkafka: no JVM for so little. */
export function produce(
  { bootstrap }: Cluster,
  topic: string,
  key: string,
  values: readonly string[],
  partition = 0,
): Promise<void> {
  const args = ['-P', '-b', bootstrap, '-t', topic, '-p', String(partition), '-k', key];
  return new Promise((resolve, reject) => {
    const kcat = execFile('kcat', args, (error) => (error ? reject(error) : resolve()));
    kcat.stdin!.end(values.map((value) => `${value}\n`).join(''));
  });
}

export const createTopic = (
  { kafka }: Cluster,
  topic: string,
  partitions = 1,
  configs: { readonly [name: string]: string } = {},
): Promise<void> => kafka.admin.createTopic({ topic, partitions, replicationFactor: 1, configs });

/** What the agent says of its Kafka. */
export async function kafkaStateOf(edge: Program): Promise<{ state: string; detail: string }> {
  const { sources } = await agentOf(edge);
  return sources.find(({ name }) => name === 'kafka')!;
}
