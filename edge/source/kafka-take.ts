import type { Fetched } from '#shared/kafka/kafka.ts';
import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';
import { DeliverError } from '../deliver-error.ts';
import { positionKey, positionValue } from './kafka-position.ts';
import { type Chunk, chunksOf } from './kafka-records.ts';
import type { KafkaPart, KafkaTopic } from './kafka-topic.ts';
import type { Delivered, SourceContext } from './source.ts';

export interface TakeParts {
  name: string;
  alias: string;
  context: SourceContext;
  topics: ReadonlyMap<string, KafkaTopic>;
  /** Takes a partition out of the reading, and lets it in again. */
  pause(part: KafkaPart): void;
  resume(part: KafkaPart): void;
  /** It goes on at its `next`, elsewhere than behind what was read. */
  seek(part: KafkaPart): void;
  clock: Clock;
  random: () => number;
}

/** Answers that are opened and delivered at once: what bounds the memory that they inflate to. */
const slotsMost = 8;

/** Takes what was fetched into the buffer, each partition's position with its records. */
export class KafkaTake {
  readonly #parts: TakeParts;
  readonly #full = new Map<string, FullTopic>();
  readonly #stop = new AbortController();
  readonly #waiting: (() => void)[] = [];
  #slots = slotsMost;
  acceptedRecords = 0;
  /** Records that had been at central before. */
  looped = 0;

  constructor(parts: TakeParts) {
    this.#parts = parts;
  }

  /** Rejects with a DeliverError when the buffer does not take it and room would not help. */
  async take(part: KafkaPart, fetched: Fetched): Promise<void> {
    const topic = this.#parts.topics.get(part.topic);
    if (!topic || part.over) return;
    await this.#enter();
    try {
      await working(part, () => this.#takeIn(topic, part, fetched));
      this.#hasRoom(part.topic);
    } catch (error) {
      if (!isFull(error)) throw error;
      part.trouble = (error as Error).message;
      this.#wait(part);
    } finally {
      this.#leave();
    }
  }

  async #takeIn(topic: KafkaTopic, part: KafkaPart, fetched: Fetched): Promise<void> {
    const { partition, next: from } = part;
    const { batches, nextOffset: end } = fetched;
    const { alias } = this.#parts;
    for (const chunk of chunksOf(batches, { partition, from, end, alias })) {
      if (part.over || !(await this.#deliver(topic, part, chunk))) return;
    }
  }

  /**
   * A loss of the source itself, and where it goes on behind it. False where there is none: it has
   * landed, and `next` is behind that.
   */
  async lose(
    part: KafkaPart,
    loss: { records: number; detail: string; next: number },
  ): Promise<boolean> {
    const topic = this.#parts.topics.get(part.topic);
    if (!topic || part.over) return false;
    const { records, detail, next } = loss;
    const lost = { records, detail };
    return working(part, () =>
      this.#deliver(topic, part, { records: [], runs: [], looped: 0, next, lost }),
    );
  }

  /** Its log was cut back: it goes on at `next`. */
  async goBack(part: KafkaPart, next: number): Promise<void> {
    const topic = this.#parts.topics.get(part.topic);
    if (!topic || part.over) return;
    await working(part, () =>
      this.#parts.context.deliver({
        ...{ topic: topic.topic, records: [], whenFull: 'refuse' },
        ...{ incarnation: topic.incarnation, positions: this.positions(topic, [part], next) },
        cutBack: { partition: part.partition, offset: next },
      }),
    );
    // Not before: it would be read on where it was, as if from here.
    part.next = next;
    part.stored = next;
  }

  /** Writes where these partitions are, without records. */
  async keep(topic: KafkaTopic, parts: readonly KafkaPart[]): Promise<void> {
    const kept = parts.map((part) => ({ part, next: part.next }));
    const positions = this.positions(topic, parts);
    const name = topic.topic;
    await this.#parts.context.deliver({ topic: name, records: [], whenFull: 'refuse', positions });
    for (const { part, next } of kept) part.stored = next;
  }

  /** Waits for room no longer. */
  stop(): void {
    this.#stop.abort();
  }

  /** False where it has landed through another buffer: then it goes on behind that. */
  async #deliver(topic: KafkaTopic, part: KafkaPart, chunk: Chunk): Promise<boolean> {
    const { records, runs, lost, next, looped } = chunk;
    const { partition } = part;
    if (records.length > 0 || runs.length > 0 || lost) {
      const delivered = await this.#parts.context.deliver({
        ...{ topic: topic.topic, records, whenFull: 'refuse' },
        ...{ incarnation: topic.incarnation, partitions: topic.partitions },
        from: { partition, offset: part.next },
        ...(runs.length > 0 && { runs: { partition, runs } }),
        ...(lost && { sourceLoss: { ...lost, partition } }),
        positions: this.positions(topic, [part], next),
      });
      if (delivered.landedTo !== undefined) {
        part.next = delivered.landedTo;
        this.#parts.seek(part);
        return false;
      }
      this.#count(delivered);
      part.stored = next;
    }
    this.looped += looped;
    part.next = next;
    return true;
  }

  #count({ accepted }: Delivered): void {
    this.acceptedRecords += accepted;
  }

  /** These partitions' positions as the buffer keeps them; each its own, or `next`. */
  positions(topic: KafkaTopic, parts: Iterable<KafkaPart>, next?: number) {
    const { topicId, incarnation, was } = topic;
    const set = new Map<string, Buffer>();
    for (const part of parts) {
      const position = { topicId, incarnation, was, next: next ?? part.next };
      set.set(positionKey(this.#parts.name, part), positionValue(position));
    }
    return { set };
  }

  async #enter(): Promise<void> {
    if (this.#slots > 0) this.#slots -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#slots += 1;
  }

  /** One partition after the other tries again, and the first that finds room wakes them all. */
  #wait(part: KafkaPart): void {
    const { pause, random } = this.#parts;
    pause(part);
    const full = this.#full.get(part.topic) ?? {
      ...{ parts: new Set(), asked: false },
      backoff: new Backoff({ baseMs: 200, maxMs: 2_000, random }),
    };
    this.#full.set(part.topic, full);
    full.parts.add(part);
    if (!full.asked) void this.#ask(full);
  }

  async #ask(full: FullTopic): Promise<void> {
    const { clock, resume } = this.#parts;
    full.asked = true;
    for (const part of full.parts) {
      await clock.sleep(full.backoff.next(), this.#stop.signal).catch(() => undefined);
      if (this.#stop.signal.aborted) return;
      full.parts.delete(part);
      resume(part);
    }
    full.asked = false;
  }

  #hasRoom(topic: string): void {
    const full = this.#full.get(topic);
    if (!full) return;
    this.#full.delete(topic);
    const parts = [...full.parts];
    full.parts.clear();
    for (const part of parts) this.#parts.resume(part);
  }

  /** It waits for room, and is not to be read meanwhile. */
  isWaiting(part: KafkaPart): boolean {
    return this.#full.get(part.topic)?.parts.has(part) === true;
  }
}

/** Whoever puts an end to the partition waits for it. */
async function working<T>(part: KafkaPart, task: () => Promise<T>): Promise<T> {
  const work = task();
  part.work = work.catch(() => undefined);
  return work.finally(() => {
    part.work = undefined;
  });
}

interface FullTopic {
  parts: Set<KafkaPart>;
  /** One of them is about to try again. */
  asked: boolean;
  backoff: Backoff;
}

const isFull = (error: unknown): boolean =>
  error instanceof DeliverError && (error.code === 'buffer-full' || error.code === 'disk-full');
