import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFailed, onTestFinished } from 'vitest';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { isoTime } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { startKafka, type TestKafka } from '../kafka/kafka.ts';
import { type Steady, startSteady } from '../kafka/steady.ts';
import { memoryFolder } from '../memory-folder.ts';
import { Random } from '../sim/random.ts';
import { agentOf } from './api.ts';
import { freePort } from './free-port.ts';
import { assertEachOnce, type Told } from './kafka-records.ts';
import { LightEdge } from './light-edge.ts';
import { House, httpOf, type Program } from './programs.ts';
import { HttpPublisher } from './publishers.ts';

export const flowTopic = 'sensor-data';
const partitions = 3;
/** Enough that every broker leads and coordinates some. */
const steadyProducers = 8;

export interface FleetSettings {
  lightEdges: number;
  realEdges: number;
  seed: number;
  /** Apache's own producers beside ours: what the cluster lets everybody wait is not held against us. */
  besideApache?: boolean;
  /** More lines of each collector's settings, at the end. */
  more?: string;
}

/** Three brokers, three collectors in processes of their own, and edges that know all three. */
export class KafkaFleet {
  readonly kafka: TestKafka;
  readonly house = new House();
  readonly random: Random;
  readonly collectors: Program[] = [];
  readonly light: LightEdge[] = [];
  readonly real: Program[] = [];
  readonly #publishers: HttpPublisher[] = [];
  #steady: Steady | undefined;
  /** Messages of each key that some edge has accepted, numbered from 0. */
  readonly #published = new Map<string, Told>();

  static async open(settings: FleetSettings): Promise<KafkaFleet> {
    console.log(`seed ${settings.seed}; again with TRIBUTARY_SEED=${settings.seed}`);
    const kafka = await startKafka({ brokers: 3, properties: { 'min.insync.replicas': '2' } });
    onTestFinished(() => kafka.close());
    const fleet = new KafkaFleet(kafka, new Random(settings.seed));
    await fleet.#open(settings);
    return fleet;
  }

  private constructor(kafka: TestKafka, random: Random) {
    this.kafka = kafka;
    this.random = random;
    onTestFailed(() => console.log(this.light.map(({ status }) => status).join('\n')));
  }

  async #open({ lightEdges, realEdges, besideApache, more }: FleetSettings): Promise<void> {
    for (const name of ['collector-1', 'collector-2', 'collector-3']) {
      const listen = { link: await freePort(), status: await freePort() };
      const landingMore = 'replication_factor = 3';
      const kafka = this.kafka.bootstrap;
      const collector = this.house.central({ kafka, listen, landingMore, more }, name);
      // It waits for its share of the sites, and that for what is just then killed.
      collector.startTimeoutMs = 120_000;
      this.collectors.push(collector);
    }
    await Promise.all(this.collectors.map((collector) => collector.start()));
    const urls = this.collectors.map(({ ready }) => ready.link!);
    const folder = memoryFolder('light-');
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (let i = 0; i < lightEdges; i++) {
      const edge = await LightEdge.open({ alias: `light-${i}`, urls, folder, partitions });
      onTestFinished(() => edge.close());
      this.light.push(edge);
    }
    if (besideApache) this.#steady = await this.#startSteady();
    const topic = `[[topic]]\nname = "${flowTopic}"\npartitions = ${partitions}`;
    for (let i = 0; i < realEdges; i++) {
      const edge = this.house.edge({ alias: `real-${i}`, central: urls, more: topic });
      await edge.start();
      this.real.push(edge);
    }
  }

  async #startSteady(): Promise<Steady> {
    const { bootstrap } = this.kafka;
    const kafka = openKafka(
      { brokers: bootstrap.split(','), clientId: 'test' },
      { log: silentLog },
    );
    const topic = { topic: 'steady', partitions: steadyProducers, replicationFactor: 3 };
    await kafka.admin.createTopic({ ...topic, configs: {} }).finally(() => kafka.close());
    const steady = await startSteady(bootstrap, topic.topic, topic.partitions);
    onTestFinished(() => steady.close());
    return steady;
  }

  /** Publishes at every edge until `ended` says so, some hundred messages a second in all. */
  async load(ended: AbortSignal): Promise<void> {
    const failed = new AbortController();
    onTestFinished(() => failed.abort());
    const signal = AbortSignal.any([ended, failed.signal]);
    const publishers = this.real.map((edge) => {
      const random = new Random(this.random.next() * 1e9);
      return new HttpPublisher(() => httpOf(edge), `${edge.name}/http`, random);
    });
    this.#publishers.push(...publishers);
    await Promise.all([
      ...publishers.map((publisher) => publisher.run(signal)),
      ...this.light.map((edge) => this.#publish(edge, signal)),
    ]);
  }

  async #publish(edge: LightEdge, signal: AbortSignal): Promise<void> {
    const random = new Random(this.random.next() * 1e9);
    while (!signal.aborted) {
      const key = `${edge.alias}/k${random.between(0, 6)}`;
      const told = this.#published.get(key) ?? { alias: edge.alias, count: 0 };
      this.#published.set(key, told);
      const first = told.count;
      const length = random.between(1, 20);
      const values = Array.from({ length }, (_, i) => `${key}:${first + i}`);
      await edge.publish(flowTopic, key, values);
      told.count += length;
      await sleep(random.between(50, 350));
    }
  }

  /** What every key was published with, by whom. */
  get published(): Map<string, Told> {
    const all = new Map(this.#published);
    for (const { name, messages } of this.#publishers) {
      const alias = name.split('/')[0]!;
      all.set(name, { alias, count: (all.get(name)?.count ?? 0) + messages.length });
    }
    return all;
  }

  /** Waits until no edge has anything left. */
  async drained(timeout = 120_000): Promise<void> {
    await expect
      .poll(() => this.#backlogs(), { timeout, interval: 500 })
      .toEqual([...this.light, ...this.real].map(() => 0));
  }

  #backlogs(): Promise<number[]> {
    const light = this.light.map((edge) => edge.backlog());
    const real = this.real.map(async (edge) => (await agentOf(edge)).counts.backlog);
    return Promise.all([...light, ...real]);
  }

  /** Waits until every partition has all its replicas. */
  async inSync(): Promise<void> {
    const settings = { brokers: this.kafka.bootstrap.split(','), clientId: 'test' };
    const kafka = openKafka(settings, { log: silentLog });
    try {
      await expect
        .poll(
          async () => {
            const topics = await kafka.admin.topics();
            const partitions = topics.flatMap((topic) => topic.partitions);
            return partitions.filter(({ isr, replicas }) => isr.length < replicas.length).length;
          },
          { timeout: 60_000, interval: 200 },
        )
        .toBe(0);
    } finally {
      await kafka.close();
    }
  }

  /** By an outside reader: each record once in its remote and once in the merged topic, in order. */
  async assertExact(): Promise<void> {
    const { published } = this;
    const { bootstrap } = this.kafka;
    const merged = await assertEachOnce(bootstrap, flowTopic, published);
    console.log(`${merged} records of ${published.size} keys`);
    for (const { alias } of this.#sites()) {
      const own = new Map([...published].filter(([, told]) => told.alias === alias));
      await assertEachOnce(bootstrap, `${alias}.${flowTopic}`, own);
    }
  }

  #sites(): { alias: string }[] {
    return [...this.light, ...this.real.map(({ name }) => ({ alias: name }))];
  }

  /**
   * The edge that waited longest for its next acknowledgement since then, what it was told, and how
   * long the cluster let Apache's own producers wait meanwhile.
   */
  longestWait(sinceMs: number): Wait {
    const waits = this.light.map(({ alias, served }) => {
      return {
        alias,
        ms: Math.round(served.longestGap(sinceMs)),
        history: served.history(sinceMs),
      };
    });
    const worst = waits.reduce((one, wait) => (wait.ms > one.ms ? wait : one));
    const warnings = this.collectors.map(({ name, log }) => `${name}:\n${warningsOf(log)}`);
    const kafkaMs = this.#steady && Math.round(this.#steady.longestGap(sinceMs));
    return { ...worst, kafkaMs, history: [worst.history, ...warnings].join('\n') };
  }
}

const shownWarnings = 15;

/** The last ones, short. */
function warningsOf(log: string): string {
  const lines = log.split('\n').filter((line) => /^\{"level":[456]0.*\}$/.test(line));
  return lines
    .slice(-shownWarnings)
    .map((line) => {
      const { time, msg, shard, err } = JSON.parse(line);
      return [`  ${isoTime(time)} ${msg}`, shard, err?.message].filter((one) => one).join(' · ');
    })
    .join('\n');
}

export interface Wait {
  alias: string;
  ms: number;
  history: string;
  kafkaMs: number | undefined;
}

/** What a cluster that stands still may be held to account for. */
const kafkaMsMax = 40_000;

/** Fails unless every wait was shorter than that and Kafka's own together, and then shows them all. */
export function assertShort(waits: ReadonlyMap<string, Wait>, mostMs: number): void {
  const lines = [...waits].map(([when, { alias, ms, kafkaMs }]) => {
    const beside = kafkaMs === undefined ? '' : `, Apache's own producers ${kafkaMs} ms`;
    return `${when}: ${alias} waited ${ms} ms${beside}`;
  });
  console.log(lines.join('\n'));
  const long = [...waits].filter(
    ([, { ms, kafkaMs = 0 }]) => ms >= mostMs + Math.min(kafkaMs, kafkaMsMax),
  );
  expect(long.map(([when, { history }]) => `${when}\n${history}`)).toEqual([]);
}
