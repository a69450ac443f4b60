import type { Clock } from '#shared/std/clock.ts';
import { AcceptClock } from './accept-clock.ts';
import type { BufferIdentity, ForkOrder } from './buffer.ts';
import { type ForkParts, fork } from './fork.ts';
import { Identity } from './identity.ts';
import type { Meta } from './meta.ts';
import { doubtSent, type Retired } from './streams.ts';
import type { Transactions } from './transactions.ts';
import { noteRuns } from './unconfirmed-runs.ts';

export interface RunsParts extends ForkParts {
  meta: Meta;
  transactions: Transactions;
  clock: Clock;
  newId: () => string;
}

/** The clock's mark is written this often, on the way of another write, ms. */
const markEveryMs = 60_000;

/**
 * One run of the agent after another: sessions and epochs, and the clock that goes on over them.
 */
export class Runs {
  readonly #parts: RunsParts;
  readonly #identity: Identity;
  readonly #acceptClock: AcceptClock;
  #retired: Retired = { accepted: 0, acked: 0, lost: 0 };
  #markedAt = 0;

  /** Begins a run. */
  constructor(parts: RunsParts) {
    const { meta, streams, clock, newId, transactions } = parts;
    this.#parts = parts;
    this.#identity = new Identity(meta, newId);
    const accept = meta.number('clock_accept');
    const wall = meta.number('clock_wall');
    const mark = accept === null || wall === null ? undefined : { accept, wall };
    const newest = Math.max(0, ...[...streams].map((stream) => stream.newest));
    this.#acceptClock = new AcceptClock(clock, mark, newest);
    this.#readRetired();
    this.#identity.adopt(transactions.durably('open', () => this.#begin(false)));
    this.#readRetired();
  }

  get identity(): BufferIdentity {
    return this.#identity.current;
  }

  get retired(): Retired {
    return this.#retired;
  }

  /** Accept clock, ms. */
  now(): number {
    return this.#acceptClock.now();
  }

  /** A central let this session in: what is appended under it is common knowledge. */
  confirm(centralId: string): void {
    if (this.#identity.isConfirmed && this.identity.centralId === centralId) return;
    const { transactions } = this.#parts;
    this.#identity.adopt(transactions.durably('confirm', () => this.#identity.confirm(centralId)));
  }

  /** See RecordBuffer.fork: as if the agent had been started again, in a new epoch. */
  fork({ scope, keep, sources, sourcesAt }: ForkOrder): number {
    const { transactions, places } = this.#parts;
    let landed = 0;
    this.#identity.adopt(
      transactions.durably('fork', () => {
        const epoch = this.#identity.newEpoch();
        places.put(sources ?? []);
        landed = fork(this.#parts, { scope, keep, epoch });
        if (sourcesAt !== undefined) this.#identity.told(sourcesAt);
        return this.#begin(epoch);
      }),
    );
    this.#readRetired();
    return landed;
  }

  /** Remembers where the clock is. Within a transaction. */
  mark(): void {
    const { accept, wall } = this.#acceptClock.mark();
    this.#parts.meta.set('clock_accept', accept);
    this.#parts.meta.set('clock_wall', wall);
    this.#markedAt = this.#parts.clock.monotonic();
  }

  markNowAndThen(): void {
    if (this.#parts.clock.monotonic() - this.#markedAt > markEveryMs) this.mark();
  }

  /**
   * A new session. If the last one was confirmed, all it left behind is shared with its central.
   */
  #begin(epoch: string | false): BufferIdentity {
    const { streams } = this.#parts;
    const wasConfirmed = this.#identity.isConfirmed;
    for (const stream of streams) {
      const confirmed = wasConfirmed ? stream.head : Math.min(stream.confirmed, stream.head);
      if (stream.confirmed !== confirmed) streams.touch(stream).confirmed = confirmed;
      doubtSent(stream);
    }
    const { session } = this.#identity.current;
    const last = wasConfirmed || session === '' ? null : session;
    const unconfirmed = noteRuns(this.#parts.meta, streams, last);
    const identity = this.#identity.begin(epoch);
    this.#retire(identity.epoch);
    this.mark();
    return { ...identity, unconfirmed };
  }

  /** Streams of older epochs with nothing left go; their counters stay. */
  #retire(epoch: string): void {
    const { streams, meta } = this.#parts;
    const { accepted, acked, lost } = this.#retired;
    const sum = { accepted, acked, lost };
    for (const stream of [...streams]) {
      if (stream.epoch === epoch || stream.cursor < stream.head) continue;
      sum.accepted += stream.accepted;
      sum.acked += stream.acked;
      sum.lost += stream.lost;
      streams.remove(stream);
    }
    meta.set('retired_accepted', sum.accepted);
    meta.set('retired_acked', sum.acked);
    meta.set('retired_lost', sum.lost);
  }

  #readRetired(): void {
    const { meta } = this.#parts;
    this.#retired = {
      accepted: meta.number('retired_accepted') ?? 0,
      acked: meta.number('retired_acked') ?? 0,
      lost: meta.number('retired_lost') ?? 0,
    };
  }
}
