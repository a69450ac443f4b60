import { randomBytes } from 'node:crypto';
import {
  type Kafka,
  KafkaError,
  type OutgoingBatch,
  type TopicPartition,
  type TransactionalProducer,
} from '#shared/kafka/kafka.ts';
import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import { readBatchHeader } from '#shared/wire/record-batch.ts';
import type { Beside } from './kafka-beside.ts';
import type { Follower } from './kafka-follower.ts';
import { ownTopics, transactionalId } from './kafka-names.ts';
import type { TopicFact, TransactionRow } from './kafka-rows.ts';
import { type AliasWrite, type LandedWrite, LandingError } from './landing.ts';
import { type CommitStage, targetsOf } from './shard-commit.ts';
import type { CopyWrite } from './shard-copies.ts';
import { asLandingError } from './shard-errors.ts';
import {
  copyBatches,
  dataBatches,
  indexOf,
  placesOfRows,
  rowBatches,
  toldBatches,
} from './shard-records.ts';
import { rowsOf, settle } from './shard-rows.ts';
import { GroupStage } from './shard-stage.ts';
import type { ShardState } from './shard-state.ts';

export interface TransactionSettings {
  /** How sites' topics are named. */
  naming: Naming;
  transactionTimeoutMs: number;
  /** How long a commit is tried before its caller is told that it cannot be had now. */
  commitTimeoutMs: number;
}

export interface TransactionParts {
  kafka: Kafka;
  clock: Clock;
  follower: Follower;
  settings: TransactionSettings;
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

/** What waits for a transaction of its shard. */
export interface Commit {
  writes: readonly AliasWrite[];
  copy?: CopyWrite;
  resolve: (landed: LandedWrite[]) => void;
  reject: (error: LandingError) => void;
}

interface Staged {
  commit: Commit;
  stage: CommitStage;
}

/**
 * The transactions of one shard, one after the other. Its transactional id is the lock: whoever
 * takes it over fences us, and we notice before anything of ours is committed.
 */
export class ShardTransactions {
  readonly #id: number;
  readonly #state: ShardState;
  readonly #parts: TransactionParts;
  readonly #producer: TransactionalProducer;
  readonly #partitions: { topic: string; partition: number }[];
  #ready = false;
  #ended = false;

  constructor(id: number, state: ShardState, parts: TransactionParts) {
    this.#id = id;
    this.#state = state;
    this.#parts = parts;
    this.#producer = parts.kafka.producer({
      transactionalId: transactionalId(id),
      transactionTimeoutMs: parts.settings.transactionTimeoutMs,
    });
    this.#partitions = [ownTopics.checkpoints, ownTopics.fleet].map((topic) => {
      return { topic, partition: id };
    });
  }

  /** What is in memory is what is committed, and the producer is good. */
  get isReady(): boolean {
    return this.#ready;
  }

  /** Fences whoever had it, then reads what is committed to the end. Rejects with a KafkaError. */
  async open(): Promise<void> {
    if (this.#ended) throw new KafkaError('closed', 'this shard was left to another collector');
    await this.#producer.init();
    await this.#parts.follower.readToEnd(this.#partitions, 'uncommitted');
    this.#ready = true;
  }

  /** Never opened again: that would fence the next owner. */
  end(): void {
    this.#ended = true;
  }

  /** No more of ours: what the next owner writes is followed again. */
  giveUp(): void {
    this.#ready = false;
    for (const at of this.#partitions) this.#parts.follower.activate(at, true);
  }

  /** One transaction with those that may land. Returns the commits to try again without others. */
  async attempt(commits: readonly Commit[]): Promise<Commit[]> {
    if (!this.#ready) await this.open();
    const { topicElsewhere, settings } = this.#parts;
    const group = new GroupStage(this.#state, topicElsewhere, settings.naming);
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
    const beside = await this.#parts.beside(group, this.#id, at);
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
      const told = [...toldBatches(this.#id, at, group), ...beside.batches];
      const offsets = await this.#producer.send(
        [...data, ...copyBatches(group)],
        [...placesOfRows(this.#id, group), ...told],
      );
      group.landed(offsets.slice(0, data.length));
      const rows = rowsOf(group, this.#state);
      rows.push({ key: ['transaction'], value: transaction });
      const index = indexOf(group.moves, offsets);
      const own = [...rowBatches(this.#id, at, { rows, index }), ...told];
      const written = await this.#producer.send(own);
      end = this.#assertNext(own, written);
      await this.#producer.commit();
    } catch (error) {
      await this.#failed(error as KafkaError, transaction);
      beside.committed();
      return;
    }
    beside.committed();
    settle(group, this.#state);
    this.#state.transaction = transaction;
    follower.skipTo({ topic: ownTopics.checkpoints, partition: this.#id }, end);
  }

  /** What it stands on was all there was. Returns the end of what was written. */
  #assertNext(own: readonly OutgoingBatch[], offsets: readonly number[]): number {
    const at = { topic: ownTopics.checkpoints, partition: this.#id };
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
      this.#parts.onFenced(this.#id);
      throw error;
    }
    if (error.code !== 'uncertain') {
      await this.#producer.abort().catch(() => {});
      throw error;
    }
    await this.#untilKnown(error);
    if (this.#state.transaction?.id === transaction.id) return;
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
        return await this.open();
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
  ...writes
    .flatMap(({ segments }) => segments)
    .flatMap((segment) =>
      targetsOf(segment).map(({ topic }) => ({ topic, partition: segment.partition })),
    ),
];
