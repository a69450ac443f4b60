import { Worker } from 'node:worker_threads';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { DeliverError } from '../deliver-error.ts';
import type { Delivered, Delivery } from '../source/source.ts';
import type { BufferIdentity, BufferOptions, RecordBuffer } from './buffer.ts';
import { BufferOpenError } from './buffer-errors.ts';
import { DeliveryPacker } from './delivery-pack.ts';
import type { Settled, StoreCall, WorkerAnswer, WorkerRequest } from './worker.ts';

/** A group commit is closed when it holds this much; what comes after goes with the next. */
const groupBytes = 4 * 1024 * 1024;

/**
 * The buffer on a thread of its own. While one commit is under way, deliveries collect for the
 * next: one transaction and one fsync carry them all. Throws a BufferOpenError.
 */
export async function openBuffer(
  options: BufferOptions,
  deps: { clock: Clock; log: Logger },
): Promise<RecordBuffer> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    name: 'buffer',
    workerData: options,
  });
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const opened = await firstAnswer(worker, deps.log);
  if (opened.kind === 'opened') return new ThreadBuffer(worker, exited, opened.identity, deps.log);
  if (opened.kind !== 'not-opened') throw new Error(`unexpected answer ${opened.kind}`);
  // Nothing keeps that thread: it ends by itself, and nothing of it runs when this rejects.
  await exited;
  const { code, message } = opened;
  throw code === null ? new Error(message) : new BufferOpenError(code, message);
}

async function firstAnswer(worker: Worker, log: Logger): Promise<WorkerAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<WorkerAnswer>();
  const onMessage = (answer: WorkerAnswer) => {
    if (answer.kind === 'log') log[answer.level](answer.fields, answer.message);
    else resolve(answer);
  };
  const onExit = (code: number) => reject(new Error(`the buffer's thread ended with ${code}`));
  worker.on('message', onMessage).on('error', reject).on('exit', onExit);
  try {
    return await promise;
  } finally {
    // One by one: removeAllListeners would also take those that keep the worker's port going.
    worker.off('message', onMessage).off('error', reject).off('exit', onExit);
  }
}

interface Waiting<T> {
  resolve: (value: T) => void;
  reject: (error: Error) => void;
}

class ThreadBuffer implements RecordBuffer {
  readonly #worker: Worker;
  readonly #log: Logger;
  readonly #exited: Promise<void>;
  readonly #calls = new Map<number, Waiting<never>>();
  readonly #deliveries = new Map<number, Waiting<Delivered>>();
  readonly #listeners = new Set<() => void>();
  readonly #packer = new DeliveryPacker();
  #full: { packed: ReturnType<DeliveryPacker['take']>; firstId: number }[] = [];
  /** Id of the next delivery; those in the packer come right before it. */
  #nextDelivery = 0;
  #nextCall = 0;
  #underWay = 0;
  #flushing = false;
  #identity: BufferIdentity;
  #ended: Error | undefined;
  #closing: Promise<void> | undefined;

  constructor(worker: Worker, exited: Promise<void>, identity: BufferIdentity, log: Logger) {
    this.#worker = worker;
    this.#identity = identity;
    this.#log = log;
    this.#exited = exited;
    worker.on('message', (answer: WorkerAnswer) => this.#answered(answer));
    worker.on('error', (error) => this.#end(`the buffer's thread failed: ${error.message}`));
    exited.then(() => this.#end('the buffer is closed'));
  }

  get identity(): BufferIdentity {
    return this.#identity;
  }

  append(delivery: Delivery): Promise<Delivered> {
    const gone = this.#closing ? new Error('the buffer is closing') : this.#ended;
    if (gone) return Promise.reject(new DeliverError('closed', gone.message));
    return new Promise((resolve, reject) => {
      this.#packer.add(delivery);
      this.#deliveries.set(this.#nextDelivery++, { resolve, reject });
      if (this.#packer.size >= groupBytes) this.#closeGroup();
      if (this.#flushing) return;
      this.#flushing = true;
      // What else is delivered in this turn goes along.
      queueMicrotask(() => {
        this.#flushing = false;
        this.#flush();
      });
    });
  }

  #closeGroup(): void {
    const { count } = this.#packer;
    if (count === 0) return;
    this.#full.push({ packed: this.#packer.take(), firstId: this.#nextDelivery - count });
  }

  #flush(all = false): void {
    while (this.#underWay === 0 || all) {
      if (this.#full.length === 0) this.#closeGroup();
      const group = this.#full.shift();
      if (group === undefined) return;
      this.#underWay += 1;
      const { numbers, bytes } = group.packed;
      this.#post({ kind: 'append', ...group }, [numbers.buffer, bytes.buffer]);
    }
  }

  positions = (prefix: string) =>
    this.#call<Map<string, Uint8Array>>('positions', prefix).then(
      (found) =>
        new Map(
          [...found].map(([key, { buffer, byteOffset, length }]) => [
            key,
            Buffer.from(buffer, byteOffset, length),
          ]),
        ),
    );
  landedPlaces: RecordBuffer['landedPlaces'] = (...args) => this.#call('landedPlaces', ...args);
  read: RecordBuffer['read'] = (request) => this.#call('read', request);
  acknowledge: RecordBuffer['acknowledge'] = (acks) => this.#call('acknowledge', acks);
  cut: RecordBuffer['cut'] = (stream, expected) => this.#call('cut', stream, expected);
  refuse: RecordBuffer['refuse'] = (...args) => this.#call('refuse', ...args);
  clip: RecordBuffer['clip'] = (...args) => this.#call('clip', ...args);
  helloStreams: RecordBuffer['helloStreams'] = () => this.#call('helloStreams');
  confirmSession: RecordBuffer['confirmSession'] = (centralId) =>
    this.#call('confirmSession', centralId);
  fork: RecordBuffer['fork'] = (order) => this.#call('fork', order);
  report: RecordBuffer['report'] = (...args) => this.#call('report', ...args);
  losses: RecordBuffer['losses'] = (limit) => this.#call('losses', limit);
  probe: RecordBuffer['probe'] = () => this.#call('probe');

  onAppended(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#ended) return;
    this.#flush(true);
    const id = this.#nextCall++;
    const closed = this.#ask(id, { kind: 'close', id });
    // It ends by itself: ended from outside, SQLite's own clean-up may meet a thread half gone.
    await closed.finally(() => this.#exited);
    this.#end('the buffer is closed');
  }

  #call<T>(call: StoreCall, ...args: unknown[]): Promise<T> {
    const id = this.#nextCall++;
    return this.#ask<T>(id, { kind: 'call', id, call, args });
  }

  #ask<T>(id: number, request: WorkerRequest): Promise<T> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise<T>((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#post(request);
    });
  }

  #post(request: WorkerRequest, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(request, transfer);
  }

  #answered(answer: WorkerAnswer): void {
    if (answer.kind === 'log') this.#log[answer.level](answer.fields, answer.message);
    else if (answer.kind === 'settled') {
      if (answer.handled) this.#underWay -= 1;
      if (answer.spare) this.#packer.giveBack(answer.spare);
      this.#flush();
      this.#settle(answer.settled);
      if (answer.appended) for (const listener of this.#listeners) listener();
    } else if (answer.kind === 'value') {
      this.#identity = answer.identity ?? this.#identity;
      this.#taken(this.#calls, answer.id)?.resolve(answer.value as never);
    } else if (answer.kind === 'error') {
      this.#taken(this.#calls, answer.id)?.reject(new Error(answer.message));
    }
  }

  #settle({ delivered, failed }: Settled): void {
    for (let i = 0; i < delivered.length; i += 5) {
      const landedTo = delivered[i + 4]!;
      this.#taken(this.#deliveries, delivered[i]!)?.resolve({
        accepted: delivered[i + 1]!,
        declaredLost: delivered[i + 2]!,
        duplicate: delivered[i + 3] === 1,
        ...(!Number.isNaN(landedTo) && { landedTo }),
      });
    }
    for (const { id, code, message } of failed) {
      this.#taken(this.#deliveries, id)?.reject(new DeliverError(code, message));
    }
  }

  #taken<T>(waiting: Map<number, Waiting<T>>, id: number): Waiting<T> | undefined {
    const found = waiting.get(id);
    waiting.delete(id);
    return found;
  }

  #end(why: string): void {
    if (this.#ended) return;
    this.#ended = new Error(why);
    for (const { reject } of this.#calls.values()) reject(this.#ended);
    // A commit may have gone through before the thread died: the source will deliver it again.
    for (const { reject } of this.#deliveries.values()) reject(new DeliverError('io', why));
    this.#calls.clear();
    this.#deliveries.clear();
  }
}
