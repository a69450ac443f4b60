import type { Clock } from '#shared/std/clock.ts';

interface Timer {
  at: number;
  order: number;
  fire: () => void;
}

/** Time that passes only when the simulation says so. */
export class VirtualTime {
  #now = 0;
  #order = 0;
  #timers: Timer[] = [];

  get now(): number {
    return this.#now;
  }

  add(ms: number, fire: () => void): Timer {
    const timer = { at: this.#now + Math.max(0, ms), order: this.#order++, fire };
    this.#timers.push(timer);
    return timer;
  }

  remove(timer: Timer): void {
    const at = this.#timers.indexOf(timer);
    if (at >= 0) this.#timers.splice(at, 1);
  }

  /** Fires the earliest timer; false when there is none before `until`. */
  step(until: number): boolean {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (!first || timer.at < first.at || (timer.at === first.at && timer.order < first.order)) {
        first = timer;
      }
    }
    if (!first || first.at > until) {
      this.#now = Math.max(this.#now, until);
      return false;
    }
    this.remove(first);
    this.#now = first.at;
    first.fire();
    return true;
  }
}

/** One machine's clock on the common time: its wall clock may be off, and it stops when it is killed. */
export class MachineClock implements Clock {
  readonly #time: VirtualTime;
  readonly #timers = new Set<Timer>();
  #dead = false;
  /** Wall clock minus true time, ms. A simulation may step it. */
  skew: number;

  constructor(time: VirtualTime, epochMs: number) {
    this.#time = time;
    this.skew = epochMs;
  }

  now(): number {
    return Math.round(this.#time.now + this.skew);
  }

  monotonic(): number {
    return this.#time.now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#dead) return;
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        this.#cancel(timer);
        if (!this.#dead) reject(signal?.reason);
      };
      const timer = this.#add(ms, () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  every(ms: number, tick: () => void): () => void {
    let timer: Timer | undefined;
    const arm = () => {
      timer = this.#add(ms, () => {
        arm();
        tick();
      });
    };
    arm();
    return () => timer && this.#cancel(timer);
  }

  /** Nothing that waits on this clock ever goes on. */
  kill(): void {
    this.#dead = true;
    for (const timer of this.#timers) this.#time.remove(timer);
    this.#timers.clear();
  }

  #add(ms: number, fire: () => void): Timer {
    const timer = this.#time.add(ms, () => {
      this.#timers.delete(timer);
      fire();
    });
    if (this.#dead) this.#time.remove(timer);
    else this.#timers.add(timer);
    return timer;
  }

  #cancel(timer: Timer): void {
    this.#timers.delete(timer);
    this.#time.remove(timer);
  }
}
