import { expect } from 'vitest';
import type { AliasWrite, Landing, LandingError, TopicRow } from '#central/landing/landing.ts';

/** One landing under test and what a test may do to it. */
export interface LandingHarness {
  /** The one that is open now. */
  readonly landing: Landing;
  /** Central's wall clock, ms. */
  now(): number;
  /** Lets time pass for the landing; what falls due begins, and need not have ended. */
  advance(ms: number): void;
  /** Closes it in good order and opens it again. */
  reopen(): Promise<void>;
  /** Opens again what is durable, as after the death of its process. */
  crash(): Promise<void>;
  /**
   * The next commit dies before its step `n` (from 0), as its process would. Missing where the kind
   * has no seams. `stepped` tells whether it came to that.
   */
  failAt?(n: number): { stepped(): boolean };
  close(): Promise<void>;
}

export interface LandingKind {
  name: string;
  /** No offset is left out (Kafka's transaction markers take one each). */
  dense: boolean;
  /** It drops what is old itself, on the harness's time (Kafka's brokers do, on their own). */
  retains: boolean;
  /** A commit can be ended between any two of its steps. */
  seams: boolean;
  open(options: { retentionMs: number }): Promise<LandingHarness>;
}

export const retentionMs = 3_600_000;

/** What the tests of the contract use; the harness is another one in each test. */
export class LandingBench {
  readonly kind: LandingKind;
  #harness: LandingHarness | undefined;

  constructor(kind: LandingKind) {
    this.kind = kind;
  }

  async open(): Promise<void> {
    this.#harness = await this.kind.open({ retentionMs });
  }

  async close(): Promise<void> {
    await this.#harness?.close();
    this.#harness = undefined;
  }

  get harness(): LandingHarness {
    return this.#harness!;
  }

  get landing(): Landing {
    return this.harness.landing;
  }

  now(): number {
    return this.harness.now();
  }

  async topicRow(topic: string): Promise<TopicRow | undefined> {
    return (await this.landing.topics()).find((row) => row.topic === topic);
  }

  /** Why a commit is rejected; fails the test when it is taken. */
  commitError(...writes: AliasWrite[]): Promise<LandingError> {
    return this.landing.commit(writes).then(
      () => expect.unreachable('the commit was taken'),
      (error) => error,
    );
  }
}
