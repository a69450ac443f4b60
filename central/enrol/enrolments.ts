import type { Landing } from '../landing/landing.ts';
import type { TokenRow } from './tokens.ts';

/** A site that may come in with a certificate. */
export interface EnrolmentRow {
  alias: string;
  /** The newest key that was certified, see keyPin. */
  key: string;
  /** The one before it, while its certificate may still be in use. */
  previousKey: string | null;
  /** Until when `previousKey` is taken, central's ms; null: until the newest key was seen. */
  previousUntil: number | null;
  enrolledAt: number;
  renewedAt: number | null;
  notAfter: number;
  disabled: boolean;
  /** Pin of the authority that signed the newest certificate; missing in rows of before. */
  authority?: string;
}

/** What one decision changes; all of it or nothing. null: forget. */
export interface Decision {
  tokens?: readonly (TokenRow | { id: string; forget: true })[];
  enrolment?: EnrolmentRow | { alias: string; forget: true };
}

/** Used and expired tokens stay this long, so that a second use can be told from a forgery. */
const tokenMemoryMs = 30 * 86_400_000;

/** The registry's enrolments and tokens: in memory, moved only by what was written. */
export class Enrolments {
  readonly #landing: Landing;
  readonly #enrolments = new Map<string, EnrolmentRow>();
  readonly #tokens = new Map<string, TokenRow>();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(landing: Landing) {
    this.#landing = landing;
  }

  static async open(landing: Landing): Promise<Enrolments> {
    const book = new Enrolments(landing);
    for (const { value } of await landing.registry('enrolment/')) {
      const row = JSON.parse(value) as EnrolmentRow;
      book.#enrolments.set(row.alias, row);
    }
    for (const { value } of await landing.registry('token/')) {
      const row = JSON.parse(value) as TokenRow;
      book.#tokens.set(row.id, row);
    }
    return book;
  }

  of(alias: string): EnrolmentRow | undefined {
    return this.#enrolments.get(alias);
  }

  token(id: string): TokenRow | undefined {
    return this.#tokens.get(id);
  }

  aliases(): string[] {
    return [...this.#enrolments.keys()];
  }

  openTokensOf(alias: string): TokenRow[] {
    return [...this.#tokens.values()].filter((row) => row.alias === alias && row.usedFor === null);
  }

  outdatedTokens(now: number): TokenRow[] {
    return [...this.#tokens.values()].filter((row) => row.expiresAt < now - tokenMemoryMs);
  }

  /** One decision after the other, each on what the one before it wrote. */
  decide<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => {});
    return result;
  }

  /** Within `decide`: durable when resolved, and only then in force. */
  async write({ tokens = [], enrolment }: Decision): Promise<void> {
    await this.#landing.register([
      ...tokens.map((row) => change(`token/${row.id}`, row)),
      ...(enrolment ? [change(`enrolment/${enrolment.alias}`, enrolment)] : []),
    ]);
    for (const row of tokens) {
      if ('forget' in row) this.#tokens.delete(row.id);
      else this.#tokens.set(row.id, row);
    }
    if (!enrolment) return;
    if ('forget' in enrolment) this.#enrolments.delete(enrolment.alias);
    else this.#enrolments.set(enrolment.alias, enrolment);
  }
}

const change = (key: string, row: object) => ({
  key,
  value: 'forget' in row ? null : JSON.stringify(row),
});
