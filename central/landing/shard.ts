import { randomBytes } from 'node:crypto';
import type {
  Kafka,
  KafkaError,
  OutgoingBatch,
  TopicPartition,
  TransactionalProducer,
} from '#shared/kafka/kafka.ts';
import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { Signal } from '#shared/std/signal.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import { readBatchHeader } from '#shared/wire/record-batch.ts';
import type { Beside } from './kafka-beside.ts';
import type { Follower } from './kafka-follower.ts';
import { ownTopics, transactionalId } from './kafka-names.ts';
import type { TopicFact, TransactionRow } from './kafka-rows.ts';
import { type AliasWrite, type LandedWrite, LandingError, type SegmentWrite } from './landing.ts';
import type { CopyWrite } from './shard-copies.ts';
import { asLandingError, moved } from './shard-errors.ts';
import { copyBatches, dataBatches, indexOf, ownBatches } from './shard-records.ts';
import { rowsOf, settle } from './shard-rows.ts';
import { type CommitStage, GroupStage, targetsOf } from './shard-stage.ts';
import type { ShardState } from './shard-state.ts';

export interface ShardSettings {
  /** How sites' topics are named. */
  naming: Naming;
  /** A transaction takes the commits that wait, up to so many bytes of segments. */
  transactionBytes: number;
  /** How long a transaction waits for more of them. */
  lingerMs: number;
  transactionTimeoutMs: number;
  /** How long a commit is tried before its caller is told that it cannot be had now. */
  commitTimeoutMs: number;
}

export interface ShardParts {
  kafka: Kafka;
  clock: Clock;
  log: Logger;
  follower: Follower;
  settings: ShardSettings;
  /** A topic's kind as the other shards know it. */
  topicElsewhere: (topic: string) => TopicFact | undefined;
  /** What cannot be landed in, by topic, after all that can were made ready. */
  prepare: (stage: GroupStage) => Promise<Map<string, LandingError>>;
  /** Brokers say that it is not there (any more): it is looked for anew. */
  forget: (topic: string) => void;
  /** What goes beside the shard's own batches. */
  beside: (stage: GroupStage, shard: number, at: number) => Promise<Beside>;
  /** Another producer has our transactional id. */
  onFenced: (shard: number) => void;
}

interface Commit {
  writes: readonly AliasWrite[];
  copy?: CopyWrite;
  bytes: number;
  since: number;
  resolve: (landed: LandedWrite[]) => void;
  reject: (error: LandingError) => void;
}

interface Staged {
  commit: Commit;
  stage: CommitStage;
}

/**
 * One shard of the fleet while we own it: commits that arrive together are one Kafka transaction,
 * one after the other. Its transactional id is the lock: whoever takes it over fences us, and we
 * notice before anything of ours is committed.
 */
export class Shard {
  readonly id: number;
  readonly state: ShardState;
  readonly #parts: ShardParts;
  readonly #producer: TransactionalProducer;
  readonly #log: Logger;
  readonly #waiting: Commit[] = [];
  readonly #arrived = new Signal();
  readonly #partitions: { topic: string; partition: number }[];
  #owned = false;
  #term = 0;
  /** What is in memory is what is committed, and the producer is good. */
  #ready = false;
  #running: Promise<void> | undefined;

  constructor(id: number, state: ShardState, parts: ShardParts) {
    this.id = id;
    this.state = state;
    this.#parts = parts;
    this.#log = parts.log;
    this.#producer = parts.kafka.producer({
      transactionalId: transactionalId(id),
      transactionTimeoutMs: parts.settings.transactionTimeoutMs,
    });
    this.#partitions = [ownTopics.checkpoints, ownTopics.fleet].map((topic) => {
      return { topic, partition: id };
    });
  }

  get owned(): boolean {
    return this.#owned;
  }

  /** Another number each time that it becomes ours; undefined: it is not. */
  get term(): number | undefined {
    return this.#owned ? this.#term : undefined;
  }

  /** Nobody but us moves it on: all that is read is ours, and known. */
  get isSettled(): boolean {
    return this.#owned && this.#ready;
  }

  /**
   * Fences the owner before us, then reads what it left behind to the end. Only then commits are
   * taken; `prepared` is called between. Rejects with a KafkaError.
   */
  async acquire(prepared: () => void): Promise<void> {
    if (this.#owned) return;
    await this.#resync();
    prepared();
    this.#owned = true;
    this.#term += 1;
    this.#running = this.#run();
  }

  /** Ends what is under way, takes no more, and follows again what the next owner writes. */
  async release(): Promise<void> {
    this.#owned = false;
    this.#arrived.notify();
    await this.#running;
    this.#running = undefined;
    this.#ready = false;
    for (const at of this.#partitions) this.#parts.follower.activate(at, true);
  }

  commit(writes: readonly AliasWrite[]): Promise<LandedWrite[]> {
    return this.#enqueue({ writes, bytes: bytesOf(writes) });
  }

  /** A piece of a copy, in one of the next transactions. Rejects as `commit` does. */
  async copy(copy: CopyWrite): Promise<void> {
    const bytes = copy.batches.reduce((sum, { batch }) => sum + batch.length, 1024);
    await this.#enqueue({ writes: [], copy, bytes });
  }

  /** A transaction soon, for what goes beside; nothing where it fails. */
  nudge(): void {
    if (this.#waiting.length === 0) this.#enqueue({ writes: [], bytes: 0 }).catch(() => {});
  }

  #enqueue(commit: Pick<Commit, 'writes' | 'copy' | 'bytes'>): Promise<LandedWrite[]> {
    if (!this.#owned) return Promise.reject(moved());
    return new Promise((resolve, reject) => {
      const since = this.#parts.clock.monotonic();
      this.#waiting.push({ ...commit, since, resolve, reject });
      this.#arrived.notify();
    });
  }

  async #run(): Promise<void> {
    while (this.#owned) {
      if (this.#waiting.length === 0) await this.#arrived.wait();
      else await this.#landNext();
    }
    // What came before the release is landed; a fenced producer has given its commits back.
    while (this.#waiting.length > 0 && this.#ready) await this.#landNext();
    for (const commit of this.#waiting.splice(0)) commit.reject(moved());
  }

  async #landNext(): Promise<void> {
    await this.#linger();
    const commits = this.#take();
    try {
      await this.#land(commits);
    } catch (error) {
      for (const { reject } of commits) reject(asLandingError(error));
    }
  }

  /** What has waited for the transaction before has waited long enough. */
  async #linger(): Promise<void> {
    const { clock, settings } = this.#parts;
    const leftMs = settings.lingerMs - (clock.monotonic() - this.#waiting[0]!.since);
    if (leftMs > 0 && this.#owned) await clock.sleep(leftMs);
  }

  #take(): Commit[] {
    let bytes = 0;
    let count = 0;
    for (const commit of this.#waiting) {
      bytes += commit.bytes;
      if (count > 0 && bytes > this.#parts.settings.transactionBytes) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Every commit is answered when this resolves; where it rejects, those that were not. */
  async #land(commits: readonly Commit[]): Promise<void> {
    const deadline = commits[0]!.since + this.#parts.settings.commitTimeoutMs;
    const backoff = new Backoff({ baseMs: 50, maxMs: 1_000, random: Math.random });
    let left = [...commits];
    while (left.length > 0) {
      try {
        await this.#readyNow();
        left = await this.#attempt(left);
      } catch (error) {
        const { code } = error as KafkaError;
        // `missing`: also said by a broker that has not heard of a new topic yet.
        const again = code === 'unavailable' || code === 'fatal' || code === 'missing';
        if (!again || !this.#owned || this.#parts.clock.monotonic() > deadline) throw error;
        this.#log.warn({ shard: this.id, err: error }, 'a transaction is tried again');
        await this.#parts.clock.sleep(backoff.next());
      }
    }
  }

  async #readyNow(): Promise<void> {
    if (!this.#ready) await this.#resync();
  }

  async #resync(): Promise<void> {
    await this.#producer.init();
    await this.#parts.follower.readToEnd(this.#partitions);
    this.#ready = true;
  }

  /** One transaction with those that may land. Returns the commits to try again without others. */
  async #attempt(commits: readonly Commit[]): Promise<Commit[]> {
    const { topicElsewhere, settings } = this.#parts;
    const group = new GroupStage(this.state, topicElsewhere, settings.naming);
    const staged: Staged[] = [];
    for (const commit of commits) {
      try {
        if (commit.copy) group.copy(commit.copy, Math.round(this.#parts.clock.now()));
        staged.push({ commit, stage: group.add(commit.writes) });
      } catch (error) {
        if (!(error instanceof LandingError)) throw error;
        commit.reject(error);
      }
    }
    if (staged.length === 0) return [];
    const bad = await this.#parts.prepare(group);
    if (bad.size > 0) return rejectThoseIn(staged, (topic) => bad.get(topic));
    const at = Math.round(this.#parts.clock.now());
    const beside = await this.#parts.beside(group, this.id, at);
    try {
      await this.#transact(group, beside, at);
    } catch (error) {
      const { code, kafkaCode, topic, partition } = error as KafkaError;
      if (beside.leavesOut(error as KafkaError)) return staged.map(({ commit }) => commit);
      if (kafkaCode === 'UNKNOWN_TOPIC_OR_PARTITION' && topic) this.#parts.forget(topic);
      const named = (code === 'refused' || code === 'denied') && topic !== undefined;
      if (!named || topic.startsWith('tributary.')) throw error;
      const { code: landing, message } = asLandingError(error);
      const refusal = new LandingError(landing, message, {
        cause: error,
        at: { topic, partition },
      });
      return rejectThoseIn(staged, (name, at) =>
        name === topic && (partition === undefined || at === partition) ? refusal : undefined,
      );
    }
    for (const { commit, stage } of staged) commit.resolve(stage.result());
    return [];
  }

  async #transact(group: GroupStage, beside: Beside, at: number): Promise<void> {
    const { follower } = this.#parts;
    const transaction: TransactionRow = { id: randomBytes(8).toString('hex'), at };
    let end: number;
    try {
      const data = dataBatches(group.moves);
      const offsets = await this.#producer.send([...data, ...copyBatches(group)]);
      group.landed(offsets.slice(0, data.length));
      const rows = rowsOf(group, this.state);
      rows.push({ key: ['transaction'], value: transaction });
      const index = indexOf(group.moves, offsets);
      const own = [...ownBatches(this.id, at, { rows, index, stage: group }), ...beside.batches];
      const written = await this.#producer.send(own);
      end = this.#assertNext(own, written);
      await this.#producer.commit();
    } catch (error) {
      await this.#failed(error as KafkaError, transaction);
      beside.committed();
      return;
    }
    beside.committed();
    settle(group, this.state);
    this.state.transaction = transaction;
    follower.skipTo({ topic: ownTopics.checkpoints, partition: this.id }, end);
  }

  /** What it stands on was all there was. Returns the end of what was written. */
  #assertNext(own: readonly OutgoingBatch[], offsets: readonly number[]): number {
    const at = { topic: ownTopics.checkpoints, partition: this.id };
    const isRows = ({ topic, partition }: OutgoingBatch) =>
      topic === at.topic && partition === at.partition;
    this.#parts.follower.assertNext(at, offsets[own.findIndex(isRows)]!);
    const last = own.findLastIndex(isRows);
    // Markers are not counted: what the follower need not read.
    return offsets[last]! + readBatchHeader(own[last]!.batch).count;
  }

  /**
   * Whatever failed, this transaction and its producer are spent. Where the commit's answer is
   * missing, the log tells: resolves when it is there, throws when it is not.
   */
  async #failed(error: KafkaError, transaction: TransactionRow): Promise<void> {
    this.#ready = false;
    if (error.code === 'fenced') {
      this.#owned = false;
      this.#parts.onFenced(this.id);
      throw error;
    }
    if (error.code !== 'uncertain') {
      await this.#producer.abort().catch(() => {});
      throw error;
    }
    await this.#untilKnown(error);
    if (this.state.transaction?.id === transaction.id) return;
    // Aborted: the same commits may be tried again, on what the log holds now.
    throw Object.assign(new Error('the transaction was aborted'), {
      name: 'KafkaError',
      code: 'unavailable',
    });
  }

  async #untilKnown(error: KafkaError): Promise<void> {
    const { clock, settings } = this.#parts;
    const deadline = clock.monotonic() + settings.commitTimeoutMs;
    const backoff = new Backoff({ baseMs: 50, maxMs: 1_000, random: Math.random });
    for (;;) {
      try {
        return await this.#resync();
      } catch (cause) {
        const { code } = cause as KafkaError;
        if (code === 'fenced' || code === 'closed' || clock.monotonic() > deadline) throw error;
        await clock.sleep(backoff.next());
      }
    }
  }
}

/** Rejects the commits that land where they cannot; returns the others. */
function rejectThoseIn(
  staged: readonly Staged[],
  errorAt: (topic: string, partition: number) => LandingError | undefined,
): Commit[] {
  const left: Commit[] = [];
  for (const { commit } of staged) {
    const error = placesOf(commit)
      .map(({ topic, partition }) => errorAt(topic, partition))
      .find((found) => found !== undefined);
    if (error) commit.reject(error);
    else left.push(commit);
  }
  if (left.length === staged.length) throw new LandingError('unavailable', 'nothing could land');
  return left;
}

const placesOf = ({ writes, copy }: Commit): TopicPartition[] => [
  ...(copy ? [{ topic: copy.into, partition: copy.partition }] : []),
  ...segmentsOf(writes).flatMap((segment) =>
    targetsOf(segment).map(({ topic }) => ({ topic, partition: segment.partition })),
  ),
];

const segmentsOf = (writes: readonly AliasWrite[]): SegmentWrite[] =>
  writes.flatMap(({ segments }) => segments);

const bytesOf = (writes: readonly AliasWrite[]): number =>
  segmentsOf(writes).reduce((sum, { batch }) => sum + batch.length, 1024);
