import type { LinkError } from './client.ts';

/** What is asked of central. */
export type Asked = 'hello' | 'segments' | 'heartbeat';

export interface LinkFailure {
  code: LinkError['code'];
  message: string;
}

/** Said by a central that was reached: that it answers something else does not take it back. */
const saidByCentral: ReadonlySet<LinkError['code']> = new Set(['busy', 'rejected']);

/** What central did not do, until it does it: one answer does not hide that another is missing. */
export class LinkFailures {
  /** The newest last. */
  readonly #failures = new Map<Asked, LinkFailure>();
  #since: number | null = null;

  failed(asked: Asked, failure: LinkFailure, at: number): void {
    this.#since ??= at;
    this.#failures.delete(asked);
    this.#failures.set(asked, failure);
  }

  answered(asked: Asked): void {
    for (const [other, { code }] of this.#failures) {
      if (other === asked || !saidByCentral.has(code)) this.#failures.delete(other);
    }
    if (this.#failures.size === 0) this.#since = null;
  }

  get newest(): LinkFailure | undefined {
    return [...this.#failures.values()].at(-1);
  }

  /** Wall clock, ms; null while nothing fails. */
  get since(): number | null {
    return this.#since;
  }
}
