import { readConnection } from '#shared/kafka/connection-settings.ts';
import { type Kafka, KafkaError } from '#shared/kafka/kafka.ts';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { Backoff } from '#shared/std/backoff.ts';
import type { SourceState } from '#shared/wire/link.ts';
import { groupFilter } from '#shared/wire/mm2-filter.ts';
import type { ReplicatedTopic } from './kafka-groups.ts';
import { beganKey, keysOf, positionsIn } from './kafka-position.ts';
import { KafkaReading, type KafkaSourceDeps } from './kafka-reading.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { topicsOf } from './kafka-topic.ts';
import { inWords } from './kafka-words.ts';
import type { Source, SourceContext } from './source.ts';

/** The site's own Kafka: its topics, replicated; its groups are told by whoever asks `cluster`. */
export interface KafkaSource extends Source {
  /** undefined before the cluster was reached for the first time. */
  cluster(): ReplicatedCluster | undefined;
}

export interface ReplicatedCluster {
  admin: Kafka['admin'];
  /** Which consumer groups are followed. */
  follows: (group: string) => boolean;
  acls: boolean;
  topics(): ReplicatedTopic[];
  /** Every record before `next` is on disk, or was none. */
  positions(): { topic: string; partition: number; incarnation: string; next: number }[];
}

export const openKafkaSource = (
  settings: KafkaSettings,
  context: SourceContext,
  deps: KafkaSourceDeps,
): KafkaSource => new LocalKafka(settings, context, deps);

class LocalKafka implements KafkaSource {
  readonly name: string;
  readonly type = 'kafka';
  readonly #settings: KafkaSettings;
  readonly #context: SourceContext;
  readonly #deps: KafkaSourceDeps;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #stopped = false;
  #kafka: Kafka | undefined;
  #reading: KafkaReading | undefined;
  #trouble: string | undefined;

  constructor(settings: KafkaSettings, context: SourceContext, deps: KafkaSourceDeps) {
    this.name = settings.name;
    this.#settings = settings;
    this.#context = context;
    this.#deps = deps;
  }

  async start(): Promise<void> {
    const { name } = this.#settings;
    const stored = await this.#context.positions(keysOf(name));
    const topics = topicsOf(positionsIn(stored, name));
    const began = stored.get(beganKey(name))?.toString();
    const pending = began === undefined ? undefined : (JSON.parse(began) as string[]);
    this.#running = this.#run(topics, pending);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    // Nobody waits for a cluster that does not answer; for what is on its way to the buffer we do.
    await Promise.all([this.#reading?.stop(), this.#kafka?.close()]);
    await this.#running;
    this.#stopped = true;
  }

  state(): SourceState {
    const { name, type } = this;
    const acceptedRecords = this.#reading?.acceptedRecords ?? 0;
    const told = (state: SourceState['state'], detail: string): SourceState => {
      return { name, type, state, detail, acceptedRecords };
    };
    if (this.#stopped) return told('stopped', 'stopped');
    const brokers = this.#settings.connection.brokers;
    const view = this.#reading?.view() ?? {
      ...{ topics: new Map(), leftOut: new Map(), looped: 0, events: [] },
    };
    const { isTroubled, detail } = inWords({ ...view, brokers, trouble: this.#trouble });
    if (isTroubled) return told('degraded', detail);
    return this.#reading?.looked ? told('running', detail) : told('starting', 'not reached yet');
  }

  cluster(): ReplicatedCluster | undefined {
    const reading = this.#reading;
    if (!reading?.looked || !this.#kafka) return undefined;
    const { groups, groupsExclude, acls } = this.#settings;
    return {
      ...{ admin: this.#kafka.admin, follows: groupFilter(groups, groupsExclude), acls },
      topics: () => reading.replicated(),
      positions: () => reading.positions(),
    };
  }

  async #run(topics: ReturnType<typeof topicsOf>, pending: string[] | undefined): Promise<void> {
    const { clock, random } = this.#deps;
    const { signal } = this.#stopping;
    const backoff = new Backoff({ baseMs: 250, maxMs: 5_000, random });
    while (!signal.aborted) {
      const pauseMs = await this.#look(topics, pending).then(
        () => {
          backoff.reset();
          return this.#settings.refreshMs;
        },
        (error: Error) => {
          this.#fail(error);
          return backoff.next();
        },
      );
      const pause = this.#reading?.wanted ?? new AbortController().signal;
      await clock.sleep(pauseMs, AbortSignal.any([signal, pause])).catch(() => undefined);
    }
  }

  async #look(topics: ReturnType<typeof topicsOf>, pending: string[] | undefined): Promise<void> {
    const { alias, open, log } = this.#deps;
    if (!this.#kafka) {
      const connection = await readConnection(this.#settings.connection);
      if (this.#stopping.signal.aborted) return;
      const settings = { ...connection, clientId: `tributary-${alias}` };
      this.#kafka = open ? open(settings) : openKafka(settings, { log });
    }
    this.#reading ??= new KafkaReading({
      ...{ settings: this.#settings, context: this.#context, deps: this.#deps },
      ...{ kafka: this.#kafka, topics, pending },
    });
    await this.#reading.look();
    if (this.#trouble !== undefined) log.info({ source: this.name }, 'kafka is reached again');
    this.#trouble = undefined;
  }

  #fail(error: Error): void {
    if (this.#stopping.signal.aborted) return;
    const what = error instanceof KafkaError ? 'its brokers do not answer' : 'it cannot be read';
    const trouble = `${what}: ${error.message}`;
    if (this.#trouble === undefined) this.#deps.log.warn({ source: this.name }, trouble);
    this.#trouble = trouble;
  }
}
