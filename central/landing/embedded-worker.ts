import {
  type MessagePort,
  parentPort,
  receiveMessageOnPort,
  workerData,
} from 'node:worker_threads';
import { EmbeddedOpenError, toLandingError } from './embedded-errors.ts';
import { FileStore, type FileStoreOptions } from './embedded-file-store.ts';
import { unpackCommit } from './embedded-pack.ts';
import type { Outcome } from './embedded-store.ts';
import type { LandingError, RefusedAt } from './landing.ts';

/** The thread that owns the file: a slow disk stalls nobody but those who wait for it. */

export interface WorkerData {
  options: FileStoreOptions;
  newCentralId: string;
}

export type WorkerHello =
  | { centralId: string }
  | { failed: { code: EmbeddedOpenError['code']; message: string } };

/** What may be asked beside commits: methods of the store. */
export type StoreCall =
  | 'load'
  | 'aliases'
  | 'checkpoints'
  | 'losses'
  | 'lostWithin'
  | 'topics'
  | 'page'
  | 'registry'
  | 'register'
  | 'usedBytes'
  | 'retain'
  | 'backfill'
  | 'probe';

export type WorkerRequest =
  | { id: number; commit: Uint8Array<ArrayBuffer> }
  | { id: number; call: StoreCall; args: unknown[] }
  | { id: number; close: true };

export type WorkerAnswer = { id: number; value: unknown } | { id: number; error: Failure };

interface Failure {
  code: LandingError['code'];
  message: string;
  at: RefusedAt | undefined;
}

/** A group is closed when it holds this much; see walBytesMax. */
const groupBytesMax = 8 * 1024 * 1024;
const groupCommitsMax = 256;

function serve(port: MessagePort, store: FileStore): void {
  port.on('message', (first: WorkerRequest) => {
    const requests = [first];
    for (;;) {
      const more = receiveMessageOnPort(port);
      if (!more) break;
      requests.push(more.message);
    }
    // What arrived while the disk was busy with the last group is the next one.
    for (const group of groups(requests.filter((request) => 'commit' in request))) {
      commit(port, store, group);
    }
    for (const request of requests) {
      if ('call' in request) answer(port, request.id, () => call(store, request));
      else if ('close' in request) {
        answer(port, request.id, () => store.close());
        port.close();
      }
    }
  });
}

type CommitRequest = Extract<WorkerRequest, { commit: unknown }>;

function* groups(commits: readonly CommitRequest[]): Generator<CommitRequest[]> {
  let group: CommitRequest[] = [];
  let bytes = 0;
  for (const request of commits) {
    group.push(request);
    bytes += request.commit.length;
    if (bytes >= groupBytesMax || group.length >= groupCommitsMax) {
      yield group;
      group = [];
      bytes = 0;
    }
  }
  if (group.length > 0) yield group;
}

function commit(port: MessagePort, store: FileStore, group: readonly CommitRequest[]): void {
  const outcomes = store.commitGroup(group.map(({ commit }) => unpackCommit(commit)));
  for (const [i, { id }] of group.entries()) post(port, id, outcomes[i]!);
  store.checkpointWal('due');
}

function post(port: MessagePort, id: number, outcome: Outcome): void {
  if ('landed' in outcome) port.postMessage({ id, value: outcome.landed } satisfies WorkerAnswer);
  else fail(port, id, outcome.error);
}

function fail(port: MessagePort, id: number, { code, message, at }: LandingError): void {
  port.postMessage({ id, error: { code, message, at } } satisfies WorkerAnswer);
}

function answer(port: MessagePort, id: number, act: () => unknown): void {
  let value: unknown;
  try {
    value = act();
  } catch (error) {
    fail(port, id, toLandingError(error));
    return;
  }
  port.postMessage({ id, value } satisfies WorkerAnswer);
}

function call(
  store: FileStore,
  { call, args }: Extract<WorkerRequest, { call: unknown }>,
): unknown {
  const method = store[call] as (...args: unknown[]) => unknown;
  return method.apply(store, args);
}

function start(port: MessagePort, { options, newCentralId }: WorkerData): void {
  try {
    const store = FileStore.open(options, () => newCentralId);
    serve(port, store);
    port.postMessage({ centralId: store.centralId } satisfies WorkerHello);
  } catch (error) {
    if (!(error instanceof EmbeddedOpenError)) throw error;
    const { code, message } = error;
    port.postMessage({ failed: { code, message } } satisfies WorkerHello);
  }
}

if (parentPort) start(parentPort, workerData as WorkerData);
