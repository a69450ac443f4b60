import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordBuffer } from '#edge/buffer/buffer.ts';
import { openInlineBuffer } from '#edge/buffer/inline.ts';
import { Heartbeats } from '#edge/heartbeat.ts';
import { LinkClient } from '#edge/uplink/client.ts';
import { HttpTransport } from '#edge/uplink/http-transport.ts';
import type { Transport, TransportRequest, TransportResponse } from '#edge/uplink/transport.ts';
import { Uplink } from '#edge/uplink/uplink.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { linkPath } from '#shared/wire/link.ts';
import { longestGap } from '../kafka/gaps.ts';

export interface LightEdgeOptions {
  alias: string;
  /** Of each collector. */
  urls: readonly string[];
  /** Where its buffer is. */
  folder: string;
  partitions: number;
}

/**
 * Buffer, uplink and heartbeats of an edge within the test's own process: many of them cost little.
 * Notes when it is served.
 */
export class LightEdge {
  readonly alias: string;
  readonly buffer: RecordBuffer;
  readonly served: Served;
  readonly #uplink: Uplink;
  readonly #close: () => Promise<void>;

  static async open({ alias, urls, folder, partitions }: LightEdgeOptions): Promise<LightEdge> {
    mkdirSync(folder, { recursive: true });
    const deps = { clock: systemClock, log: silentLog };
    const buffer = await openInlineBuffer(
      {
        ...{ path: join(folder, `${alias}.db`), alias, maxBytes: 1 << 30 },
        ...{ whenFull: 'block', compression: 'zstd', topics: new Map([['*', { partitions }]]) },
      },
      deps,
    );
    return new LightEdge(alias, buffer, urls);
  }

  private constructor(alias: string, buffer: RecordBuffer, urls: readonly string[]) {
    this.alias = alias;
    this.buffer = buffer;
    this.served = new Served(new HttpTransport());
    const client = new LinkClient({ transport: this.served, urls, alias });
    const common = { buffer, client, clock: systemClock, log: silentLog, alias, agent: 'test' };
    this.#uplink = new Uplink({
      ...{ ...common, random: Math.random, requestTimeoutMs: 3_000, maxBytesPerSecond: null },
    });
    const heartbeats = new Heartbeats({
      ...{ ...common, uplink: this.#uplink, requestTimeoutMs: 3_000, sources: () => [] },
      disk: async () => ({ freeBytes: 1e9, totalBytes: 1e9 }),
    });
    this.#uplink.start();
    heartbeats.start();
    this.#close = async () => {
      await Promise.all([this.#uplink.stop(0), heartbeats.stop()]);
      this.served.close();
      await buffer.close();
    };
  }

  async publish(topic: string, key: string, values: readonly string[]): Promise<void> {
    const records = values.map((value) => {
      const bytes = { key: Buffer.from(key), value: Buffer.from(value) };
      return { ...bytes, headers: [], timestamp: Date.now() };
    });
    await this.buffer.append({ topic, records });
  }

  async backlog(): Promise<number> {
    return (await this.buffer.report(0, 1)).totals.backlogRecords;
  }

  get status(): string {
    const { state, url, lastError } = this.#uplink.status();
    return `${this.alias}: ${state} at ${url}, ${lastError}`;
  }

  close(): Promise<void> {
    return this.#close();
  }
}

/** The network, with a note of each answer. */
export class Served implements Transport {
  readonly #inner: Transport;
  readonly #times: number[] = [performance.now()];
  readonly #history: { at: number; said: string }[] = [];

  constructor(inner: Transport) {
    this.#inner = inner;
  }

  async post(request: TransportRequest): Promise<TransportResponse> {
    const began = performance.now();
    const note = (said: string) => {
      const at = performance.now();
      const took = Math.round(at - began);
      this.#history.push({ at, said: `${request.url}${request.path} ${took} ms: ${said}` });
    };
    try {
      const response = await this.#inner.post(request);
      const { status, body } = response;
      if (status !== 200) note(`${status} ${Buffer.from(body).toString('utf8').slice(0, 300)}`);
      else if (request.path === linkPath.segments) this.#times.push(performance.now());
      return response;
    } catch (error) {
      note(String(error));
      throw error;
    }
  }

  /** Whether an answer took records over since then. */
  since(sinceMs: number): boolean {
    return (this.#times.at(-1) ?? 0) > sinceMs;
  }

  /** The longest time between two answers that took records over, since `sinceMs`. */
  longestGap(sinceMs: number): number {
    return longestGap(this.#times, sinceMs);
  }

  /** What went wrong since then. */
  history(sinceMs: number): string {
    const lines = this.#history.filter(({ at }) => at >= sinceMs);
    return lines.map(({ at, said }) => `+${Math.round(at - sinceMs)} ms ${said}`).join('\n');
  }

  close(): void {
    this.#inner.close();
  }
}
