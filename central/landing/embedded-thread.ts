import { Worker } from 'node:worker_threads';
import { EmbeddedOpenError } from './embedded-errors.ts';
import type { FileStoreOptions } from './embedded-file-store.ts';
import type { StoreHost } from './embedded-host.ts';
import { packCommit } from './embedded-pack.ts';
import type {
  StoreCall,
  WorkerAnswer,
  WorkerData,
  WorkerHello,
  WorkerRequest,
} from './embedded-worker.ts';
import { type AliasWrite, type LandedWrite, LandingError } from './landing.ts';

interface Waiting {
  what: 'commit' | 'call';
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

/** The store on its own thread. */
export class ThreadHost implements StoreHost {
  readonly centralId: string;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #closed: string | undefined;

  private constructor(worker: Worker, exited: Promise<void>, centralId: string) {
    this.centralId = centralId;
    this.#worker = worker;
    this.#exited = exited;
    worker.on('message', (answer: WorkerAnswer) => this.#answered(answer));
    worker.on('error', (error) => this.#ended(`the landing's thread failed: ${error.message}`));
    exited.then(() => this.#ended('the landing is closed'));
  }

  /** Throws an EmbeddedOpenError. */
  static async open(options: FileStoreOptions, newCentralId: string): Promise<ThreadHost> {
    const worker = new Worker(new URL('./embedded-worker.ts', import.meta.url), {
      name: 'landing',
      workerData: { options, newCentralId } satisfies WorkerData,
    });
    const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    const hello = await new Promise<WorkerHello>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
      exited.then(() => reject(new Error("the landing's thread ended before it opened the file")));
    });
    worker.removeAllListeners('error');
    if ('centralId' in hello) return new ThreadHost(worker, exited, hello.centralId);
    // Nothing keeps that thread: it ends by itself, and nothing of it runs when this rejects.
    await exited;
    throw new EmbeddedOpenError(hello.failed.code, hello.failed.message);
  }

  async commit(writes: readonly AliasWrite[]): Promise<LandedWrite[]> {
    const commit = packCommit(writes);
    return this.#ask('commit', { id: 0, commit }, [commit.buffer]);
  }

  call<T>(call: StoreCall, ...args: unknown[]): Promise<T> {
    return this.#ask('call', { id: 0, call, args });
  }

  async close(): Promise<void> {
    if (this.#closed !== undefined) return;
    const closed = this.#ask<void>('call', { id: 0, close: true });
    this.#closed = 'the landing is closed';
    await closed;
    // It ends by itself: ended from outside, SQLite's own clean-up may meet a thread half gone.
    await this.#exited;
  }

  #ask<T>(what: Waiting['what'], request: WorkerRequest, transfer: ArrayBuffer[] = []): Promise<T> {
    if (this.#closed !== undefined) return Promise.reject(new LandingError('closed', this.#closed));
    return new Promise<T>((resolve, reject) => {
      const id = this.#next++;
      this.#waiting.set(id, { what, resolve, reject });
      this.#worker.postMessage({ ...request, id }, transfer);
    });
  }

  #answered(answer: WorkerAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('value' in answer) waiting?.resolve(answer.value as never);
    else {
      const { code, message, at } = answer.error;
      waiting?.reject(new LandingError(code, message, { at }));
    }
  }

  #ended(why: string): void {
    this.#closed ??= why;
    for (const { what, reject } of this.#waiting.values()) {
      reject(new LandingError(what === 'commit' ? 'uncertain' : 'closed', why));
    }
    this.#waiting.clear();
  }
}
