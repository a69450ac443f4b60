import type { Clock } from '#shared/std/clock.ts';
import { encodeGroupCheckpoint, type GroupCheckpoint } from '#shared/wire/mm2-checkpoint.ts';
import { encodeMm2OffsetSync } from '#shared/wire/mm2-offset-sync.ts';
import { checkpointsTopic, offsetSyncsTopic } from '#shared/wire/mm2-topics.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import type { IndexEntry } from '../landing/landing.ts';
import { GroupCheckpoints } from './group-checkpoints.ts';
import type { Due, GroupView, MirrorHost } from './mirror.ts';
import { OffsetSyncs } from './offset-syncs.ts';
import type { ShardIndex } from './shard-index.ts';
import { type GroupPosition, SiteGroups } from './site-groups.ts';
import { type Translation, translate } from './translate.ts';

/** Of one kind in one transaction; the rest goes in the next. */
const recordsMax = 2_000;

export interface SiteMirrorParts {
  alias: string;
  landing: Pick<MirrorHost, 'facts' | 'through'>;
  index: ShardIndex;
  clock: Clock;
  offsetSyncIntervalMs: number;
  /** What `<alias>.checkpoints.internal` holds, the newest of each key. */
  readCheckpoints: () => Promise<GroupCheckpoint[]>;
}

/** One site's groups: told, translated, and written where MirrorMaker 2's readers look. */
export class SiteMirror {
  readonly #parts: SiteMirrorParts;
  readonly #groups = new SiteGroups();
  readonly #checkpoints = new GroupCheckpoints();
  readonly #syncs: OffsetSyncs;
  readonly #translated = new Map<string, Translation>();
  /** What each partition landed in last. */
  readonly #topicsOf = new Map<string, string>();
  /** To be translated. */
  readonly #dirty = new Map<string, GroupPosition>();
  /** To be translated again when more has landed. */
  readonly #open = new Map<string, GroupPosition>();

  constructor(parts: SiteMirrorParts) {
    this.#parts = parts;
    this.#syncs = new OffsetSyncs(parts.offsetSyncIntervalMs);
  }

  /** The facts have changed, or may have. */
  follow(): void {
    const { alias, landing } = this.#parts;
    const { changed, gone, readOn } = this.#groups.follow(landing.facts(alias) ?? new Map());
    for (const position of gone) {
      const key = keyOf(position);
      for (const map of [this.#dirty, this.#open, this.#translated]) map.delete(key);
    }
    for (const position of changed) this.#dirty.set(keyOf(position), position);
    // With how far the site has read, what was open may be settled.
    if (readOn) this.#reopen();
  }

  landed(entry: IndexEntry): void {
    const { topic, partition, remote, merged } = entry;
    this.#syncs.landed(topic, partition, entry);
    const place = `${topic}/${partition}`;
    const topics = JSON.stringify([remote, ...merged].map((one) => one.topic));
    if (this.#topicsOf.get(place) !== topics) {
      this.#topicsOf.set(place, topics);
      // With another naming or flow there is a place more, of positions that were settled, too.
      for (const position of this.#groups.all()) {
        if (position.topic !== topic || position.partition !== partition) continue;
        this.#dirty.set(keyOf(position), position);
      }
    }
    this.#reopen(topic, partition);
  }

  /** What is written already; nothing is due before. Rejects with a KafkaError. */
  async load(): Promise<void> {
    if (!this.#checkpoints.loaded) this.#checkpoints.load(await this.#parts.readCheckpoints());
  }

  /**
   * Translates what is new or may be settled now. What it rests on was read to the end first, by
   * whoever calls. Rejects with a KafkaError; what is not translated yet stays for the next call.
   */
  async translateAll(settled: ReadonlyMap<string, number>): Promise<void> {
    for (const [key, position] of [...this.#dirty]) {
      if (this.#dirty.get(key) !== position) continue;
      await this.#translate(key, position, settled.get(placeOf(position)));
      // Unless it was told anew meanwhile.
      if (this.#dirty.get(key) === position) this.#dirty.delete(key);
    }
  }

  /**
   * Source offsets before which all has arrived, by place: asked before the index is read, which
   * then has all of it.
   */
  settled(): Map<string, number> {
    const settled = new Map<string, number>();
    for (const position of [...this.#dirty.values(), ...this.#open.values()]) {
      const next = this.#settledAt(position);
      if (next !== undefined) settled.set(placeOf(position), next);
    }
    // What arrived last may be a loss, which is in no index.
    for (const [key, position] of this.#open) {
      if ((settled.get(placeOf(position)) ?? -1) >= position.offset) this.#dirty.set(key, position);
    }
    return settled;
  }

  #settledAt({ topic, partition, incarnation }: GroupPosition): number | undefined {
    const { alias, landing } = this.#parts;
    const read = this.#groups.readTo(topic, partition);
    if (!read || read.incarnation !== incarnation) return undefined;
    const through = landing.through(alias, { epoch: read.epoch, topic, partition });
    return through >= read.sequence - 1 ? read.next : undefined;
  }

  /** MirrorMaker 2's records of this site that are to be written. */
  due(): Due | undefined {
    const { alias, clock } = this.#parts;
    const at = clock.monotonic();
    const checkpoints = this.#checkpoints.due().slice(0, recordsMax);
    const syncs = this.#syncs.due(at).slice(0, recordsMax);
    if (checkpoints.length + syncs.length === 0) return undefined;
    const record = (pair: { key: Buffer; value: Buffer }): WireRecord => ({
      ...pair,
      headers: [],
      timestamp: Math.round(clock.now()),
    });
    const topics = [
      {
        topic: checkpointsTopic(alias),
        records: checkpoints.map((checkpoint) => record(encodeGroupCheckpoint(checkpoint))),
      },
      {
        topic: offsetSyncsTopic(alias),
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
        ...{ alias: this.#parts.alias, group, state, topic, partition, metadata, reportedAt },
        sourceOffset: offset,
        remote: translation?.remote ?? null,
        earlier: translation?.earlier ?? [],
        merged: translation?.merged ?? [],
      };
    }
  }

  #reopen(topic?: string, partition?: number): void {
    for (const [key, position] of this.#open) {
      if (topic !== undefined && position.topic !== topic) continue;
      if (partition !== undefined && position.partition !== partition) continue;
      if (!this.#dirty.has(key)) this.#dirty.set(key, position);
    }
  }

  async #translate(
    key: string,
    position: GroupPosition,
    settled: number | undefined,
  ): Promise<void> {
    const { alias, index } = this.#parts;
    const { group, topic, partition, offset, metadata } = position;
    const known = await index.around({ alias, topic, partition }, position);
    const translation = known && translate({ ...known, settled }, position);
    if (isOpen(translation)) this.#open.set(key, position);
    else this.#open.delete(key);
    if (!translation) return;
    this.#translated.set(key, translation);
    for (const place of [translation.remote, ...translation.earlier]) {
      if (place.exactness === 'before') continue;
      this.#checkpoints.offer({
        ...{ group, partition, metadata },
        topic: place.topic,
        upstreamOffset: offset,
        offset: place.offset,
      });
    }
  }
}

const keyOf = ({ group, topic, partition }: GroupPosition): string =>
  JSON.stringify([group, topic, partition]);

/** A life of a partition: how far it was read says nothing of another. */
const placeOf = ({ topic, partition, incarnation }: GroupPosition): string =>
  `${topic}/${partition}/${incarnation}`;

/** What lands next may make it exact. */
const isOpen = (translation: Translation | undefined): boolean =>
  !translation ||
  [translation.remote, ...translation.merged].some(({ exactness }) => exactness === 'ahead');
