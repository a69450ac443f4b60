import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { DeliverError } from '../deliver-error.ts';
import type { Delivered } from '../source/source.ts';
import { AppendQueue } from './append-queue.ts';
import type { BufferIdentity, BufferOptions } from './buffer.ts';
import { BufferOpenError } from './buffer-errors.ts';
import { type PackedDeliveries, type Spare, unpackDeliveries } from './delivery-pack.ts';
import { type OpenedStore, openStore } from './open-store.ts';
import type { Store } from './store.ts';

/** The thread that owns the file: a slow disk stalls nobody but those who wait for it. */

export type StoreCall =
  | 'positions'
  | 'landedPlaces'
  | 'read'
  | 'acknowledge'
  | 'cut'
  | 'refuse'
  | 'clip'
  | 'helloStreams'
  | 'confirmSession'
  | 'fork'
  | 'report'
  | 'losses'
  | 'probe';

export type WorkerRequest =
  | { kind: 'append'; packed: PackedDeliveries; firstId: number }
  | { kind: 'call'; id: number; call: StoreCall; args: unknown[] }
  | { kind: 'close'; id: number };

export type WorkerAnswer =
  | { kind: 'opened'; identity: BufferIdentity }
  | { kind: 'not-opened'; code: BufferOpenError['code'] | null; message: string }
  | { kind: 'settled'; settled: Settled; appended: boolean; handled: boolean; spare?: Spare }
  | { kind: 'value'; id: number; value: unknown; identity?: BufferIdentity }
  | { kind: 'error'; id: number; message: string }
  | { kind: 'log'; level: 'debug' | 'info' | 'warn' | 'error'; fields: object; message: string };

/** What became of deliveries, by the ids they were sent with. */
export interface Settled {
  /** Five numbers each: id, accepted, declared lost, 1 for a duplicate, landedTo (NaN none). */
  delivered: Float64Array<ArrayBuffer>;
  failed: { id: number; code: DeliverError['code']; message: string }[];
}

/** After these, deliveries that wait may find room, and the file may shrink. */
const frees: ReadonlySet<StoreCall> = new Set(['acknowledge', 'refuse', 'clip', 'fork']);

class BufferWorker {
  readonly #port: MessagePort;
  readonly #store: Store;
  readonly #closeStore: () => void;
  readonly #queue: AppendQueue;
  #delivered: number[] = [];
  #failed: Settled['failed'] = [];
  #appended = false;
  #reclaiming = false;
  #handling = false;
  #closed = false;

  constructor(port: MessagePort, { store, close }: OpenedStore) {
    this.#port = port;
    this.#store = store;
    this.#closeStore = close;
    this.#queue = new AppendQueue({
      append: (deliveries) => store.append(deliveries),
      clock: systemClock,
      onAppended: () => this.#grew(),
    });
  }

  handle(request: WorkerRequest): void {
    if (request.kind === 'append') this.#append(request.packed, request.firstId);
    else if (request.kind === 'call') this.#call(request.id, request.call, request.args);
    else {
      this.#answer(request.id, () => this.#close());
      // Nothing else keeps this thread: what was posted goes out, then it ends.
      this.#port.close();
    }
  }

  #append(packed: PackedDeliveries, firstId: number): void {
    this.#handling = true;
    this.#queue.submit(
      unpackDeliveries(packed).map((delivery, i) => ({
        delivery,
        settle: (outcome) => this.#settle(firstId + i, outcome),
      })),
    );
    this.#handling = false;
    // What waits for room are views of it.
    const { numbers, bytes } = packed;
    this.#tell(true, this.#queue.isBlocked ? undefined : { numbers, bytes });
  }

  #grew(): void {
    this.#appended = true;
  }

  #settle(id: number, outcome: Delivered | DeliverError): void {
    if (outcome instanceof DeliverError) {
      this.#failed.push({ id, code: outcome.code, message: outcome.message });
    } else {
      const { accepted, declaredLost, duplicate, landedTo = Number.NaN } = outcome;
      this.#delivered.push(id, accepted, declaredLost, duplicate ? 1 : 0, landedTo);
    }
    // What had waited is told apart from the answers to a pack.
    if (!this.#handling) queueMicrotask(() => this.#tell(false));
  }

  /** `handled`: the pack is done, another may come. */
  #tell(handled: boolean, spare?: Spare): void {
    if (!handled && this.#delivered.length === 0 && this.#failed.length === 0) return;
    const delivered = Float64Array.from(this.#delivered);
    const settled = { delivered, failed: this.#failed };
    this.#delivered = [];
    this.#failed = [];
    const appended = this.#appended;
    const lent = spare ? [spare.numbers.buffer, spare.bytes.buffer] : [];
    this.#post({ kind: 'settled', settled, appended, handled, ...(spare && { spare }) }, [
      delivered.buffer,
      ...lent,
    ]);
    this.#appended = false;
  }

  #call(id: number, call: StoreCall, args: unknown[]): void {
    this.#answer(id, () => {
      const method = this.#store[call] as (...args: unknown[]) => unknown;
      const value = method.apply(this.#store, args);
      if (frees.has(call)) {
        this.#queue.retry();
        this.#startReclaiming();
      }
      if (call === 'report') return { ...(value as object), blocked: this.#queue.isBlocked };
      return value;
    });
  }

  #answer(id: number, operation: () => unknown): void {
    try {
      const value = operation();
      const identity = this.#store.identity;
      const body = (value as { body?: Uint8Array<ArrayBuffer> } | undefined)?.body;
      this.#post({ kind: 'value', id, value, identity }, body ? [body.buffer] : []);
    } catch (error) {
      this.#post({ kind: 'error', id, message: (error as Error).message });
    }
  }

  /** A step at a time, whatever is asked meanwhile goes first. */
  #startReclaiming(): void {
    if (this.#reclaiming) return;
    this.#reclaiming = true;
    setImmediate(() => {
      this.#reclaiming = false;
      if (!this.#closed && this.#reclaimed()) this.#startReclaiming();
    });
  }

  #reclaimed(): boolean {
    try {
      return this.#store.reclaim();
    } catch (error) {
      const fields = { error: (error as Error).message };
      this.#post({ kind: 'log', level: 'warn', fields, message: 'the file could not be shrunk' });
      return false;
    }
  }

  #close(): void {
    this.#closed = true;
    this.#queue.close();
    this.#tell(false);
    this.#closeStore();
  }

  #post(answer: WorkerAnswer, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(answer, transfer);
  }
}

/** Lines of the log go to the thread that owns it. */
function logTo(port: MessagePort): Logger {
  const send =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: unknown, message: unknown): void =>
      port.postMessage({ kind: 'log', level, fields, message });
  return {
    debug: send('debug'),
    info: send('info'),
    warn: send('warn'),
    error: send('error'),
  } as Logger;
}

function start(port: MessagePort, options: BufferOptions): void {
  try {
    const opened = openStore(options, { clock: systemClock, log: logTo(port) });
    const worker = new BufferWorker(port, opened);
    port.on('message', (request: WorkerRequest) => worker.handle(request));
    port.postMessage({ kind: 'opened', identity: opened.store.identity } satisfies WorkerAnswer);
  } catch (error) {
    const code = error instanceof BufferOpenError ? error.code : null;
    const message = (error as Error).message;
    port.postMessage({ kind: 'not-opened', code, message } satisfies WorkerAnswer);
  }
}

if (parentPort) start(parentPort, workerData as BufferOptions);
