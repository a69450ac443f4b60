import { Backoff } from '#shared/std/backoff.ts';
import { type Clock, isoTime } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { JoinToken } from '#shared/wire/enrol.ts';
import { validityOf } from './credential.ts';

export interface JoinerOptions {
  token: JoinToken;
  /** Tried in order; only TLS counts. */
  urls: readonly string[];
  /** Where the credential goes. */
  path: string;
  alias: string | null;
  clock: Clock;
  log: Logger;
  random: () => number;
}

/**
 * Joins unattended: asks central until it answers, however long the link is down. A token that
 * central refuses is not tried again; everything else is, with pauses.
 */
export class Joiner {
  readonly #options: JoinerOptions;
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;
  #why = 'central was not asked yet';

  constructor(options: JoinerOptions) {
    this.#options = options;
    this.#running = this.#run(options.urls.filter((url) => url.startsWith('https://')));
  }

  /** How it goes, in words. */
  get why(): string {
    return this.#why;
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error('the agent stops'));
    await this.#running;
  }

  async #run(urls: readonly string[]): Promise<void> {
    const { clock, log, random } = this.#options;
    const { signal } = this.#abort;
    const backoff = new Backoff({ baseMs: 1_000, maxMs: 60_000, random });
    while (!signal.aborted) {
      for (const url of urls) {
        const outcome = await this.#try(url);
        if (outcome !== 'again') return;
        if (signal.aborted) return;
      }
      const pauseMs = backoff.next();
      log.warn({ error: this.#why, pauseMs: Math.round(pauseMs) }, 'could not join yet');
      await clock.sleep(pauseMs, signal).catch(() => {});
    }
  }

  async #try(url: string): Promise<'joined' | 'refused' | 'again'> {
    const { token, path, alias, log } = this.#options;
    // Only here: nothing else of a running agent needs the library behind it.
    const { join, JoinError } = await import('./join.ts');
    try {
      const credential = await join({ token, url, path, alias, signal: this.#abort.signal });
      const until = isoTime(validityOf(credential).notAfter);
      this.#why = 'joined';
      const facts = { audit: true, event: 'joined', alias: credential.alias, url, until };
      log.info(facts, 'audit: this gateway has joined; its token is of no more use');
      return 'joined';
    } catch (error) {
      this.#why = (error as Error).message;
      if (!(error instanceof JoinError) || !error.isFinal) return 'again';
      const facts = { audit: true, event: 'join-refused', tokenId: token.id, error: this.#why };
      log.error(facts, 'audit: central refuses the join token');
      return 'refused';
    }
  }
}
