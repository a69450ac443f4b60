import type { KafkaAnswer, KafkaReport } from '#shared/wire/kafka-report.ts';
import type { StreamId } from '#shared/wire/link.ts';
import { encodeGroupCheckpoint } from '#shared/wire/mm2-checkpoint.ts';
import { encodeMm2OffsetSync } from '#shared/wire/mm2-offset-sync.ts';
import { checkpointsTopic, offsetSyncsTopic } from '#shared/wire/mm2-topics.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import { GroupCheckpoints } from './group-checkpoints.ts';
import type { Due, GroupView, MirrorOptions } from './mirror.ts';
import { OffsetSyncs } from './offset-syncs.ts';
import { type GroupPosition, SiteGroups } from './site-groups.ts';
import { type Translation, translate } from './translate.ts';

const offsetSyncIntervalMsDefault = 10_000;

/** One site's groups: told, translated, and written where MirrorMaker 2's readers look. */
export class SiteMirror {
  readonly #alias: string;
  readonly #options: MirrorOptions;
  readonly #groups = new SiteGroups();
  readonly #checkpoints = new GroupCheckpoints();
  readonly #syncs: OffsetSyncs;
  readonly #translated = new Map<string, Translation>();
  /** To be translated. */
  readonly #dirty = new Map<string, GroupPosition>();
  /** To be translated again when more has landed. */
  readonly #open = new Map<string, GroupPosition>();
  #running: Promise<void> | undefined;

  constructor(alias: string, options: MirrorOptions) {
    this.#alias = alias;
    this.#options = options;
    this.#syncs = new OffsetSyncs(options.offsetSyncIntervalMs ?? offsetSyncIntervalMsDefault);
  }

  report(report: KafkaReport): KafkaAnswer {
    const { next, changed } = this.#groups.apply(report, this.#options.clock.now());
    for (const position of changed) this.#dirty.set(keyOf(position), position);
    if (report.number === 0 || report.gone.length > 0) this.#forgetGone();
    // With how far the site has read, what was open may be settled.
    if (report.positions.length > 0) this.#reopen();
    this.#translateSoon();
    return { next };
  }

  landed({ topic, partition }: StreamId, segment: Parameters<OffsetSyncs['landed']>[2]): void {
    this.#syncs.landed(topic, partition, segment);
    this.#reopen(topic, partition);
    this.#translateSoon();
  }

  due(): Due | undefined {
    const { clock } = this.#options;
    const at = clock.monotonic();
    const checkpoints = this.#checkpoints.due();
    const syncs = this.#syncs.due(at);
    if (checkpoints.length + syncs.length === 0) return undefined;
    const record = (pair: { key: Buffer; value: Buffer }): WireRecord => ({
      ...pair,
      headers: [],
      timestamp: Math.round(clock.now()),
    });
    const topics = [
      {
        topic: checkpointsTopic(this.#alias),
        records: checkpoints.map((checkpoint) => record(encodeGroupCheckpoint(checkpoint))),
      },
      {
        topic: offsetSyncsTopic(this.#alias),
        records: syncs.map((sync) => record(encodeMm2OffsetSync(sync))),
      },
    ];
    return {
      topics: topics.filter(({ records }) => records.length > 0),
      written: () => {
        this.#checkpoints.settle(checkpoints);
        this.#syncs.settle(syncs, at);
      },
    };
  }

  *views(): Generator<GroupView> {
    for (const position of this.#groups.all()) {
      const { group, state, topic, partition, offset, metadata, reportedAt } = position;
      const translation = this.#translated.get(keyOf(position));
      yield {
        ...{ alias: this.#alias, group, state, topic, partition, metadata, reportedAt },
        sourceOffset: offset,
        remote: translation?.remote ?? null,
        merged: translation?.merged ?? [],
      };
    }
  }

  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  #reopen(topic?: string, partition?: number): void {
    for (const [key, position] of this.#open) {
      if (topic !== undefined && position.topic !== topic) continue;
      if (partition !== undefined && position.partition !== partition) continue;
      if (!this.#dirty.has(key)) this.#dirty.set(key, position);
    }
  }

  #forgetGone(): void {
    for (const map of [this.#dirty, this.#open]) {
      for (const [key, { group, topic, partition }] of map) {
        if (!this.#groups.get(group, topic, partition)) map.delete(key);
      }
    }
    const kept = new Set([...this.#groups.all()].map(keyOf));
    for (const key of this.#translated.keys()) if (!kept.has(key)) this.#translated.delete(key);
  }

  /** One translation after the other; a failure leaves the rest for the next report. */
  #translateSoon(): void {
    if (this.#running || (this.#dirty.size === 0 && this.#checkpoints.loaded)) return;
    this.#running = this.#translateAll()
      .catch((error: unknown) => {
        this.#options.log.warn({ err: error, alias: this.#alias }, 'groups are not translated yet');
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  async #translateAll(): Promise<void> {
    if (!this.#checkpoints.loaded) {
      this.#checkpoints.load(await this.#options.landing.checkpoints(this.#alias));
    }
    for (;;) {
      const [next] = this.#dirty;
      if (!next) return;
      const [key, position] = next;
      await this.#translate(key, position);
      // Unless it was told anew meanwhile.
      if (this.#dirty.get(key) === position) this.#dirty.delete(key);
    }
  }

  async #translate(key: string, position: GroupPosition): Promise<void> {
    const { topic, partition, incarnation } = position;
    const settled = this.#settled(position);
    const index = await this.#options.landing.index(this.#alias, topic, partition, position);
    const translation = index && translate({ ...index, settled }, { ...position, incarnation });
    if (isOpen(translation)) this.#open.set(key, position);
    else this.#open.delete(key);
    if (!translation) return;
    this.#translated.set(key, translation);
    if (translation.remote.exactness === 'before') return;
    const { group, offset, metadata } = position;
    this.#checkpoints.offer({
      ...{ group, partition, metadata },
      topic: translation.remote.topic,
      upstreamOffset: offset,
      offset: translation.remote.offset,
    });
  }

  /** Asked before the index is: what has landed by then is in it. */
  #settled({ topic, partition, incarnation }: GroupPosition): number | undefined {
    const read = this.#groups.readTo(topic, partition);
    if (!read || read.incarnation !== incarnation) return undefined;
    const stream = { epoch: read.epoch, topic, partition };
    const through = this.#options.landing.through(this.#alias, stream);
    return through >= read.sequence - 1 ? read.next : undefined;
  }
}

const keyOf = ({ group, topic, partition }: GroupPosition): string =>
  JSON.stringify([group, topic, partition]);

/** What lands next may make it exact. */
const isOpen = (translation: Translation | undefined): boolean =>
  !translation ||
  [translation.remote, ...translation.merged].some(({ exactness }) => exactness === 'ahead');
