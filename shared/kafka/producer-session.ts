import type { Clock } from '#shared/std/clock.ts';
import { partitionKey } from './by-topic.ts';
import type { Connections } from './connections.ts';
import { KafkaError, type OutgoingBatch, type TopicPartition } from './kafka.ts';
import { asUnavailable } from './produce-api.ts';
import { awaited, type Outgoing, ProducePipe } from './produce-pipe.ts';
import { retrying } from './retrying.ts';
import { stampBatch } from './stamped-batch.ts';
import { addPartitionsToTxn, endTxn, type ProducerIdentity } from './transaction-apis.ts';

export interface SessionOptions {
  connections: Connections;
  clock: Clock;
  transactionalId: string;
  identity: ProducerIdentity;
  requestTimeoutMs: number;
  lane: string;
}

/** Coordinators are busy with the markers of the transaction before, for a few milliseconds. */
const addPauseMs = [3, 20] as const;
/** A topic that the cluster has and the coordinator does not know yet. */
const unknownTopicMs = 2000;

/** What says nothing about the transaction but that somebody else or later must be asked. */
const askAgain: readonly (string | null)[] = [
  'CONCURRENT_TRANSACTIONS',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
];

/**
 * What one init gave: an identity, and the transactions written with it, one after the other. Its
 * first failure ends it for good; the producer begins another one.
 */
export class ProducerSession {
  readonly #options: SessionOptions;
  readonly #pipes = new Map<number, ProducePipe>();
  readonly #sequences = new Map<string, number>();
  /** Partitions in the open transaction. */
  readonly #added = new Set<string>();
  readonly #unanswered = new Set<Promise<unknown>>();
  /** Sends go out in the order of the calls, though each may wait for the coordinator first. */
  #turn: Promise<void> = Promise.resolve();
  #lost: KafkaError | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  async send(
    batches: readonly OutgoingBatch[],
    soon: readonly TopicPartition[] = [],
  ): Promise<number[]> {
    const outgoing = batches.map(awaited);
    const items = outgoing.map(({ item }) => item);
    const turn = this.#turn.then(() => this.#dispatch(items, soon));
    const offsets = outgoing.map(({ offset }) => offset);
    const settled = Promise.allSettled(offsets);
    // Sends that follow fail by `#lost`, not by what this one says.
    this.#turn = turn.catch((cause: KafkaError) => {
      this.#fail(cause);
      for (const item of items) item.reject(cause);
    });
    this.#unanswered.add(settled);
    settled.then(() => this.#unanswered.delete(settled));
    return Promise.all(offsets);
  }

  async commit(): Promise<void> {
    await this.#quiet();
    if (this.#lost) throw this.#afterwards();
    if (this.#added.size === 0) return;
    this.#added.clear();
    let uncertain: KafkaError | undefined;
    try {
      await this.#retry(async () => {
        await this.#endTxn(true).catch((error: KafkaError) => {
          if (mayHaveHappened(error)) uncertain ??= error;
          throw error;
        });
      }, endIsAskedAgain);
    } catch (cause) {
      const error = uncertain ? notKnown(uncertain, cause as KafkaError) : (cause as KafkaError);
      this.#fail(error);
      throw error;
    }
    // The unanswered request may still arrive, and must not end a transaction that begins now.
    if (uncertain) this.#fail(uncertain);
  }

  async abort(): Promise<void> {
    await this.#quiet();
    const open = this.#added.size > 0;
    this.#added.clear();
    if (this.#lost?.code === 'fenced' || this.#lost?.code === 'closed') throw this.#lost;
    if (!open) return;
    try {
      await this.#retry(() => this.#endTxn(false), notAnswered);
    } catch (cause) {
      const error = cause as KafkaError;
      this.#fail(error);
      if (error.code === 'fenced' || error.code === 'closed') throw error;
    }
  }

  /** Nothing of it goes out any more. */
  end(): void {
    this.#fail(new KafkaError('fatal', 'the producer was initialised again'));
  }

  async #dispatch(items: readonly Outgoing[], soon: readonly TopicPartition[]): Promise<void> {
    if (this.#lost) throw this.#afterwards();
    const leaders = await this.#options.connections.view.leaders(items);
    const missing = leaders.find((leader) => typeof leader !== 'number');
    if (missing) throw missing;
    await this.#add([...items, ...soon]);
    const nodes = new Map<number, Outgoing[]>();
    items.forEach((item, i) => {
      const node = leaders[i] as number;
      const list = nodes.get(node);
      if (list) list.push(item);
      else nodes.set(node, [item]);
    });
    await Promise.all([...nodes.keys()].map((node) => this.#openPipe(node)));
    if (this.#lost) throw this.#afterwards();
    for (const [node, list] of nodes) this.#pipes.get(node)!.push(list);
  }

  /** All that are new to the transaction, in one request. */
  async #add(places: readonly TopicPartition[]): Promise<void> {
    const fresh = new Map<string, TopicPartition>();
    for (const place of places) {
      const key = partitionKey(place);
      if (!this.#added.has(key)) fresh.set(key, place);
    }
    if (fresh.size === 0) return;
    const { connections, clock, transactionalId, identity } = this.#options;
    const request = addPartitionsToTxn(transactionalId, identity, [...fresh.values()]);
    const startedMs = clock.monotonic();
    try {
      await this.#retry(
        () => connections.send({ transaction: transactionalId }, request),
        (error) =>
          askAgain.includes(error.kafkaCode) ||
          (error.code === 'missing' && clock.monotonic() - startedMs < unknownTopicMs),
      );
    } catch (cause) {
      const error = cause as KafkaError;
      if (error.code !== 'missing') throw error;
      for (const item of fresh.values()) connections.view.forgetLeader(item);
      throw asUnavailable(error);
    }
    for (const key of fresh.keys()) this.#added.add(key);
  }

  async #openPipe(node: number): Promise<void> {
    const before = this.#pipes.get(node);
    if (before && !before.over) return;
    const { connections, identity, lane, transactionalId, requestTimeoutMs } = this.#options;
    const doubt = (error: KafkaError) => {
      if (error.code === 'unavailable') connections.view.forgetLedBy(node);
    };
    const connection = await connections.connect({ node }, lane).catch((error: KafkaError) => {
      doubt(error);
      throw error;
    });
    const pipe = new ProducePipe({
      connection,
      transactionalId,
      timeoutMs: requestTimeoutMs,
      stamp: (item) => {
        const key = partitionKey(item);
        const stamped = stampBatch(item.batch, identity, this.#sequences.get(key) ?? 0);
        this.#sequences.set(key, stamped.nextSequence);
        return stamped;
      },
      isFenced: () => this.#isFenced(),
      onFailure: (error) => {
        doubt(error);
        this.#fail(error);
      },
    });
    this.#pipes.set(node, pipe);
  }

  /** Ends the transaction, which is lost anyway. Where nobody answers the leader is believed. */
  #isFenced(): Promise<boolean> {
    return this.#retry(() => this.#endTxn(false), notAnswered).then(
      () => false,
      ({ code }: KafkaError) => code !== 'fatal',
    );
  }

  #endTxn(commit: boolean): Promise<void> {
    const { connections, transactionalId, identity } = this.#options;
    return connections.send(
      { transaction: transactionalId },
      endTxn(transactionalId, identity, commit),
    );
  }

  #retry(attempt: () => Promise<void>, when: (error: KafkaError) => boolean): Promise<void> {
    const { clock, requestTimeoutMs } = this.#options;
    // An attempt may take the whole timeout; after it there must be another.
    return retrying(attempt, { clock, forMs: 1.5 * requestTimeoutMs, when, pauseMs: addPauseMs });
  }

  /** Everything that was sent is answered, or has failed. */
  async #quiet(): Promise<void> {
    await this.#turn;
    await Promise.all(this.#unanswered);
  }

  #fail(error: KafkaError): void {
    if (this.#lost) return;
    this.#lost = error;
    for (const pipe of this.#pipes.values()) pipe.stop(this.#afterwards());
  }

  /** For those that failed because something else had. */
  #afterwards(): KafkaError {
    const cause = this.#lost!;
    const code = cause.code === 'fenced' || cause.code === 'closed' ? cause.code : 'unavailable';
    return new KafkaError(code, `the transaction is lost: ${cause.message}`, { cause });
  }
}

const notAnswered = (error: KafkaError): boolean => askAgain.includes(error.kafkaCode);

const endIsAskedAgain = (error: KafkaError): boolean =>
  error.code === 'uncertain' || error.code === 'unavailable';

/**
 * The coordinator calls itself unavailable also when its own log did not confirm in time what it
 * had written (TransactionStateManager.appendTransactionToLog).
 */
const mayHaveHappened = (error: KafkaError): boolean =>
  error.code === 'uncertain' ||
  error.kafkaCode === 'COORDINATOR_NOT_AVAILABLE' ||
  error.kafkaCode === 'NOT_COORDINATOR' ||
  error.kafkaCode === 'REQUEST_TIMED_OUT' ||
  error.kafkaCode === 'UNKNOWN_SERVER_ERROR';

function notKnown(first: KafkaError, last: KafkaError): KafkaError {
  return new KafkaError('uncertain', `the commit may or may not have happened: ${last.message}`, {
    cause: first,
    kafkaCode: last.kafkaCode ?? undefined,
  });
}
