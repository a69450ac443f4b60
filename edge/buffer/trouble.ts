import type { Logger } from '#shared/std/log.ts';
import { isDamage, isDiskFull } from './buffer-errors.ts';
import type { Reserve } from './reserve.ts';

/** What a disk can do to us: be full, or be damaged. */
export class Trouble {
  readonly #reserve: Reserve;
  readonly #log: Logger;
  readonly #onDamage: (error: Error) => void;
  #diskFull: boolean;
  #end: Error | undefined;

  constructor(reserve: Reserve, log: Logger, onDamage: (error: Error) => void) {
    this.#reserve = reserve;
    this.#log = log;
    this.#onDamage = onDamage;
    this.#diskFull = !reserve.hold();
  }

  /** Why nothing works any more. */
  get end(): Error | undefined {
    return this.#end;
  }

  /** Nothing is appended while the reserve is not held: what frees room must stay able to. */
  get isDiskFull(): boolean {
    if (this.#diskFull) this.#diskFull = !this.#reserve.hold();
    return this.#diskFull;
  }

  /** Notices what an error means for what comes. */
  notice(error: Error): void {
    if (isDiskFull(error)) this.#diskFull = true;
    if (!isDamage(error) || this.#end) return;
    const message = `the buffer's file is damaged (${error.message}); restart to salvage it`;
    this.#end = new Error(message);
    this.#log.error({ error: error.message }, 'the buffer is damaged; a restart salvages it');
    this.#onDamage(error);
  }

  /** A simulated crash: whoever still calls finds nobody. */
  crash(error: Error): void {
    this.#end = error;
  }

  attempt<T>(operation: () => T): T {
    if (this.#end) throw this.#end;
    try {
      return operation();
    } catch (error) {
      this.notice(error as Error);
      throw this.#end ?? error;
    }
  }

  /** On a full disk the reserve is given back, and it is tried again. */
  insist<T>(operation: () => T): T {
    try {
      return this.attempt(operation);
    } catch (error) {
      if (!isDiskFull(error) || !this.#reserve.release()) throw error;
      this.#log.warn({}, 'the disk is full: the reserve is given back');
      return this.attempt(operation);
    }
  }
}
