import { Refusal } from './refusal.ts';

/**
 * Bytes of request bodies in memory, over all edges and for each of them, counted as they arrive: a
 * peer that announces much and sends little takes little. What would go beyond is refused, before
 * the body is read where its length is announced.
 */
export class MemoryBudget {
  readonly #totalMax: number;
  readonly #perAliasMax: number;
  readonly #used = new Map<string, number>();
  #total = 0;

  constructor(options: { totalMax: number; perAliasMax: number }) {
    this.#totalMax = options.totalMax;
    this.#perAliasMax = options.perAliasMax;
  }

  get totalBytes(): number {
    return this.#total;
  }

  /** Throws a Refusal when `bytes` more have no room now. */
  assertRoom(alias: string, bytes: number): void {
    if ((this.#used.get(alias) ?? 0) + bytes > this.#perAliasMax) {
      throw new Refusal(429, 'too-much-at-once', `"${alias}" has too much under way already`, {
        retryAfterSeconds: 1,
      });
    }
    if (this.#total + bytes > this.#totalMax) {
      throw new Refusal(503, 'overloaded', 'all sites together send more than fits into memory', {
        retryAfterSeconds: 2,
      });
    }
  }

  /** Throws a Refusal, and counts nothing, when there is no room. */
  take(alias: string, bytes: number): void {
    this.assertRoom(alias, bytes);
    this.#used.set(alias, (this.#used.get(alias) ?? 0) + bytes);
    this.#total += bytes;
  }

  release(alias: string, bytes: number): void {
    const left = (this.#used.get(alias) ?? 0) - bytes;
    if (left > 0) this.#used.set(alias, left);
    else this.#used.delete(alias);
    this.#total -= bytes;
  }
}
