import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProtocolReader } from '#shared/kafka/protocol-reader.ts';
import { type ApiName, apis } from './false-apis.ts';
import type { TestKafka } from './kafka.ts';

/** A request on its way; its body begins behind the header. */
export interface PassingRequest {
  api: ApiName | undefined;
  key: number;
  version: number;
  broker: number;
  /** Counted from 0 over all brokers. */
  connection: number;
  body: Buffer;
}

/**
 * One misdeed. It befalls the requests of `api` for which `when` holds, after the first `skip` of
 * them (default 0), `times` times (default 1).
 *
 * `request`: what becomes of it. `drop`: swallowed, the connection stays. `close`: the connection
 * ends, nothing was forwarded. `half-open`: from then on nothing passes in either direction.
 * `answer`: what becomes of the answer to a forwarded one. `drop`; `close` instead of it; a function
 * gives another body. `delayMs`: before the answer goes on. `instead`: that body, nothing forwarded.
 */
export interface Fault {
  api: ApiName;
  broker?: number;
  when?: (request: PassingRequest) => boolean;
  skip?: number;
  times?: number;
  request?: 'drop' | 'close' | 'half-open';
  instead?: (request: PassingRequest) => Buffer;
  answer?: 'drop' | 'close' | ((body: Buffer, request: PassingRequest) => Buffer);
  delayMs?: number;
}

export interface PlacedFault {
  /** How often it has struck. */
  readonly hits: number;
  remove(): void;
}

/** Stands between clients and real brokers, forwards everything, and misbehaves when told to. */
export interface FalseBrokers {
  readonly bootstrap: string;
  /** Everything that clients asked for, in the order it came. */
  readonly seen: readonly PassingRequest[];
  add(fault: Fault): PlacedFault;
  /** No faults, no memory of what was seen. */
  reset(): void;
  /** Ends all connections to that broker. */
  cut(broker: number): void;
  close(): Promise<void>;
}

/** In front of every broker of a cluster started with `proxied`. */
export async function startFalseBrokers(kafka: TestKafka): Promise<FalseBrokers> {
  const front = new Front();
  await Promise.all(kafka.detours.map((detour) => front.listen(detour)));
  return front;
}

interface Active {
  fault: Fault;
  matched: number;
  hits: number;
}

interface Pending {
  request: PassingRequest;
  fault: Fault | undefined;
}

class Front implements FalseBrokers {
  seen: PassingRequest[] = [];
  #active: Active[] = [];
  #servers: Server[] = [];
  #bootstrap: string[] = [];
  readonly #sockets = new Map<Socket, number>();
  #connections = 0;

  get bootstrap(): string {
    return this.#bootstrap.join(',');
  }

  add(fault: Fault): PlacedFault {
    const active: Active = { fault, matched: 0, hits: 0 };
    this.#active.push(active);
    return {
      get hits() {
        return active.hits;
      },
      remove: () => {
        this.#active = this.#active.filter((one) => one !== active);
      },
    };
  }

  reset(): void {
    this.#active = [];
    this.seen = [];
  }

  cut(broker: number): void {
    for (const [socket, of] of this.#sockets) if (of === broker) socket.destroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.keys()) socket.destroy();
    await Promise.all(
      this.#servers.map((server) => new Promise((resolve) => server.close(resolve))),
    );
  }

  listen(detour: TestKafka['detours'][number]): Promise<void> {
    const server = createServer((client) => this.#join(client, detour));
    this.#servers.push(server);
    this.#bootstrap.push(`127.0.0.1:${detour.advertised}`);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(detour.advertised, '127.0.0.1', resolve);
    });
  }

  #join(client: Socket, { broker, port }: TestKafka['detours'][number]): void {
    const upstream = connect({ host: '127.0.0.1', port });
    const connection = this.#connections++;
    const pending = new Map<number, Pending>();
    const link: Link = { client, upstream, pending, isStuck: false, outbox: Promise.resolve() };
    for (const socket of [client, upstream]) {
      this.#sockets.set(socket, broker);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        if (link.isStuck) return;
        client.destroy();
        upstream.destroy();
      });
    }
    eachFrame(client, (frame) => this.#onRequest(link, frame, { broker, connection }));
    eachFrame(upstream, (frame) => this.#onAnswer(link, frame));
  }

  #onRequest(link: Link, frame: Buffer, at: Pick<PassingRequest, 'broker' | 'connection'>): void {
    if (link.isStuck) return;
    const { request, correlationId } = readRequest(frame, at);
    this.seen.push(request);
    const fault = this.#faultFor(request);
    switch (fault?.request) {
      case 'drop':
        return;
      case 'close':
        link.client.destroy();
        return;
      case 'half-open':
        link.isStuck = true;
        return;
    }
    if (fault?.instead) {
      link.client.write(answerFrame(request, correlationId, fault.instead(request)));
      return;
    }
    link.pending.set(correlationId, { request, fault });
    link.upstream.write(framed(frame));
  }

  #onAnswer(link: Link, frame: Buffer): void {
    if (link.isStuck) return;
    const correlationId = frame.readInt32BE(0);
    const { request, fault } = link.pending.get(correlationId)!;
    link.pending.delete(correlationId);
    if (fault?.answer === 'drop') return;
    if (fault?.answer === 'close') {
      link.client.destroy();
      return;
    }
    const change = fault?.answer;
    const answer = change
      ? answerFrame(request, correlationId, change(answerBody(request, frame), request))
      : framed(frame);
    const delayMs = fault?.delayMs;
    // What is behind it waits too: brokers answer in order.
    link.outbox = link.outbox.then(async () => {
      if (delayMs) await sleep(delayMs);
      link.client.write(answer);
    });
  }

  #faultFor(request: PassingRequest): Fault | undefined {
    let found: Fault | undefined;
    for (const active of this.#active) {
      const { fault } = active;
      if (fault.api !== request.api) continue;
      if (fault.broker !== undefined && fault.broker !== request.broker) continue;
      if (fault.when && !fault.when(request)) continue;
      active.matched += 1;
      if (active.matched <= (fault.skip ?? 0) || active.hits >= (fault.times ?? 1)) continue;
      if (found) continue;
      active.hits += 1;
      found = fault;
    }
    return found;
  }
}

interface Link {
  client: Socket;
  upstream: Socket;
  pending: Map<number, Pending>;
  isStuck: boolean;
  /** Resolves when all answers so far have gone on. */
  outbox: Promise<void>;
}

const apiByKey = new Map<number, ApiName>(
  Object.entries(apis).map(([name, { key }]) => [key, name as ApiName]),
);

const isFlexible = ({ api, version }: PassingRequest): boolean =>
  api !== undefined && version >= apis[api].flexibleFrom;

function readRequest(frame: Buffer, at: Pick<PassingRequest, 'broker' | 'connection'>) {
  const key = frame.readInt16BE(0);
  const version = frame.readInt16BE(2);
  const correlationId = frame.readInt32BE(4);
  const bodyAt = 10 + Math.max(0, frame.readInt16BE(8));
  const request = { ...at, api: apiByKey.get(key), key, version, body: frame.subarray(bodyAt) };
  if (isFlexible(request)) request.body = behindTags(request.body);
  return { request, correlationId };
}

/** ApiVersions alone has an old header, whatever its version. */
const headerHasTags = (request: PassingRequest): boolean =>
  isFlexible(request) && request.api !== 'ApiVersions';

const answerBody = (request: PassingRequest, frame: Buffer): Buffer =>
  headerHasTags(request) ? behindTags(frame.subarray(4)) : frame.subarray(4);

function behindTags(bytes: Buffer): Buffer {
  const reader = new ProtocolReader(bytes, true);
  reader.tags();
  return bytes.subarray(bytes.length - reader.left);
}

function answerFrame(request: PassingRequest, correlationId: number, body: Buffer): Buffer {
  const header = Buffer.alloc(headerHasTags(request) ? 5 : 4);
  header.writeInt32BE(correlationId);
  return framed(Buffer.concat([header, body]));
}

function framed(frame: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeInt32BE(frame.length);
  return Buffer.concat([size, frame]);
}

function eachFrame(socket: Socket, take: (frame: Buffer) => void): void {
  let chunks: Buffer[] = [];
  let held = 0;
  socket.on('data', (chunk) => {
    chunks.push(chunk);
    held += chunk.length;
    for (;;) {
      if (held < 4) return;
      const first = chunks[0]!.length >= 4 ? chunks[0]! : Buffer.concat(chunks);
      const size = 4 + first.readInt32BE(0);
      if (held < size) return;
      const all = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      take(all.subarray(4, size));
      held = all.length - size;
      chunks = held > 0 ? [all.subarray(size)] : [];
    }
  });
}
