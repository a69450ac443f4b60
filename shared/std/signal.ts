/**
 * Something happened, for one waiter at a time: `notify` before `wait` is remembered, so that
 * nothing is missed between a look and the wait that follows it.
 */
export class Signal {
  #pending = false;
  #resolve: (() => void) | undefined;

  notify(): void {
    this.#pending = true;
    this.#resolve?.();
  }

  /** Resolves at the next (or an already remembered) `notify`; rejects when aborted. */
  wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const done = (settle: () => void) => {
        signal?.removeEventListener('abort', onAbort);
        this.#resolve = undefined;
        settle();
      };
      const onAbort = () => done(() => reject(signal?.reason));
      const onNotify = () =>
        done(() => {
          this.#pending = false;
          resolve();
        });
      if (this.#pending) return onNotify();
      this.#resolve = onNotify;
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }
}
