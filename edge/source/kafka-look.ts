import { randomBytes } from 'node:crypto';
import type { KafkaAdmin, TopicInfo } from '#shared/kafka/kafka.ts';
import { limits } from '#shared/wire/limits.ts';
import { topicFilter } from '#shared/wire/mm2-filter.ts';
import { topicProblem } from '#shared/wire/topic-name.ts';
import { beganKey, noTopicId, positionKey } from './kafka-position.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import type { KafkaTake } from './kafka-take.ts';
import { type KafkaPart, type KafkaTopic, newPart, verdictOn } from './kafka-topic.ts';
import type { SourceContext } from './source.ts';

export interface LookParts {
  settings: KafkaSettings;
  alias: string;
  admin: Pick<KafkaAdmin, 'topics' | 'offsets'>;
  context: SourceContext;
  take: KafkaTake;
  topics: Map<string, KafkaTopic>;
  /** Topics of the first look that have no position yet; undefined: it was never looked. */
  pending: readonly string[] | undefined;
  /** Reads a partition, or goes on reading it; `leader` as last seen. */
  read(part: KafkaPart, leader: number): void;
  /** Reads it no more. */
  leave(part: KafkaPart): void;
  /** Something that a person should hear of. */
  event(what: string): void;
}

/** Finds topics and partitions, and sees when a topic is another than it was. */
export class KafkaLook {
  readonly #parts: LookParts;
  readonly #wanted: (topic: string) => boolean;
  readonly #loops: (topic: string) => boolean;
  readonly #starts: Map<string, number>;
  /** Topics of the first look of all that have no position yet. */
  #pending: Set<string> | undefined;
  /** What the filter takes and is left out all the same, and why. */
  leftOut = new Map<string, string>();

  constructor(parts: LookParts) {
    const { topics, topicsExclude, cutLoopsOf, startOffsets } = parts.settings;
    this.#parts = parts;
    const lists = { include: topics, exclude: topicsExclude };
    this.#wanted = topicFilter({ ...lists, cutLoopsOf });
    this.#loops = topicFilter(lists);
    this.#starts = new Map(startOffsets.map((one) => [`${one.topic}/${one.partition}`, one.next]));
    this.#pending = parts.pending && new Set(parts.pending);
  }

  /** Rejects with a KafkaError when the cluster does not answer; what fails alone is held alone. */
  async look(): Promise<void> {
    const { admin, topics } = this.#parts;
    const infos = await admin.topics();
    const found = this.#choose(infos);
    const seen = new Set(found.map(({ topic }) => topic));
    const isFirst = this.#pending === undefined;
    this.#pending ??= new Set(seen);
    for (const topic of topics.values()) if (!seen.has(topic.topic)) this.#gone(topic);
    await Promise.all(found.map((info) => this.#see(info)));
    await this.#note(isFirst);
  }

  #choose(infos: readonly TopicInfo[]): TopicInfo[] {
    const { alias, settings } = this.#parts;
    this.leftOut = new Map();
    return infos.filter(({ topic, partitions }) => {
      if (!this.#wanted(topic)) {
        if (this.#loops(topic)) {
          this.leftOut.set(topic, `came from ${settings.cutLoopsOf.join(' or ')}`);
        }
        return false;
      }
      const problem = topicProblem(topic, alias.length + 1);
      if (problem) this.leftOut.set(topic, problem);
      return problem === undefined && partitions.length > 0;
    });
  }

  #gone(topic: KafkaTopic): void {
    if (topic.partitions > 0 && topic.held?.why !== 'gone') {
      topic.held = { why: 'gone', reason: 'is not there (any more)' };
    }
    for (const part of topic.parts.values()) this.#parts.leave(part);
  }

  async #see(info: TopicInfo): Promise<void> {
    const known = this.#parts.topics.get(info.topic);
    try {
      const verdict = verdictOn(known, info);
      if (verdict === 'stale') return;
      if (verdict === 'new') await this.#add(info);
      else if (verdict === 'another') await this.#another(known!, info);
      else await this.#same(known!, info);
    } catch (error) {
      const held = { why: 'failed', reason: (error as Error).message } as const;
      if (known) known.held ??= held;
      else this.leftOut.set(info.topic, held.reason);
    }
  }

  async #add(info: TopicInfo): Promise<void> {
    const { topic, id } = info;
    const incarnation = id === noTopicId ? randomBytes(16).toString('hex') : id;
    const known: KafkaTopic = {
      ...{ topic, topicId: id, incarnation, was: undefined, held: undefined },
      ...{ partitions: info.partitions.length, parts: new Map() },
    };
    await this.#grow(known, info);
    this.#parts.topics.set(topic, known);
    this.#read(known, info);
  }

  async #same(known: KafkaTopic, info: TopicInfo): Promise<void> {
    if (info.id !== noTopicId) known.topicId = info.id;
    known.partitions = Math.max(known.partitions, info.partitions.length);
    await this.#grow(known, info);
    if (known.held?.why !== 'halted') known.held = undefined;
    this.#read(known, info);
  }

  /** Partitions that are new to us get their first position, on disk before anything is read. */
  async #grow(known: KafkaTopic, info: TopicInfo): Promise<void> {
    const { context, take } = this.#parts;
    const fresh = info.partitions.filter(({ partition }) => !known.parts.has(partition));
    if (fresh.length === 0) return;
    const starts = await this.#startsOf(
      known,
      fresh.map(({ partition }) => ({ topic: info.topic, partition })),
    );
    const parts = fresh.map(({ partition }, i) =>
      newPart({ topic: info.topic, partition, next: starts[i]! }),
    );
    await context.deliver({
      ...{ topic: info.topic, records: [], partitions: known.partitions, whenFull: 'refuse' },
      positions: take.positions(known, parts),
    });
    for (const part of parts) known.parts.set(part.partition, part);
  }

  /** What another buffer of the site has carried is not read again, nor is a gap left behind it. */
  async #startsOf(
    { topic, incarnation }: KafkaTopic,
    of: { topic: string; partition: number }[],
  ): Promise<number[]> {
    const { admin, settings, context } = this.#parts;
    const isFirst = settings.start === 'latest' && this.#pending!.has(topic);
    const landed = await context.landed?.(topic, incarnation);
    const isolation = settings.isolation === 'read_committed' ? 'committed' : 'uncommitted';
    const offsets = await admin.offsets(of, isFirst ? 'latest' : 'earliest', isolation);
    return of.map(
      ({ partition }, i) =>
        this.#starts.get(`${topic}/${partition}`) ?? landed?.get(partition) ?? offsets[i]!,
    );
  }

  /** Where ids do not say so, the end of its log does: it is before our position. */
  async createdAnew(known: KafkaTopic): Promise<void> {
    const [info] = await this.#parts.admin.topics([known.topic]);
    if (info) await this.#another(known, info);
  }

  /** Deleted and created anew: a new incarnation from its beginning, or a stop. */
  async #another(known: KafkaTopic, info: TopicInfo): Promise<void> {
    const { settings, topics, event } = this.#parts;
    for (const part of known.parts.values()) this.#parts.leave(part);
    known.partitions = Math.max(known.partitions, info.partitions.length);
    const what = 'was deleted and created anew';
    if (settings.onRecreate === 'halt') {
      if (known.held?.why !== 'halted') event(`${info.topic} ${what}: halted`);
      const reason = `${what} (its id is ${info.id} now); on_recreate = "append" goes on with it`;
      known.held = { why: 'halted', reason };
      return;
    }
    const next = await this.#appendAnother(known, info);
    topics.set(info.topic, next);
    event(`${info.topic} ${what}: read from its beginning`);
    this.#read(next, info);
  }

  async #appendAnother(known: KafkaTopic, info: TopicInfo): Promise<KafkaTopic> {
    const { topic, id } = info;
    const { settings, context, take } = this.#parts;
    const parts = new Map(
      info.partitions.map(({ partition }) => [partition, newPart({ topic, partition, next: 0 })]),
    );
    const incarnation = id === noTopicId ? randomBytes(16).toString('hex') : id;
    const next: KafkaTopic = {
      ...{ topic, topicId: id, incarnation, was: known.topicId, parts, held: undefined },
      partitions: info.partitions.length,
    };
    const before = [...known.parts.values()];
    // Nothing of the old life is delivered from now on; what is under way is not lost.
    for (const part of before) part.over = true;
    await Promise.all(before.map(({ work }) => work));
    const gone = before.filter(({ partition }) => !parts.has(partition));
    const sourceLoss = unreadOf(before);
    await context.deliver({
      ...{ topic, records: [], partitions: next.partitions, whenFull: 'refuse' },
      ...(sourceLoss && { sourceLoss }),
      positions: {
        ...take.positions(next, parts.values()),
        delete: gone.map((part) => positionKey(settings.name, part)),
      },
    });
    return next;
  }

  /** Once a topic has its position it is no longer of the first look. */
  async #note(isFirst: boolean): Promise<void> {
    const { context, settings, topics } = this.#parts;
    const before = this.#pending!.size;
    for (const topic of this.#pending!) if (topics.has(topic)) this.#pending!.delete(topic);
    if (!isFirst && this.#pending!.size === before) return;
    const value = Buffer.from(JSON.stringify([...this.#pending!]));
    const set = new Map([[beganKey(settings.name), value]]);
    await context.deliver({ topic: settings.name, records: [], positions: { set } });
  }

  #read(topic: KafkaTopic, info: TopicInfo): void {
    if (topic.held) return;
    for (const { partition, leader } of info.partitions) {
      const part = topic.parts.get(partition);
      if (part) this.#parts.read(part, leader);
    }
  }
}

/** Records of a life that is over, as far as they were seen and not read any more. */
function unreadOf(parts: readonly KafkaPart[]) {
  const unread = parts.filter(({ end, next }) => end > next);
  if (unread.length === 0) return undefined;
  const records = unread.reduce((sum, { end, next }) => sum + end - next, 0);
  const each = unread.map(({ partition, next, end }) => `${partition}: ${next} to ${end - 1}`);
  const detail = `the topic was deleted with offsets unread (partition ${each.join(', ')})`;
  return { records, detail: detail.slice(0, limits.lossDetailLength), partition: 0 };
}
