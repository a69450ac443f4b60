import { openKafkaLanding } from '#central/landing/kafka.ts';
import type { KafkaLanding } from '#central/landing/kafka-landing.ts';
import { soleOwner } from '#central/landing/kafka-owners.ts';
import type { Mirror, MirrorOptions } from '#central/mirror/mirror.ts';
import { openMirror } from '#central/mirror/open-mirror.ts';
import { readWhole } from '#central/mirror/read-whole.ts';
import type { Kafka } from '#shared/kafka/kafka.ts';
import type { LogRecord } from '#shared/kafka/open-records.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import type { SourceRun } from '#shared/wire/frame.ts';
import type { KafkaReport, ReportedGroup } from '#shared/wire/kafka-report.ts';
import { decodeGroupCheckpoint, type GroupCheckpoint } from '#shared/wire/mm2-checkpoint.ts';
import { mm2Defaults } from '#shared/wire/mm2-filter.ts';
import { decodeMm2OffsetSync, type Mm2OffsetSync } from '#shared/wire/mm2-offset-sync.ts';
import { landedTopic, type Naming } from '#shared/wire/mm2-topics.ts';
import { Site } from '../../contract/landing-site.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { kafkaOptions } from '../landing/kafka-options.ts';

const exclude = mm2Defaults.configPropertiesExclude;
const { longestOutageMs } = kafkaOptions;

export const life = '1'.padStart(32, '0');

/** A central on a Kafka with one site whose topic `t` has one partition, in a flow into `t`. */
export class MirrorWorld {
  readonly site: Site;
  landing!: KafkaLanding;
  mirror!: Mirror;
  kafka!: Kafka;
  readonly #open: () => Kafka;
  readonly #options: Partial<MirrorOptions>;
  /** Takes effect with a restart. */
  naming: Naming = 'default';
  /** Into `t`, where that is not where it lands anyway. */
  flow = true;
  #other: Site | undefined;
  #number = 0;
  #beats = 0;

  private constructor(site: Site, open: () => Kafka, options: Partial<MirrorOptions>) {
    this.site = site;
    this.#open = open;
    this.#options = options;
  }

  /** Over a cluster in memory unless another is given. */
  static async open(
    options: Partial<MirrorOptions> = {},
    {
      alias = 'a',
      open = inMemory(),
      naming = 'default',
    }: { alias?: string; open?: () => Kafka; naming?: Naming } = {},
  ): Promise<MirrorWorld> {
    const world = new MirrorWorld(new Site(alias), open, options);
    world.naming = naming;
    await world.start();
    await world.landing.commit([world.site.hello(1)]);
    return world;
  }

  async start(): Promise<void> {
    this.kafka = this.#open();
    this.landing = await openKafkaLanding(
      { ...kafkaOptions, naming: this.naming, shards: 2 },
      { kafka: this.kafka, clock: systemClock, log: silentLog, owners: soleOwner },
    );
    await this.landing.serve(null);
    this.mirror = openMirror({
      ...{ log: silentLog, clock: systemClock, landing: this.landing.mirror },
      ...{ syncGroupOffsets: false, intervalMs: 20, offsetSyncIntervalMs: 0 },
      topics: { configs: true, exclude, acls: false, longestOutageMs },
      ...this.#options,
    });
  }

  /** Central dies and comes back; what the site tells next is out of turn. */
  async restart(): Promise<void> {
    await this.close();
    await this.start();
  }

  async close(): Promise<void> {
    await this.mirror.close();
    await this.landing.abandon();
  }

  /** `count` records from source offset `source` on; a marker of their transaction stands behind. */
  async land(source: number, count: number, incarnation = life, topic = 't'): Promise<void> {
    const segment = this.site.segment(count, this.#lands(this.site.alias, topic));
    const runs: SourceRun[] = [
      { sequence: segment.first, sourceOffset: source, count, incarnation },
    ];
    await this.landing.commit([this.site.write(2, { segments: [{ ...segment, runs }] })]);
  }

  /** As many records of another site in the merged topic. */
  async landOther(count: number): Promise<void> {
    if (!this.#other) {
      this.#other = new Site('other');
      await this.landing.commit([this.#other.hello(1)]);
    }
    const other = this.#other;
    const segments = [other.segment(count, this.#lands('other', 't'))];
    await this.landing.commit([other.write(2, { segments })]);
  }

  /** As the intake would say; where the sites' topics are one there is no flow into it. */
  #lands(alias: string, topic: string) {
    const remoteTopic = landedTopic(alias, topic, this.naming);
    const flows = this.flow && this.naming === 'default';
    return { topic, remoteTopic, mergedTopics: flows ? [topic] : [] };
  }

  /** Answers the number that is expected next. */
  async report(groups: ReportedGroup[], more: Partial<KafkaReport> = {}): Promise<number> {
    const { alias, session } = this.site;
    const { facts, next, committed } = this.mirror.report(alias, {
      ...{ version: 1, alias, session, number: this.#number, groups, gone: [], positions: [] },
      ...{ topics: [], acls: null, complete: true },
      ...more,
    });
    if (facts.length > 0) await this.landing.commit([this.site.write(3, { facts })]);
    committed();
    this.#number = next;
    return next;
  }

  /** Group `g` at this source offset of t-0. */
  async at(offset: number, incarnation = life): Promise<void> {
    await this.report([group('g', offset, incarnation)]);
  }

  /** Where group `g` (or another) stands at central. */
  async placeOf(name = 'g') {
    const views = await this.mirror.groups(this.site.alias);
    const view = views.find((one) => one.group === name);
    const short = (place: { offset: number; exactness: string }) => [place.offset, place.exactness];
    return { remote: view?.remote && short(view.remote), merged: view?.merged.map(short) };
  }

  /** What stands in the checkpoints topic when all that is due was written: [upstream, offset]. */
  async written(name = 'g'): Promise<[number, number][]> {
    return (await this.checkpoints())
      .filter((one) => one.group === name)
      .map(({ upstreamOffset, offset }) => [upstreamOffset, offset]);
  }

  async checkpoints(): Promise<GroupCheckpoint[]> {
    await this.settle();
    return this.committedCheckpoints();
  }

  /** As they stand, whatever is due. */
  async committedCheckpoints(): Promise<GroupCheckpoint[]> {
    return (await this.valuesOf(`${this.site.alias}.checkpoints.internal`)).map(
      decodeGroupCheckpoint,
    );
  }

  async syncs(): Promise<Mm2OffsetSync[]> {
    await this.settle();
    const topic = `mm2-offset-syncs.${this.site.alias}.internal`;
    return (await this.valuesOf(topic)).map(decodeMm2OffsetSync);
  }

  /** All that is committed in a topic. */
  async valuesOf(topic: string): Promise<LogRecord[]> {
    const found: LogRecord[] = [];
    await readWhole(this.kafka, topic, (record) => found.push(record));
    return found;
  }

  /** All is translated, and the site's next transaction has come. */
  async settle(): Promise<void> {
    await this.mirror.groups();
    const heartbeat = this.site.heartbeat(++this.#beats);
    await this.landing.commit([this.site.write(4, { heartbeat: { receivedAt: 4, heartbeat } })]);
  }
}

function inMemory(): () => Kafka {
  const cluster = new MemoryCluster();
  return () => cluster.open();
}

export const group = (
  name: string,
  offset: number,
  incarnation = life,
  metadata = '',
): ReportedGroup => ({
  group: name,
  state: 'Stable',
  offsets: [{ topic: 't', partition: 0, offset, incarnation, metadata }],
});
