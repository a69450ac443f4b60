import { limits } from '#shared/wire/limits.ts';
import { RunsSealer } from '#shared/wire/seal-runs.ts';
import { isInternalTopic, topicProblem } from '#shared/wire/topic-name.ts';
import { DeliverError } from '../deliver-error.ts';
import type { Delivered, Delivery } from '../source/source.ts';
import { admit } from './capacity.ts';
import type { Idempotency } from './idempotency.ts';
import type { LandedPlaces } from './landed-places.ts';
import type { Ledger } from './ledger.ts';
import { inTarget } from './merge.ts';
import {
  type Item,
  isKept,
  isUnopened,
  type Placed,
  place,
  type Unkept,
  type Unopened,
} from './placing.ts';
import type { Positions } from './positions.ts';
import type { Room } from './room.ts';
import type { SealedHere, Sealer } from './sealer.ts';
import type { Weighed } from './segment.ts';
import { sourceRunBytes } from './source-run-rows.ts';
import { headPosition, type Stream, type StreamTable } from './streams.ts';

/** `wait`: there is no room, and the delivery wants to wait for it. */
export type Outcome = Delivered | DeliverError | 'wait';

export interface AppenderParts {
  alias: string;
  epoch(): string;
  streams: StreamTable;
  room: Room;
  sealer: Sealer;
  ledger: Ledger;
  positions: Positions;
  places: LandedPlaces;
  idempotency: Idempotency;
}

/** What one commit appends to one stream, in order. */
interface Lot {
  stream: Stream;
  /** Position of the first item. */
  pos: number;
  items: Item[];
}

/**
 * Many deliveries into one transaction: records of a stream that come together are sealed together.
 */
export class Appender {
  readonly #parts: AppenderParts;
  /** Counts commits: records without a key take turns with the partitions. */
  #turn = 0;

  constructor(parts: AppenderParts) {
    this.#parts = parts;
  }

  /** Within a transaction. Throws NoRoom, after which nothing of it may be kept. */
  append(deliveries: readonly Delivery[], now: number): Outcome[] {
    this.#turn += 1;
    const commit = new Commit(this.#parts, now, this.#turn);
    const outcomes = deliveries.map((delivery) => commit.take(delivery));
    commit.store();
    return outcomes;
  }
}

interface Topic {
  problem: DeliverError | undefined;
  streams: Map<number, Stream>;
}

class Commit {
  readonly #parts: AppenderParts;
  readonly #now: number;
  readonly #turn: number;
  readonly #lots = new Map<Stream, Lot>();
  /** Bytes that were promised to deliveries of this commit, before compression. */
  #promised = 0;
  readonly #promisedTo = new Map<string, number>();
  readonly #waiting = new Set<string>();
  /** Looked up once a commit, though there may be thousands of deliveries. */
  readonly #topics = new Map<string, Topic>();
  #used: number | undefined;

  constructor(parts: AppenderParts, now: number, turn: number) {
    this.#parts = parts;
    this.#now = now;
    this.#turn = turn;
  }

  take(delivery: Delivery): Outcome {
    const { topic, idempotencyKey: key, records, sourceLoss, positions } = delivery;
    const { alias, idempotency, room } = this.#parts;
    const isEmpty = records.length === 0 && !delivery.runs && sourceLoss === undefined;
    const { problem } = this.#topic(topic);
    if (problem && !isEmpty) return problem;
    const landedTo = this.#landedTo(delivery);
    if (landedTo !== undefined) return { ...nothingTaken, landedTo };
    const before = key === undefined ? undefined : idempotency.find(topic, key, this.#now);
    if (before) return before;
    const { partitions } = room.policy(topic);
    const placed = place(delivery, { alias, partitions, sticky: this.#turn % partitions });
    const refusal = this.#tooManyStreams(topic, placed) ?? this.#admit(delivery, placed.bytes);
    if (refusal) return refusal;
    for (const [partition, items] of placed.items) this.#add(topic, partition, items);
    this.#growTopic(delivery);
    if (positions) this.#parts.positions.apply(positions);
    const { accepted, declaredLost } = placed;
    const answer = { accepted, declaredLost, duplicate: false };
    if (key !== undefined) idempotency.remember(topic, key, this.#now, answer);
    return answer;
  }

  #landedTo({ topic, incarnation, from, cutBack }: Delivery): number | undefined {
    const { places } = this.#parts;
    if (incarnation === undefined) return undefined;
    if (cutBack) {
      places.cutBack({ topic, incarnation, partition: cutBack.partition }, cutBack.offset);
    }
    if (!from) return undefined;
    const next = places.next({ topic, incarnation, partition: from.partition });
    return next > from.offset ? next : undefined;
  }

  #tooManyStreams(topic: string, placed: Placed): DeliverError | undefined {
    const { streams } = this.#parts;
    let more = 0;
    for (const partition of placed.items.keys()) {
      if (!this.#stream(topic, partition)) more += 1;
    }
    if (more === 0 || streams.size + more <= limits.streamsPerEdge) return undefined;
    return new DeliverError(
      'too-many-streams',
      `topic "${topic}" would be stream ${streams.size + more}; an edge carries ` +
        `${limits.streamsPerEdge} at most: use fewer topics or partitions`,
    );
  }

  /** An empty stream stands for the last partition: so the count outlives this run. */
  #growTopic({ topic, partitions = 0 }: Delivery): void {
    const { streams, epoch } = this.#parts;
    const last = Math.min(partitions, limits.partitionsPerTopic) - 1;
    if (this.#topic(topic).problem) return;
    if (last < streams.partitionsOf(topic) || streams.size >= limits.streamsPerEdge) return;
    streams.create({ epoch: epoch(), topic, partition: last });
  }

  #topic(topic: string): Topic {
    let known = this.#topics.get(topic);
    if (known === undefined) {
      known = { problem: badTopic(topic, this.#parts.alias), streams: new Map() };
      this.#topics.set(topic, known);
    }
    return known;
  }

  #stream(topic: string, partition: number): Stream | undefined {
    const known = this.#topic(topic).streams;
    let stream = known.get(partition);
    if (stream === undefined) {
      const { epoch, streams } = this.#parts;
      stream = streams.get({ epoch: epoch(), topic, partition });
      if (stream) known.set(partition, stream);
    }
    return stream;
  }

  /** Deliveries of a topic wait in order. */
  #admit({ topic, whenFull }: Delivery, bytes: number): Outcome | undefined {
    const { room } = this.#parts;
    const answer = this.#waiting.has(topic) ? 'wait' : this.#room(topic, bytes);
    if (answer === 'fits') {
      this.#promised += bytes;
      this.#promisedTo.set(topic, (this.#promisedTo.get(topic) ?? 0) + bytes);
      return undefined;
    }
    if (answer === 'wait' && whenFull !== 'refuse') {
      this.#waiting.add(topic);
      return 'wait';
    }
    const what = answer === 'never' ? `${bytes} bytes are more than it takes at all` : 'no room';
    return new DeliverError(
      'buffer-full',
      `the buffer is full (${room.usedBytes} bytes of pages in use, topic "${topic}" does not drop): ` +
        `${what}; it goes on when central has taken something, or with a larger buffer.max_bytes`,
    );
  }

  #room(topic: string, bytes: number): 'fits' | 'wait' | 'never' {
    const { room } = this.#parts;
    this.#used ??= room.usedBytes;
    const used = this.#used + this.#promised;
    const budget = room.budget.records;
    const isCapped = !room.drops(topic) && room.capOf(topic) !== Number.POSITIVE_INFINITY;
    if (used + bytes <= budget && !isCapped) return 'fits';
    const topicBytes = room.topicBytes();
    for (const [name, more] of this.#promisedTo) {
      topicBytes.set(name, (topicBytes.get(name) ?? 0) + more);
    }
    const { drops, capOf } = room;
    return admit({ topic, bytes }, { used, budget, topicBytes, drops, capOf });
  }

  #add(topic: string, partition: number, items: readonly Item[]): void {
    const { epoch, streams } = this.#parts;
    const stream =
      this.#stream(topic, partition) ?? streams.create({ epoch: epoch(), topic, partition });
    let lot = this.#lots.get(stream);
    if (!lot) {
      lot = { stream, pos: headPosition(streams.touch(stream)) + 1, items: [] };
      this.#lots.set(stream, lot);
    }
    for (const item of items) {
      lot.items.push(item);
      const sequences = isUnopened(item) ? item.count : 1;
      stream.head += sequences;
      if (!('atSource' in item)) stream.accepted += sequences;
    }
    stream.newest = Math.max(stream.newest, this.#now);
  }

  store(): void {
    for (const lot of this.#lots.values()) {
      let run: Weighed[] = [];
      let pos = lot.pos;
      for (const item of lot.items) {
        if (isKept(item)) {
          // A segment's records have a place at their source all, or none of them.
          if (run[0] && (run[0].origin === undefined) !== (item.origin === undefined)) {
            pos = this.#storeRun(lot.stream, pos, run);
            run = [];
          }
          run.push(item);
          continue;
        }
        pos = this.#storeRun(lot.stream, pos, run);
        run = [];
        if (isUnopened(item)) pos = this.#storeUnopened(lot.stream, pos, item);
        else {
          this.#declare(lot.stream, pos, item);
          pos += 1;
        }
      }
      this.#storeRun(lot.stream, pos, run);
      this.#parts.sealer.mergeTail(lot.stream);
    }
  }

  #storeRun(stream: Stream, start: number, items: readonly Weighed[]): number {
    const { sealer } = this.#parts;
    let pos = start;
    for (const group of inTarget(items)) {
      this.#storeSealed(stream, pos, sealer.seal(stream, pos, group));
      pos += group.length;
    }
    return pos;
  }

  #storeUnopened(stream: Stream, start: number, { runs, incarnation }: Unopened): number {
    const { sealer } = this.#parts;
    const left = new RunsSealer(runs);
    let pos = start;
    while (left.left > 0) {
      const sealed = sealer.sealRuns(stream, pos, left, incarnation);
      this.#storeSealed(stream, pos, sealed);
      pos += sealed.count;
    }
    return pos;
  }

  #storeSealed(stream: Stream, pos: number, sealed: SealedHere): void {
    const { room, sealer } = this.#parts;
    room.make(stream.topic, sealed.batch.length + sealed.runs.length * sourceRunBytes);
    sealer.store(stream, pos, sealed, this.#now, this.#now);
    stream.unmerged += 1;
  }

  #declare(stream: Stream, pos: number, item: Unkept): void {
    const { bytes, reason, detail, atSource } = item;
    const { ledger } = this.#parts;
    const now = this.#now;
    if (atSource !== undefined) ledger.declareAtSource(stream, pos, atSource, detail, now);
    else ledger.declare(stream, { pos, span: 1, bytes, from: now, to: now, reason, detail });
  }
}

const nothingTaken = { accepted: 0, declaredLost: 0, duplicate: false };

function badTopic(topic: string, alias: string): DeliverError | undefined {
  const problem =
    topicProblem(topic, alias.length + 1) ??
    (isInternalTopic(topic) ? 'is a name that replication itself uses' : undefined);
  return problem ? new DeliverError('bad-topic', `topic "${topic}" ${problem}`) : undefined;
}
