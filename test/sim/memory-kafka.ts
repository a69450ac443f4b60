import { once } from 'node:events';
import {
  type AclBinding,
  type ConfigEntry,
  type Fetched,
  type FetchedBatch,
  type FetchOptions,
  type FetchPosition,
  type GroupOffset,
  type Isolation,
  type Kafka,
  type KafkaAdmin,
  KafkaError,
  type Membership,
  type MembershipOptions,
  type NewTopic,
  type OutgoingBatch,
  type ProducerOptions,
  type TopicPartition,
  type TransactionalProducer,
} from '#shared/kafka/kafka.ts';
import { systemClock } from '#shared/std/clock.ts';
import { readBatchHeader } from '#shared/wire/record-batch.ts';

/** What a test may do to a call: throw, before it is done or after. */
export type Fault = (step: KafkaStep, when: 'before' | 'after') => void;
export type KafkaStep = 'init' | 'send' | 'commit' | 'fetch' | 'create' | 'alter' | 'acls';

interface Entry {
  offset: number;
  count: number;
  /** null: a transaction's marker. */
  bytes: Buffer | null;
  transaction: Transaction | null;
}

interface Transaction {
  state: 'open' | 'committed' | 'aborted';
  partitions: Set<Entry[]>;
}

interface Coordinator {
  epoch: number;
  open: Transaction | null;
  /** Markers are being written: the commit is answered already, readers do not see it yet. */
  ending: Promise<void>;
}

/** As brokers take a moment for the markers. */
const markerMs = 1;

interface Topic {
  id: string;
  configs: { [name: string]: string };
  partitions: Entry[][];
}

/**
 * Kafka's promises in this process, so that the landing's contract runs in a second and its faults
 * fall where a test wants them: transactions with fencing, markers that take offsets, the last
 * stable offset, groups. What real brokers add is tested with real brokers.
 */
export class MemoryCluster {
  readonly topics = new Map<string, Topic>();
  readonly acls: AclBinding[] = [];
  readonly #producers = new Map<string, Coordinator>();
  readonly #groups = new Map<string, Group>();
  readonly #waiting = new Set<() => void>();
  fault: Fault = () => {};
  /** Steps that are not answered, ever. */
  readonly silent = new Set<KafkaStep>();
  /** Ends as leaders that were cut off know them: readers see nothing behind. */
  readonly #staleEnds = new Map<Entry[], number>();

  open(): Kafka {
    const closed = new AbortController();
    const assertOpen = () => {
      if (closed.signal.aborted) throw new KafkaError('closed', 'this client is closed');
    };
    const memberships = new Set<Membership>();
    return {
      admin: this.#admin(assertOpen),
      reads: {
        fetch: (positions, options) =>
          this.#fetch(positions, {
            ...options,
            signal: options.signal
              ? AbortSignal.any([options.signal, closed.signal])
              : closed.signal,
          }),
      },
      producer: (options) => this.#producer(options, assertOpen, closed.signal),
      join: (options) => {
        const group = this.#groups.get(options.groupId) ?? new Group();
        this.#groups.set(options.groupId, group);
        const membership = group.join(options);
        memberships.add(membership);
        return membership;
      },
      close: async () => closed.abort(),
    };
  }

  /** From now on readers ask leaders that are none any more, and do not know it. */
  cutLeadersOff(): void {
    for (const { partitions } of this.topics.values()) {
      for (const log of partitions) this.#staleEnds.set(log, endOf(log));
    }
  }

  heal(): void {
    this.#staleEnds.clear();
  }

  #endOf(log: Entry[], isolation: Isolation): number {
    const end = isolation === 'committed' ? stableOf(log) : endOf(log);
    return Math.min(end, this.#staleEnds.get(log) ?? end);
  }

  #step<T>(step: KafkaStep, task: () => T): T {
    this.fault(step, 'before');
    const result = task();
    this.fault(step, 'after');
    return result;
  }

  partition({ topic, partition }: TopicPartition): Entry[] {
    const log = this.topics.get(topic)?.partitions[partition];
    if (log) return log;
    const at = { topic, partition, kafkaCode: 'UNKNOWN_TOPIC_OR_PARTITION' };
    throw new KafkaError('missing', `${topic}/${partition} is not there`, at);
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  async #answered(step: KafkaStep, closed: AbortSignal): Promise<void> {
    if (!this.silent.has(step)) return;
    if (!closed.aborted) await once(closed, 'abort');
    throw new KafkaError('closed', 'this client was closed');
  }

  #producer(
    { transactionalId }: ProducerOptions,
    assertOpen: () => void,
    closed: AbortSignal,
  ): TransactionalProducer {
    const coordinator = this.#producers.get(transactionalId) ?? {
      ...{ epoch: -1, open: null, ending: Promise.resolve() },
    };
    this.#producers.set(transactionalId, coordinator);
    let epoch = -1;
    const mine = () => {
      assertOpen();
      if (epoch !== coordinator.epoch) throw new KafkaError('fenced', 'another producer came');
    };
    const end = (state: 'committed' | 'aborted') => {
      const { open } = coordinator;
      if (!open) return;
      coordinator.open = null;
      coordinator.ending = systemClock.sleep(markerMs).then(() => {
        open.state = state;
        for (const log of open.partitions) {
          log.push({ offset: endOf(log), count: 1, bytes: null, transaction: null });
        }
        this.#wake();
      });
    };
    return {
      init: async () => {
        assertOpen();
        this.#step('init', () => {
          end('aborted');
          coordinator.epoch += 1;
          epoch = coordinator.epoch;
        });
        await coordinator.ending;
      },
      send: async (batches) => {
        mine();
        await coordinator.ending;
        await this.#answered('send', closed);
        mine();
        return this.#step('send', () => {
          coordinator.open ??= { state: 'open', partitions: new Set() };
          const transaction = coordinator.open;
          return batches.map((batch) => this.#append(batch, transaction));
        });
      },
      commit: async () => {
        mine();
        await this.#answered('commit', closed);
        this.#step('commit', () => end('committed'));
      },
      abort: async () => {
        mine();
        end('aborted');
      },
    };
  }

  #append({ topic, partition, batch }: OutgoingBatch, transaction: Transaction): number {
    const log = this.partition({ topic, partition });
    const bytes = Buffer.from(batch);
    const offset = endOf(log);
    const limit = Number(this.topics.get(topic)!.configs['max.message.bytes'] ?? 1_048_588);
    if (bytes.length > limit) {
      const at = { topic, partition, kafkaCode: 'MESSAGE_TOO_LARGE' };
      throw new KafkaError('refused', `${bytes.length} bytes are too many for ${topic}`, at);
    }
    bytes.writeBigInt64BE(BigInt(offset), 0);
    log.push({ offset, count: readBatchHeader(bytes).count, bytes, transaction });
    transaction.partitions.add(log);
    return offset;
  }

  async #fetch(positions: readonly FetchPosition[], options: FetchOptions): Promise<Fetched[]> {
    const { signal, maxWaitMs, isolation } = options;
    const until = systemClock.monotonic() + maxWaitMs;
    for (;;) {
      if (signal?.aborted) throw new KafkaError('closed', 'stopped');
      const answers = this.#step('fetch', () =>
        positions.map((position) => this.#read(position, isolation)),
      );
      const left = until - systemClock.monotonic();
      const news = answers.some(({ nextOffset }, i) => nextOffset > positions[i]!.offset);
      if (news || left <= 0 || answers.some(({ error }) => error)) return answers;
      await this.#news(Math.max(1, left), signal);
    }
  }

  #news(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = new AbortController();
      const wake = () => {
        this.#waiting.delete(wake);
        done.abort();
        resolve();
      };
      this.#waiting.add(wake);
      signal?.addEventListener('abort', wake, { once: true });
      systemClock.sleep(ms, done.signal).then(wake, () => {});
    });
  }

  #read(
    { topic, partition, offset, maxBytes = 1e9 }: FetchPosition,
    isolation: Isolation,
  ): Fetched {
    const none = { topic, partition, highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 };
    let log: Entry[];
    try {
      log = this.partition({ topic, partition });
    } catch (error) {
      return { ...none, error: error as KafkaError, batches: [], nextOffset: offset };
    }
    const stable = this.#endOf(log, isolation);
    const batches: FetchedBatch[] = [];
    let nextOffset = offset;
    let bytesTaken = 0;
    for (const { offset: base, count, bytes, transaction } of log) {
      const last = base + count - 1;
      if (last < offset || base >= stable) continue;
      if (bytesTaken > 0 && bytesTaken + (bytes?.length ?? 0) > maxBytes) break;
      nextOffset = last + 1;
      if (bytes === null) continue;
      if (isolation === 'committed' && transaction?.state === 'aborted') continue;
      batches.push({ baseOffset: base, lastOffset: last, bytes });
      bytesTaken += bytes.length;
    }
    const marks = { highWatermark: endOf(log), lastStableOffset: stable, logStartOffset: 0 };
    return { topic, partition, error: null, ...marks, batches, nextOffset };
  }

  #admin(assertOpen: () => void): KafkaAdmin {
    const unused = async (): Promise<never> => {
      throw new KafkaError('invalid', 'not part of this cluster');
    };
    return {
      cluster: async () => {
        const brokers = [{ id: 1, host: 'memory', port: 9092 }];
        return { clusterId: 'memory', controller: 1, brokers };
      },
      topics: async (names) => {
        assertOpen();
        return [...this.topics]
          .filter(([topic]) => names === undefined || names.includes(topic))
          .map(([topic, { id, partitions }]) => ({
            ...{ topic, id, internal: false },
            partitions: partitions.map((_, partition) => {
              return { partition, leader: 1, replicas: [1], isr: [1] };
            }),
          }));
      },
      createTopic: async (topic) => {
        assertOpen();
        this.#step('create', () => this.create(topic));
      },
      deleteTopic: async (topic) => {
        this.topics.delete(topic);
      },
      growTopic: async (name, partitions) => {
        const topic = this.topics.get(name)!;
        while (topic.partitions.length < partitions) topic.partitions.push([]);
      },
      configs: async (topic) =>
        Object.entries(this.topics.get(topic)?.configs ?? {}).map(
          ([name, value]): ConfigEntry => ({
            ...{ name, value, source: 'topic', readOnly: false, sensitive: false },
          }),
        ),
      alterConfigs: async (name, changes) => {
        assertOpen();
        this.#step('alter', () => this.#alter(name, changes));
      },
      offsets: async (of, at, isolation = 'uncommitted') => {
        assertOpen();
        return of.map((one) => {
          const log = this.partition(one);
          if (at === 'earliest') return 0;
          const end = this.#endOf(log, isolation);
          if (at === 'latest') return end;
          const found = log.find(
            ({ bytes }) => bytes !== null && readBatchHeader(bytes).maxTimestamp >= at,
          );
          return found?.offset ?? end;
        });
      },
      deleteRecords: unused,
      groups: async () => [],
      describeGroups: async () => [],
      groupOffsets: async (): Promise<GroupOffset[]> => [],
      setGroupOffsets: unused,
      deleteGroup: unused,
      acls: async () => this.#step('acls', () => [...this.acls]),
      createAcls: async (bindings) => {
        this.#step('acls', () => this.acls.push(...bindings));
      },
    };
  }

  #alter(name: string, changes: { readonly [name: string]: string | null }): void {
    const topic = this.topics.get(name);
    if (!topic) throw new KafkaError('missing', `${name} is not there`, { topic: name });
    for (const [setting, value] of Object.entries(changes)) {
      if (value === null) delete topic.configs[setting];
      else topic.configs[setting] = value;
    }
  }

  create({ topic, partitions, configs }: NewTopic): void {
    if (this.topics.has(topic)) throw new KafkaError('exists', `${topic} exists`, { topic });
    const id = String(this.topics.size + 1).padStart(32, '0');
    const logs = Array.from({ length: partitions }, (): Entry[] => []);
    this.topics.set(topic, { id, configs: { ...configs }, partitions: logs });
  }
}

const endOf = (log: readonly Entry[]): number => {
  const last = log.at(-1);
  return last ? last.offset + last.count : 0;
};

const stableOf = (log: readonly Entry[]): number =>
  log.find(({ transaction }) => transaction?.state === 'open')?.offset ?? endOf(log);

/** Members that assign anew whenever one comes or goes; who keeps what it has is not told. */
class Group {
  readonly #members = new Map<string, MembershipOptions>();
  readonly #told = new Map<string, string | null>();
  #next = 1;
  #due = false;

  join(options: MembershipOptions): Membership {
    const memberId = `member-${this.#next++}`;
    this.#members.set(memberId, options);
    this.#rebalance();
    return {
      rejoin: (metadata) => {
        this.#members.set(memberId, { ...options, metadata: metadata ?? options.metadata });
        this.#rebalance();
      },
      leave: async () => {
        this.#members.delete(memberId);
        this.#rebalance();
      },
    };
  }

  #rebalance(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      const members = [...this.#members].map(([memberId, { metadata }]) => ({
        ...{ memberId, metadata },
      }));
      const leader = [...this.#members.values()][0];
      const assignments = leader?.assign(members);
      for (const [memberId, { onAssignment }] of this.#members) {
        const assignment = assignments?.get(memberId) ?? null;
        if (assignment === this.#told.get(memberId)) continue;
        this.#told.set(memberId, assignment);
        onAssignment(assignment);
      }
    });
  }
}
