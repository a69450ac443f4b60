import type { Clock } from '#shared/std/clock.ts';
import { Signal } from '#shared/std/signal.ts';
import { type SegmentsAnswer, streamKey } from '#shared/wire/link.ts';
import type { ReadBatch, RecordBuffer } from '../buffer/buffer.ts';
import type { BatchSize } from './batch-size.ts';
import { type LinkClient, LinkError } from './client.ts';
import type { HeldStreams } from './held-streams.ts';
import type { RateCap } from './rate-cap.ts';

/** Rewinds in a row without any progress after which the session itself is in doubt. */
const fruitlessRewindsMax = 3;

interface Flight {
  batch: ReadBatch;
  answer: Promise<SegmentsAnswer>;
}

export interface PumpOptions {
  buffer: RecordBuffer;
  client: LinkClient;
  clock: Clock;
  size: BatchSize;
  cap: RateCap | undefined;
  held: HeldStreams;
  onAnswer: (batch: ReadBatch) => void;
}

/**
 * Carries the backlog of one session: read, post, apply what central says, in that order per
 * stream. A second request may follow the first while there is more than one can hold; should they
 * arrive in the wrong order, central answers `gap` and we go back to our cursors. Nothing is
 * deleted here but by an acknowledgement of central's committed transaction.
 */
export class Pump {
  readonly #options: PumpOptions;
  readonly #appended = new Signal();
  /** Of the newest answer. */
  #acknowledging: Promise<void> | undefined;
  #idle = false;
  #idleListeners: (() => void)[] = [];

  constructor(options: PumpOptions) {
    this.#options = options;
    options.buffer.onAppended(() => this.#appended.notify());
  }

  /**
   * Runs until the link or the session fails (throws LinkError) or `signal` aborts (throws its
   * reason).
   */
  async run(session: string, signal: AbortSignal): Promise<never> {
    const next = new Map<string, number>();
    const flights: Flight[] = [];
    const abandoned = new AbortController();
    const either = AbortSignal.any([signal, abandoned.signal]);
    let fruitless = 0;
    try {
      for (;;) {
        signal.throwIfAborted();
        if (await this.#fill(flights, next, session, either)) continue;
        const flight = flights.shift();
        if (!flight) {
          await this.#waitForMore(signal);
          continue;
        }
        let outcome = await this.#land(flight);
        if (!outcome.rewind) continue;
        for (const later of flights.splice(0)) {
          const also = await this.#land(later);
          outcome = { rewind: true, progress: outcome.progress || also.progress };
        }
        next.clear();
        fruitless = outcome.progress ? 0 : fruitless + 1;
        if (fruitless >= fruitlessRewindsMax) {
          throw new LinkError('hello', 'central expects sequences that this session cannot give');
        }
      }
    } finally {
      this.#idle = false;
      abandoned.abort(new LinkError('unreachable', 'given up beside a failed request'));
      await Promise.allSettled(flights.map((flight) => flight.answer));
    }
  }

  /**
   * Resolves when everything appended so far is acknowledged but for what central holds, or rejects
   * when aborted.
   */
  drained(signal: AbortSignal): Promise<void> {
    if (this.#idle) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#idleListeners.push(resolve);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }

  /** Puts one more request on the link; false when there is nothing to send or no room for it. */
  async #fill(
    flights: Flight[],
    next: Map<string, number>,
    session: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { buffer, size, cap, held, clock } = this.#options;
    const ahead = flights.at(-1);
    if (ahead && (flights.length > 1 || size.slow || !ahead.batch.more)) return false;
    const except = held.keys(clock.monotonic());
    // Behind the acknowledgement, which is not waited for twice: the buffer works in turn.
    const [batch] = await Promise.all([
      buffer.read({ from: next, except, maxBytes: size.target }),
      this.#acknowledged(),
    ]);
    if (batch.frames.length === 0) return false;
    for (const frame of batch.frames) next.set(streamKey(frame), frame.first + frame.span);
    await cap?.take(batch.body.length, signal);
    const answer = this.#post(batch, session, signal);
    // It is awaited in its turn; until then a failure must not count as unhandled.
    answer.catch(() => {});
    flights.push({ batch, answer });
    return true;
  }

  async #post(batch: ReadBatch, session: string, signal: AbortSignal): Promise<SegmentsAnswer> {
    const { client, clock, size, onAnswer } = this.#options;
    const bytes = batch.body.length;
    const sentAt = clock.monotonic();
    const answer = await client.segments(
      session,
      batch.body,
      batch.acceptClock,
      size.timeoutFor(bytes),
      signal,
    );
    size.succeeded(bytes, clock.monotonic() - sentAt);
    onAnswer(batch);
    return answer;
  }

  async #land(flight: Flight): Promise<{ rewind: boolean; progress: boolean }> {
    let answer: SegmentsAnswer;
    try {
      answer = await flight.answer;
    } catch (error) {
      await this.#shrink(flight.batch, error);
      throw error;
    }
    return this.#apply(flight.batch, answer);
  }

  /**
   * Central's word becomes ours: ledger first, cursors second, so that a crash between repeats it.
   */
  async #apply(
    batch: ReadBatch,
    answer: SegmentsAnswer,
  ): Promise<{ rewind: boolean; progress: boolean }> {
    const { buffer, held, clock } = this.#options;
    let rewind = false;
    for (const said of answer.verdicts) {
      const frame = batch.frames[said.index];
      if (!frame) throw new LinkError('unreachable', `central judged frame ${said.index} of none`);
      if (said.verdict === 'clipped') await buffer.clip(frame, frame.first, said.landed);
      else if (said.verdict === 'refused') {
        await buffer.refuse(frame, frame.first, said.code, said.message);
        rewind = true;
      } else if (said.verdict === 'overlap') {
        await buffer.cut(frame, said.expected);
        rewind = true;
      } else if (said.verdict === 'held') {
        held.hold(frame, said.message, clock.monotonic());
        rewind = true;
      } else if (said.verdict === 'gap') rewind = true;
    }
    await this.#acknowledged();
    if (answer.acks.length > 0) this.#acknowledging = buffer.acknowledge(answer.acks);
    // Whoever waits for it next is told; until then a failure must not count as unhandled.
    this.#acknowledging?.catch(() => {});
    if (rewind) await this.#acknowledged();
    const stuck = answer.verdicts.filter((said) => said.verdict === 'gap').length;
    return { rewind, progress: stuck < batch.frames.length };
  }

  /**
   * A request that failed was too much for this link: ask for less, and cut what is a frame alone.
   */
  async #shrink(batch: ReadBatch, error: unknown): Promise<void> {
    const { buffer, size } = this.#options;
    if (!(error instanceof LinkError)) return;
    if (error.code !== 'unreachable' && error.code !== 'too-large') return;
    const target = size.target;
    size.failed();
    const [only] = batch.frames;
    const alone = batch.frames.length === 1 && only && only.bytes > target && only.span > 1;
    if (alone && only.kind === 'segment') {
      await buffer.cut(only, only.first + Math.floor(only.span / 2));
    }
  }

  #acknowledged(): Promise<void> | undefined {
    const acknowledging = this.#acknowledging;
    this.#acknowledging = undefined;
    return acknowledging;
  }

  async #waitForMore(signal: AbortSignal): Promise<void> {
    await this.#acknowledged();
    this.#idle = true;
    for (const listener of this.#idleListeners.splice(0)) listener();
    await this.#news(signal);
    this.#idle = false;
  }

  /** More was appended, or a stream that was held may be tried again. */
  async #news(signal: AbortSignal): Promise<void> {
    const { held, clock } = this.#options;
    const until = held.next;
    if (until === undefined) return this.#appended.wait(signal);
    const done = new AbortController();
    const either = AbortSignal.any([signal, done.signal]);
    const waits = [
      this.#appended.wait(either),
      clock.sleep(Math.max(0, until - clock.monotonic()), either),
    ];
    try {
      await Promise.race(waits);
    } finally {
      for (const wait of waits) wait.catch(() => {});
      done.abort();
    }
  }
}
