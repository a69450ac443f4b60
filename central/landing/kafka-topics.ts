import type { ConfigEntry, KafkaAdmin, KafkaError, TopicInfo } from '#shared/kafka/kafka.ts';
import type { Logger } from '#shared/std/log.ts';
import { isAsMade, olderConfigs, type TopicAges, topicAges, unfit } from './kafka-topic-configs.ts';
import { LandingError } from './landing.ts';

export interface TopicNeed {
  topic: string;
  /** At least so many. */
  partitions: number;
  /** Ours by its rows: it may be grown. */
  ours: boolean;
  configs: { readonly [name: string]: string };
}

interface Known {
  partitions: number;
  ages: TopicAges;
  configs: TopicNeed['configs'];
  /** Its id, where it was made here: by us, or by one of ours who did not come to say so. */
  made: string | undefined;
}

/** What a topic's settings are besides what it was made with; undefined: nothing. */
type Followed = (topic: string) => { readonly [name: string]: string } | undefined;

/**
 * Topics are made here and nowhere else, never silently by the broker. Remembers what it has seen,
 * so that a transaction that needs nothing new asks nobody.
 */
export class TopicKeeper {
  readonly #admin: KafkaAdmin;
  readonly #log: Logger;
  readonly #replicationFactor: number;
  readonly #known = new Map<string, Known>();
  readonly #making = new Map<string, Promise<void>>();
  /** Ours already, although no row says so yet: several shards land in one topic at once. */
  readonly #made = new Set<string>();
  /** Existing topics with settings that do not fit, and what follows: told, never changed. */
  readonly #troubles = new Map<string, string[]>();
  #followed: Followed = () => undefined;

  constructor(parts: { admin: KafkaAdmin; log: Logger; replicationFactor: number }) {
    this.#admin = parts.admin;
    this.#log = parts.log;
    this.#replicationFactor = parts.replicationFactor;
  }

  /**
   * What cannot be had, by topic; all others are there. Rejects with a LandingError `unavailable`
   * where Kafka does not answer.
   */
  async ensure(needs: Iterable<TopicNeed>): Promise<Map<string, LandingError>> {
    const refused = new Map<string, LandingError>();
    const wanting = [...needs].filter(
      ({ topic, partitions }) => (this.#known.get(topic)?.partitions ?? 0) < partitions,
    );
    await Promise.all(
      wanting.map(async (need) => {
        try {
          await this.#alone(need.topic, () => this.#have(need));
        } catch (error) {
          if (error instanceof LandingError && error.code === 'refused') {
            refused.set(need.topic, error);
          } else throw asUnavailable(error, need.topic);
        }
      }),
    );
    return refused;
  }

  /** How old a record may be to live on in this topic; for topics seen by `ensure`. */
  ages(topic: string): TopicAges | undefined {
    return this.#known.get(topic)?.ages;
  }

  /** The id of a topic that was made here; for topics seen by `ensure`. */
  made(topic: string): string | undefined {
    return this.#known.get(topic)?.made;
  }

  /** Topics whose settings follow a site's are measured by those. */
  measureBy(followed: Followed): void {
    this.#followed = followed;
  }

  /** Asks anew: something about it is not as it was (deleted, or changed by somebody). */
  forget(topic: string): void {
    this.#known.delete(topic);
  }

  /** Every topic that `ensure` has seen, with what it was to have; nothing may be in it yet. */
  get seen(): ReadonlyMap<string, { configs: TopicNeed['configs'] }> {
    return this.#known;
  }

  /** How a topic's settings do not fit, in words; for topics that were looked at. */
  troublesOf(topic: string): readonly string[] {
    return this.#troubles.get(topic) ?? [];
  }

  /** Shards meet at merged topics: one of them makes it, the others wait. */
  async #alone(topic: string, task: () => Promise<void>): Promise<void> {
    for (let other = this.#making.get(topic); other; other = this.#making.get(topic)) {
      await other.catch(() => {});
    }
    const made = task().finally(() => this.#making.delete(topic));
    this.#making.set(topic, made);
    await made;
  }

  async #have(need: TopicNeed): Promise<void> {
    const { topic, partitions } = need;
    if ((this.#known.get(topic)?.partitions ?? 0) >= partitions) return;
    let found = await this.#find(topic);
    let made = false;
    if (!found) {
      made = await this.#create(need);
      found = await this.#find(topic);
      if (!found) throw unavailable(`topic "${topic}" is not there yet`);
      this.#log.info({ topic, partitions }, 'topic made');
    }
    const known = this.#known.get(topic) ?? (await this.#meet(need, found.id, made));
    known.partitions = found.partitions.length;
    if (known.partitions < partitions) await this.#grow(need, known.partitions);
    known.partitions = Math.max(known.partitions, partitions);
    this.#known.set(topic, known);
  }

  async #meet({ topic, configs }: TopicNeed, id: string, made: boolean): Promise<Known> {
    const has = await this.#admin.configs(topic);
    const ages = this.#judge(topic, has, configs);
    const isOurs = made || isAsMade(has, configs);
    return { ages, configs, partitions: 0, made: isOurs ? id : undefined };
  }

  async #find(topic: string): Promise<TopicInfo | undefined> {
    return (await this.#admin.topics([topic]))[0];
  }

  /** Whether it was we who made it. */
  async #create({ topic, partitions, configs }: TopicNeed): Promise<boolean> {
    const replicationFactor = this.#replicationFactor;
    try {
      await this.#admin
        .createTopic({ topic, partitions, replicationFactor, configs })
        .catch((error: KafkaError) => {
          if (!/Unknown topic config name/i.test(error.message)) throw error;
          const older = olderConfigs(configs);
          return this.#admin.createTopic({ topic, partitions, replicationFactor, configs: older });
        });
      this.#made.add(topic);
      return true;
    } catch (error) {
      const { code, message } = error as KafkaError;
      if (code === 'exists') return false; // another collector was faster
      if (code !== 'invalid' && code !== 'denied') throw error;
      const hint =
        code === 'denied'
          ? 'allow CREATE on it (or on the cluster), or make the topic by hand'
          : 'see landing.replication_factor, and the policies of the cluster';
      throw refusedTopic(topic, `cannot be made: ${message}; ${hint}`, error);
    }
  }

  async #grow({ topic, partitions, ours }: TopicNeed, has: number): Promise<void> {
    if (!ours && !this.#made.has(topic)) {
      const why = `has ${has} partitions, and ${partitions} are needed; it was there before us, so
        grow it yourself: kafka-topics --alter --topic ${topic} --partitions ${partitions}`;
      throw refusedTopic(topic, why.replace(/\s+/g, ' '));
    }
    await this.#admin.growTopic(topic, partitions);
    this.#log.info({ topic, from: has, to: partitions }, 'topic grown');
  }

  /**
   * An existing topic keeps the settings that it has; what does not fit is told once. Somebody may
   * have changed them since they were looked at last. Rejects with a KafkaError.
   */
  async look(topic: string, wanted: TopicNeed['configs']): Promise<void> {
    const ages = this.#judge(topic, await this.#admin.configs(topic), wanted);
    const known = this.#known.get(topic);
    if (known) known.ages = ages;
  }

  #judge(topic: string, has: readonly ConfigEntry[], wanted: TopicNeed['configs']): TopicAges {
    const before = this.troublesOf(topic);
    const troubles = unfit(has, { ...wanted, ...this.#followed(topic) });
    if (troubles.length > 0) this.#troubles.set(topic, troubles);
    else this.#troubles.delete(topic);
    for (const message of troubles) {
      if (before.includes(message)) continue;
      this.#log.warn({ topic, message }, 'a topic has settings that do not fit');
    }
    return topicAges(has);
  }
}

const refusedTopic = (topic: string, why: string, cause?: unknown): LandingError =>
  new LandingError('refused', `topic "${topic}" ${why}`, { cause, at: { topic } });

const unavailable = (message: string, cause?: unknown): LandingError =>
  new LandingError('unavailable', message, { cause });

const asUnavailable = (error: unknown, topic: string): unknown =>
  (error as Error)?.name === 'KafkaError'
    ? unavailable(`topic "${topic}": ${(error as Error).message}`, error)
    : error;
