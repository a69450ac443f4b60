import { DeliverError } from '../deliver-error.ts';
import { AppendQueue } from './append-queue.ts';
import type { BufferOptions, RecordBuffer } from './buffer.ts';
import { type OpenParts, openStore } from './open-store.ts';

/**
 * The buffer in this thread, each append a transaction of its own: for simulation and one-shot
 * commands. Throws a BufferOpenError.
 */
export async function openInlineBuffer(
  options: BufferOptions,
  parts: OpenParts,
): Promise<RecordBuffer> {
  const { store, close } = openStore(options, parts);
  const listeners = new Set<() => void>();
  const queue = new AppendQueue({
    append: (deliveries) => store.append(deliveries),
    clock: parts.clock,
    onAppended: () => {
      for (const listener of listeners) listener();
    },
  });
  /** What frees room lets waiting deliveries in, and the file shrink. */
  const freeing = async (operation: () => void): Promise<void> => {
    operation();
    queue.retry();
    store.reclaim();
  };
  let isClosed = false;
  return {
    get identity() {
      return store.identity;
    },
    append: (delivery) =>
      new Promise((resolve, reject) => {
        const settle = (outcome: Parameters<typeof resolve>[0] | DeliverError) =>
          outcome instanceof DeliverError ? reject(outcome) : resolve(outcome);
        queue.submit([{ delivery, settle }]);
      }),
    positions: async (prefix) => store.positions(prefix),
    landedPlaces: async (topic, incarnation) => store.landedPlaces(topic, incarnation),
    read: async (request) => store.read(request),
    acknowledge: (acks) => freeing(() => store.acknowledge(acks)),
    cut: async (stream, expected) => store.cut(stream, expected),
    refuse: (stream, first, code, message) =>
      freeing(() => store.refuse(stream, first, code, message)),
    clip: (stream, lossFirst, landed) => freeing(() => store.clip(stream, lossFirst, landed)),
    helloStreams: async () => store.helloStreams(),
    confirmSession: async (centralId) => store.confirmSession(centralId),
    fork: async (order) => store.fork(order),
    report: async (version, maxStreams) => ({
      ...store.report(version, maxStreams),
      blocked: queue.isBlocked,
    }),
    losses: async (limit) => store.losses(limit),
    onAppended: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    probe: async () => store.probe(),
    close: async () => {
      if (isClosed) return;
      isClosed = true;
      queue.close();
      close();
    },
  };
}
