import type { Connections } from './connections.ts';
import { brokerError } from './error-codes.ts';
import { type FetchAnswerPartition, type FetchRequest, fetchApi } from './fetch-api.ts';
import { FetchLanes } from './fetch-lanes.ts';
import { FetchTurns } from './fetch-turns.ts';
import {
  type Fetched,
  type FetchOptions,
  type FetchPosition,
  KafkaError,
  type KafkaReads,
} from './kafka.ts';
import { splitRecordSet } from './record-set.ts';

export interface ReadsDeps {
  connections: Pick<Connections, 'send' | 'view'>;
  requestTimeoutMs: number;
}

/** What brokers before 2.8 call every topic. */
const noId = '0'.repeat(32);
const partitionBytesDefault = 1024 * 1024;
const answerBytesDefault = 8 * 1024 * 1024;

/** One leader's part of a round; `index`: place among all positions. */
interface Asked extends FetchPosition {
  index: number;
}

/** `KafkaReads` over the connections: see there. */
export class LeaderReads implements KafkaReads {
  readonly #deps: ReadsDeps;
  readonly #lanes = new FetchLanes();
  readonly #turns = new FetchTurns();

  constructor(deps: ReadsDeps) {
    this.#deps = deps;
  }

  async fetch(positions: readonly FetchPosition[], options: FetchOptions): Promise<Fetched[]> {
    if (options.signal?.aborted) throw givenUp();
    const round = this.#round(positions, options);
    return options.signal ? orAborted(round, options.signal) : round;
  }

  async #round(positions: readonly FetchPosition[], options: FetchOptions): Promise<Fetched[]> {
    const leaders = await this.#deps.connections.view.leaders(positions);
    const fetched: Fetched[] = [];
    const byLeader = new Map<number, Asked[]>();
    for (const [index, position] of positions.entries()) {
      const leader = leaders[index]!;
      if (leader instanceof KafkaError) {
        fetched[index] = failed(position, leader);
        continue;
      }
      const asked = byLeader.get(leader) ?? [];
      byLeader.set(leader, asked);
      asked.push({ ...position, index });
    }
    const requests = [...byLeader].map(async ([node, asked]) => {
      const answers = await this.#ask(node, asked, options);
      for (const [i, { index }] of asked.entries()) fetched[index] = answers[i]!;
    });
    await Promise.all(requests);
    this.#turns.forget(positions.length);
    return fetched;
  }

  /** What the broker answered about each of `asked`, in their order. */
  async #ask(node: number, asked: readonly Asked[], options: FetchOptions): Promise<Fetched[]> {
    const { connections, requestTimeoutMs } = this.#deps;
    const api = fetchApi(requestOf(this.#turns.order(asked), options));
    const lane = this.#lanes.take(node);
    try {
      const timeoutMs = options.maxWaitMs + requestTimeoutMs;
      const answer = await connections.send({ node }, api, { timeoutMs, lane });
      const answered = new Map(answer.partitions.map((one) => [key(one.topic, one), one]));
      return asked.map((position) => {
        const one =
          answered.get(key(position.topic, position)) ??
          answered.get(key(position.topicId ?? '', position));
        const fetched = one ? this.#read(position, one, options) : notAnswered(position, node);
        if (fetched.nextOffset > position.offset) this.#turns.served(position);
        return fetched;
      });
    } catch (error) {
      if (!(error instanceof KafkaError) || error.code === 'closed') throw error;
      return asked.map((position) => {
        connections.view.forgetLeader(position);
        return failed(position, error);
      });
    } finally {
      this.#lanes.giveBack(node, lane);
    }
  }

  #read(position: Asked, one: FetchAnswerPartition, { isolation }: FetchOptions): Fetched {
    const { topic, partition, offset } = position;
    const { highWatermark, lastStableOffset, logStartOffset } = one;
    const place = { topic, partition, highWatermark, lastStableOffset, logStartOffset };
    if (one.errorCode !== 0) {
      const error = this.#refused(position, one.errorCode);
      return { ...place, error, batches: [], nextOffset: offset };
    }
    const { aborted, records: bytes } = one;
    return { ...place, ...splitRecordSet({ topic, partition, offset, isolation, aborted, bytes }) };
  }

  #refused(position: Asked, code: number): KafkaError {
    const { topic, partition } = position;
    const error = brokerError(code, `fetching from offset ${position.offset}`, {
      topic,
      partition,
    });
    if (error.code !== 'unavailable' && error.code !== 'missing') return error;
    this.#deps.connections.view.forgetLeader(position);
    if (error.code === 'unavailable') return error;
    // a broker that no longer has it says so too: whether it exists, the metadata tell next time
    const { kafkaCode, message } = error;
    return new KafkaError('unavailable', message, { topic, partition, kafkaCode: kafkaCode! });
  }
}

const key = (topic: string, { partition }: { partition: number }): string =>
  `${topic} ${partition}`;

function requestOf(asked: readonly Asked[], options: FetchOptions): FetchRequest {
  const topics: { topic: string; id: string | undefined; partitions: Partition[] }[] = [];
  for (const { topic, topicId, partition, offset, maxBytes } of asked) {
    const id = topicId === noId ? undefined : topicId;
    let last = topics.at(-1);
    if (last?.topic !== topic) {
      last = { topic, id, partitions: [] };
      topics.push(last);
    }
    last.partitions.push({ partition, offset, maxBytes: maxBytes ?? partitionBytesDefault });
  }
  const { maxWaitMs, minBytes = 1, maxBytes = answerBytesDefault, isolation } = options;
  return { maxWaitMs, minBytes, maxBytes, isolation, topics };
}

type Partition = { partition: number; offset: number; maxBytes: number };

function failed({ topic, partition, offset }: FetchPosition, cause: KafkaError): Fetched {
  const { code, message, kafkaCode } = cause;
  const about = { topic, partition, cause, ...(kafkaCode === null ? {} : { kafkaCode }) };
  const error = cause.topic === topic ? cause : new KafkaError(code, message, about);
  const unknown = { highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 };
  return { topic, partition, error, ...unknown, batches: [], nextOffset: offset };
}

const notAnswered = (position: FetchPosition, node: number): Fetched =>
  failed(position, new KafkaError('unavailable', `broker ${node} left it out of its answer`));

const givenUp = (): KafkaError => new KafkaError('closed', 'the fetch was given up');

/** The request stays under way, and its lane taken, until the broker has answered. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(givenUp());
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
