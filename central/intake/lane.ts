import { type StreamId, streamKey } from '#shared/wire/link.ts';
import type {
  AliasState,
  AliasWrite,
  Checkpoint,
  LandedWrite,
  Landing,
} from '../landing/landing.ts';
import { Churn } from './churn.ts';
import { ofLanding, Refusal } from './refusal.ts';

/** Requests of one alias that wait for their turn; an agent has two or three under way. */
const waitingMax = 16;

/** What is committed for an alias: loaded once, then moved only by what a commit returned. */
export interface LaneState extends Omit<AliasState, 'checkpoints'> {
  checkpoints: Map<string, Checkpoint>;
  /** The newest heartbeat committed since the state was loaded. */
  heartbeat: { session: string; number: number } | undefined;
}

/**
 * One alias: its requests one after the other, on what is committed. Aliases run beside each other.
 */
export class Lane {
  readonly alias: string;
  readonly churn = new Churn();
  readonly #landing: Landing;
  #state: LaneState | undefined;
  #loaded = false;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(alias: string, landing: Landing) {
    this.alias = alias;
    this.#landing = landing;
  }

  get idle(): boolean {
    return this.#waiting === 0;
  }

  /** What is known without asking the landing; undefined: not loaded, or nothing there. */
  get known(): LaneState | undefined {
    return this.#state;
  }

  /** Runs `task` when all before it are done. Throws a Refusal when too many wait. */
  run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#waiting >= waitingMax) {
      throw new Refusal(429, 'too-much-at-once', `${waitingMax} requests are waiting already`, {
        retryAfterSeconds: 1,
      });
    }
    this.#waiting += 1;
    const result = this.#last.then(task).finally(() => {
      this.#waiting -= 1;
    });
    this.#last = result.catch(() => {});
    return result;
  }

  /** Resolves when all that was asked for by now is done. */
  async done(): Promise<void> {
    await this.#last;
  }

  /** Within `run`. undefined when the alias never said hello. */
  async state(): Promise<LaneState | undefined> {
    if (this.#loaded) return this.#state;
    const state = await asRefusal(this.#landing.load(this.alias));
    this.#state = state && {
      ...state,
      checkpoints: new Map(state.checkpoints.map((row) => [streamKey(row), row])),
      heartbeat: undefined,
    };
    this.#loaded = true;
    return this.#state;
  }

  /** Within `run`. Durable when resolved. A Refusal says what the edge is to do when it is not. */
  async commit(write: Omit<AliasWrite, 'alias'>): Promise<LandedWrite> {
    try {
      const [landed] = await this.#landing.commit([{ ...write, alias: this.alias }]);
      this.#apply(write, landed!);
      return landed!;
    } catch (error) {
      // Whatever it was: what is committed now is the landing's to say.
      this.forget();
      throw ofLanding(error);
    }
  }

  forget(): void {
    this.#loaded = false;
    this.#state = undefined;
  }

  #apply(write: Omit<AliasWrite, 'alias'>, landed: LandedWrite): void {
    const state = this.#state;
    if (write.remove || !state) {
      this.forget();
      return;
    }
    if (write.session)
      Object.assign(state, write.session, { sessionUsed: false, adoptAllowed: false });
    Object.assign(state, write.flags);
    for (const checkpoint of landed.checkpoints) {
      state.checkpoints.set(streamKey(checkpoint), checkpoint);
      state.sessionUsed = true;
    }
    if (write.heartbeat) {
      const { session, number } = write.heartbeat.heartbeat;
      state.heartbeat = { session, number };
    }
  }
}

export const throughOf = (state: LaneState | undefined, stream: StreamId): number =>
  state?.checkpoints.get(streamKey(stream))?.through ?? -1;

const asRefusal = <T>(promise: Promise<T>): Promise<T> =>
  promise.catch((error: unknown) => {
    throw ofLanding(error);
  });
