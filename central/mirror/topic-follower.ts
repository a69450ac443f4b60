import type { AclBinding, KafkaError } from '#shared/kafka/kafka.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { Signal } from '#shared/std/signal.ts';
import { landedTopic } from '#shared/wire/mm2-topics.ts';
import type { MirrorHost, TopicValues } from './mirror.ts';
import { runRounds } from './rounds.ts';
import { followsOne, type ToldTopic, tellerOf, toldTopics } from './site-topics.ts';
import { aclsToCreate, configsToSet, type FollowOptions, settingsWanted } from './topic-follow.ts';

export interface TopicFollowerParts {
  landing: Pick<
    MirrorHost,
    'kafka' | 'aliases' | 'facts' | 'term' | 'topic' | 'topicSettings' | 'ofOneSite'
  >;
  clock: Clock;
  log: Logger;
  configs: boolean;
  acls: boolean;
  options: FollowOptions;
  intervalMs: number;
  /** How often to look at a topic of which nothing new is told. */
  checkMs: number;
}

/** The rest of a large fleet waits for the next round; what is new goes first. */
const topicsPerRound = 200;

/** No right, a setting that this cluster does not know, a policy: the same again helps nobody. */
const refusals: ReadonlySet<string> = new Set(['denied', 'invalid', 'refused', 'missing']);

interface Followed extends ToldTopic {
  /** As central names it. */
  topic: string;
  /** All that was told of it. */
  told: string;
  /** When it is looked at, on the monotonic clock. */
  dueAt: number;
}

interface Site {
  term: number;
  topics: Map<string, Followed>;
}

/**
 * Topics at central follow those of the sites that are ours: soon after a site tells of a change,
 * and again and again, since somebody may have changed central's. Only topics that were made here
 * for one site alone and are still the same: what was there before us, what is merged and what
 * several sites land in is never touched.
 */
export class TopicFollower {
  readonly #parts: TopicFollowerParts;
  readonly #sites = new Map<string, Site>();
  readonly #changed = new Set<string>();
  readonly #refused = new Map<string, string>();
  readonly #soon = new Signal();
  readonly #stopped = new AbortController();
  readonly #done: Promise<void>;

  constructor(parts: TopicFollowerParts) {
    this.#parts = parts;
    const { clock, log, intervalMs, landing, configs } = parts;
    if (configs) landing.topicSettings.measureBy((topic) => this.#measure(topic));
    const { signal } = this.#stopped;
    this.#done = runRounds(
      { clock, log, intervalMs, soon: this.#soon, signal, failing: 'topics do not follow yet' },
      () => this.#round(),
    );
  }

  async close(): Promise<void> {
    this.#stopped.abort();
    await this.#done;
  }

  /** The site has told of its topics anew. */
  changed(alias: string): void {
    this.#changed.add(alias);
    this.#soon.notify();
  }

  /** Why a topic does not follow; undefined: nothing was refused. */
  refusalOf(topic: string): string | undefined {
    return this.#refused.get(topic);
  }

  /** What such a topic's settings have to be; on every collector, whoever follows. */
  #measure(topic: string): TopicValues | undefined {
    const { landing, options } = this.#parts;
    if ((landing.topic(topic)?.made.size ?? 0) === 0) return undefined;
    const site = tellerOf(landing, topic);
    return site && settingsWanted(site.configs, options);
  }

  async #round(): Promise<void> {
    const { landing, clock, acls, checkMs } = this.#parts;
    this.#read();
    const due = this.#due();
    if (due.length === 0) return;
    const { admin } = landing.kafka;
    const infos = await admin.topics(due.map(({ topic }) => topic));
    const ours = new Set(
      infos.filter((info) => followsOne(landing, info)).map(({ topic }) => topic),
    );
    const asked = acls && due.some((one) => one.acls.length > 0);
    const bindings = asked ? await this.#tried(() => admin.acls()) : { done: [] };
    for (const one of due) {
      if (this.#stopped.signal.aborted) return;
      const { told, topic } = one;
      if (ours.has(topic)) this.#tell(topic, await this.#follow(one, bindings));
      // Unless it was told anew meanwhile.
      if (one.told === told) one.dueAt = clock.monotonic() + checkMs;
    }
  }

  /** What sites have told, of those that are ours. */
  #read(): void {
    const { landing } = this.#parts;
    const ours = new Set<string>();
    for (const alias of landing.aliases()) {
      const term = landing.term(alias);
      if (term === undefined) continue;
      ours.add(alias);
      const known = this.#sites.get(alias);
      const again = this.#changed.delete(alias);
      if (known?.term === term && !again) continue;
      const before = known?.term === term ? known.topics : undefined;
      this.#sites.set(alias, { term, topics: this.#topicsOf(alias, before) });
    }
    for (const alias of this.#sites.keys()) if (!ours.has(alias)) this.#sites.delete(alias);
    this.#changed.clear();
  }

  #topicsOf(alias: string, before: ReadonlyMap<string, Followed> = new Map()) {
    const topics = new Map<string, Followed>();
    const { naming } = this.#parts.landing.topicSettings;
    const facts = this.#parts.landing.facts(alias) ?? new Map<string, string>();
    for (const [name, one] of toldTopics(facts)) {
      const told = JSON.stringify(one);
      const known = before.get(name);
      const dueAt = known?.told === told ? known.dueAt : Number.NEGATIVE_INFINITY;
      topics.set(name, { ...one, topic: landedTopic(alias, name, naming), told, dueAt });
    }
    return topics;
  }

  /** Those that were made here; what has yet to land waits. */
  #due(): Followed[] {
    const { landing, clock } = this.#parts;
    const now = clock.monotonic();
    const due: Followed[] = [];
    for (const { topics } of this.#sites.values()) {
      for (const one of topics.values()) {
        if (one.dueAt > now) continue;
        const { kind, made } = landing.topic(one.topic) ?? {};
        if (kind === 'remote' && made!.size > 0) due.push(one);
      }
    }
    return due.sort((a, b) => a.dueAt - b.dueAt).slice(0, topicsPerRound);
  }

  /** Why it does not follow, in all that was refused. */
  async #follow(one: Followed, bindings: Tried<AclBinding[]>): Promise<string[]> {
    const refused = this.#parts.configs ? await this.#setConfigs(one) : [];
    if (!this.#parts.acls || one.acls.length === 0) return refused;
    if (bindings.error) return [...refused, bindings.error.message];
    const { admin } = this.#parts.landing.kafka;
    const missing = aclsToCreate(one.acls, bindings.done, () => one.topic);
    if (missing.length === 0) return refused;
    const { error } = await this.#tried(() => admin.createAcls(missing));
    if (error) return [...refused, error.message];
    this.#parts.log.info({ topic: one.topic, bindings: missing }, "a topic's bindings followed");
    return refused;
  }

  async #setConfigs({ topic, site }: Followed): Promise<string[]> {
    const { landing, options, log } = this.#parts;
    const { admin } = landing.kafka;
    const has = await this.#tried(() => admin.configs(topic));
    if (has.error) return [has.error.message];
    const changes = configsToSet(site.configs, has.done, options);
    if (Object.keys(changes).length === 0) return [];
    const { error } = await this.#tried(() => admin.alterConfigs(topic, changes));
    // One that this cluster does not take keeps no other from following.
    const refused = error ? await this.#oneByOne(topic, changes, error) : [];
    if (refused.length < Object.keys(changes).length) {
      log.info({ topic, changes, refused }, "a topic's settings followed");
      await landing.topicSettings.changed(topic);
    }
    return refused;
  }

  async #oneByOne(
    topic: string,
    changes: { readonly [name: string]: string | null },
    all: KafkaError,
  ): Promise<string[]> {
    const { admin } = this.#parts.landing.kafka;
    const entries = Object.entries(changes);
    if (all.code === 'denied' || entries.length === 1) return entries.map(() => all.message);
    const refused: string[] = [];
    for (const [name, value] of entries) {
      const { error } = await this.#tried(() => admin.alterConfigs(topic, { [name]: value }));
      if (error) refused.push(`${name}: ${error.message}`);
    }
    return refused;
  }

  /** Once, until it is another reason or none. */
  #tell(topic: string, refused: readonly string[]): void {
    const why = [...new Set(refused)].join('; ');
    if (why === (this.#refused.get(topic) ?? '')) return;
    if (why === '') {
      this.#refused.delete(topic);
      return;
    }
    this.#refused.set(topic, why);
    this.#parts.log.warn({ topic, why }, 'a topic does not follow its site; it is tried again');
  }

  /** What Kafka refuses is answered; rejects where it does not answer. */
  async #tried<T>(task: () => Promise<T>): Promise<Tried<T>> {
    try {
      return { done: await task() };
    } catch (error) {
      if (!refusals.has((error as KafkaError).code)) throw error;
      return { error: error as KafkaError };
    }
  }
}

type Tried<T> = { done: T; error?: undefined } | { error: KafkaError };
