import { encodeFrame, type Frame, type LossFrame, type SegmentFrame } from '#shared/wire/frame.ts';
import {
  type ErrorBody,
  type Heartbeat,
  type Hello,
  type HelloAnswer,
  type HelloStream,
  linkHeader,
  linkPath,
  linkVersion,
  type SegmentsAnswer,
  segmentsContentType,
} from '#shared/wire/link.ts';
import type { Loss } from '#shared/wire/loss.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';
import type { World } from './world.ts';

export const id = (name: string): string => Buffer.from(name).toString('hex').padStart(32, '0');

export interface Answer<T> {
  status: number;
  body: T & Partial<ErrorBody>;
  retryAfter: string | null;
  location: string | null;
}

/** Speaks the link as an edge would, or as a hostile one. */
export class Edge {
  readonly world: World;
  readonly alias: string;
  epoch: string;
  session: string;
  previous: string | null = null;

  constructor(world: World, alias: string) {
    this.world = world;
    this.alias = alias;
    this.epoch = id(`e-${alias}`);
    this.session = id(`s-${alias}`);
  }

  stream(over: Partial<HelloStream> = {}): HelloStream {
    const { epoch } = this;
    return {
      epoch,
      topic: 'sensor-data',
      partition: 0,
      head: -1,
      cursor: -1,
      confirmed: -1,
      ...over,
    };
  }

  message(over: Partial<Hello> = {}): Hello {
    const { alias, epoch, session, previous } = this;
    return {
      version: linkVersion,
      alias,
      epoch,
      session,
      previous,
      centralId: null,
      agent: 'test 1.0',
      clock: this.world.clock.now(),
      streams: [],
      ...over,
    };
  }

  hello(over: Partial<Hello> = {}): Promise<Answer<HelloAnswer>> {
    return this.post(linkPath.hello, JSON.stringify(this.message(over)));
  }

  segments(frames: readonly Frame[], headers: object = {}): Promise<Answer<SegmentsAnswer>> {
    const body = Buffer.concat(frames.flatMap((frame) => encodeFrame(frame)));
    return this.post(linkPath.segments, body, headers);
  }

  heartbeat(over: Partial<Heartbeat> = {}, headers: object = {}): Promise<Answer<object>> {
    const { alias, epoch, session } = this;
    const heartbeat: Heartbeat = {
      version: linkVersion,
      alias,
      epoch,
      session,
      number: 0,
      agent: 'test 1.0',
      clock: this.world.clock.now(),
      intervalMs: 5000,
      totals: {
        acceptedRecords: 0,
        backlogRecords: 0,
        backlogBytes: 0,
        oldestAgeMs: null,
        lostRecords: 0,
        lossesPending: 0,
      },
      buffer: { usedBytes: 0, maxBytes: 1e9, whenFull: 'drop-oldest', blocked: false },
      disk: { freeBytes: 1e9, totalBytes: 2e9 },
      sources: [],
      streams: [],
      ...over,
    };
    return this.post(linkPath.heartbeat, JSON.stringify(heartbeat), headers);
  }

  async post<T>(
    path: string,
    body: string | Uint8Array | ReadableStream,
    headers: object = {},
  ): Promise<Answer<T>> {
    const length = body instanceof ReadableStream ? {} : { 'content-length': String(body.length) };
    const response = await this.world.intake.app.request(path, {
      method: 'POST',
      headers: {
        'content-type': path === linkPath.segments ? segmentsContentType : 'application/json',
        [linkHeader.alias]: this.alias,
        [linkHeader.session]: this.session,
        ...length,
        ...headers,
      },
      body: body as string,
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
    });
    return {
      status: response.status,
      body: (await response.json()) as T & Partial<ErrorBody>,
      retryAfter: response.headers.get('retry-after'),
      location: response.headers.get('location'),
    };
  }

  /** Records `<alias>-<sequence>`. */
  segment(first: number, count: number, over: Partial<SegmentFrame> = {}): SegmentFrame {
    const { epoch = this.epoch, topic = 'sensor-data' } = over;
    const records = Array.from({ length: count }, (_, i) => ({
      key: null,
      value: Buffer.from(`${this.alias}-${first + i}`),
      headers: [],
      timestamp: 1_700_000_000_000 + first + i,
    }));
    const provenance = { alias: this.alias, topic, epoch, firstSequence: first };
    return {
      kind: 'segment',
      epoch,
      topic,
      partition: 0,
      partitionCount: 1,
      first,
      count,
      acceptedFrom: 1_000 + first,
      acceptedTo: 1_000 + first + count,
      provenance: 'headers',
      runs: [],
      batch: sealBatch(records, { compression: 'none', provenance }),
      ...over,
    };
  }

  loss(first: number, span: number, over: Partial<Loss> = {}): LossFrame {
    return {
      kind: 'loss',
      epoch: this.epoch,
      topic: 'sensor-data',
      partition: 0,
      partitionCount: 1,
      loss: {
        first,
        span,
        records: span,
        scope: 'stream',
        bytes: span * 10,
        from: null,
        to: null,
        reason: 'evicted',
        detail: 'test',
        ...over,
      },
    };
  }
}

/** An edge whose session is open. */
export async function openEdge(world: World, alias = 'factory-a'): Promise<Edge> {
  const edge = new Edge(world, alias);
  const { status, body } = await edge.hello();
  if (status !== 200) throw new Error(JSON.stringify(body));
  return edge;
}
