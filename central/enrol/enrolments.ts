import type { Landing, LandingError } from '../landing/landing.ts';
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
  /** As the registry has them: what a decision went by. */
  readonly #stored = new Map<string, string>();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(landing: Landing) {
    this.#landing = landing;
  }

  static async open(landing: Landing): Promise<Enrolments> {
    const book = new Enrolments(landing);
    await book.#load();
    // What other collectors decide binds here, too.
    landing.onRegistry?.(() => void book.decide(() => book.#load()));
    return book;
  }

  async #load(): Promise<void> {
    const [enrolments, tokens] = await Promise.all([
      this.#landing.registry('enrolment/'),
      this.#landing.registry('token/'),
    ]);
    const now = new Map([...enrolments, ...tokens].map(({ key, value }) => [key, value]));
    for (const key of this.#stored.keys()) if (!now.has(key)) this.#drop(key);
    for (const [key, value] of now) {
      if (this.#stored.get(key) === value) continue;
      this.#stored.set(key, value);
      if (key.startsWith('token/')) {
        const row = JSON.parse(value) as TokenRow;
        this.#tokens.set(row.id, row);
      } else {
        const row = JSON.parse(value) as EnrolmentRow;
        this.#enrolments.set(row.alias, row);
      }
    }
  }

  #drop(key: string): void {
    this.#stored.delete(key);
    if (key.startsWith('token/')) this.#tokens.delete(key.slice('token/'.length));
    else this.#enrolments.delete(key.slice('enrolment/'.length));
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

  /**
   * One decision after the other, each on what the one before it wrote; again where another
   * collector decided at the same time.
   */
  decide<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      for (let tries = 0; ; tries++) {
        try {
          return await task();
        } catch (error) {
          if (!isContested(error) || tries >= 3) throw error;
          await this.#load();
        }
      }
    });
    this.#last = result.catch(() => {});
    return result;
  }

  /** Within `decide`: durable when resolved, and only then in force. */
  async write({ tokens = [], enrolment }: Decision): Promise<void> {
    const changes = [
      ...tokens.map((row) => change(`token/${row.id}`, row)),
      ...(enrolment ? [change(`enrolment/${enrolment.alias}`, enrolment)] : []),
    ];
    const expected = new Map(changes.map(({ key }) => [key, this.#stored.get(key) ?? null]));
    await this.#landing.register(changes, expected);
    for (const { key, value } of changes) {
      if (value === null) this.#stored.delete(key);
      else this.#stored.set(key, value);
    }
    for (const row of tokens) {
      if ('forget' in row) this.#tokens.delete(row.id);
      else this.#tokens.set(row.id, row);
    }
    if (!enrolment) return;
    if ('forget' in enrolment) this.#enrolments.delete(enrolment.alias);
    else this.#enrolments.set(enrolment.alias, enrolment);
  }
}

/** By name: rooms take types only from each other. */
const isContested = (error: unknown): boolean =>
  (error as LandingError).name === 'LandingError' && (error as LandingError).code === 'fenced';

const change = (key: string, row: object) => ({
  key,
  value: 'forget' in row ? null : JSON.stringify(row),
});
