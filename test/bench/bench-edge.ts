import { randomBytes } from 'node:crypto';
import { LinkClient, type LinkError } from '#edge/uplink/client.ts';
import type { Transport } from '#edge/uplink/transport.ts';
import { systemClock } from '#shared/std/clock.ts';
import { encodeFrame } from '#shared/wire/frame.ts';
import type { SegmentsAnswer } from '#shared/wire/link.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import { Site } from '../contract/landing-site.ts';

export const valueBytes = 1000;
const recordsPerSegment = 900;
const timeoutMs = 60_000;
const value = randomBytes(valueBytes);

/** An edge as central sees it, with nothing behind: its requests are made before the clock runs. */
export class BenchEdge {
  readonly #site: Site;
  readonly #topic: string;
  readonly #transport: Transport;
  readonly #session = '5'.repeat(32);
  #client: LinkClient | undefined;

  constructor(alias: string, { topic, transport }: { topic: string; transport: Transport }) {
    this.#site = new Site(alias);
    this.#topic = topic;
    this.#transport = transport;
  }

  async open(url: string): Promise<void> {
    const { alias, epoch } = this.#site;
    this.#client = new LinkClient({ transport: this.#transport, urls: [url], alias });
    const hello = { alias, epoch, session: this.#session, previous: null, centralId: null };
    const rest = { version: 1, agent: 'bench', clock: systemClock.now(), streams: [] };
    const { outcome } = await this.#client.hello({ ...hello, ...rest }, timeoutMs);
    if (outcome !== 'accepted') throw new Error(`central answers ${outcome}`);
  }

  /** Requests with so many bytes of values in all, 4 MiB at most each. */
  bodies(bytes: number): Buffer[] {
    const segments = Math.max(1, Math.round(bytes / (recordsPerSegment * valueBytes)));
    const perSegment = Math.round(bytes / valueBytes / segments);
    const bodies: Buffer[] = [];
    for (let left = segments; left > 0; left -= 4)
      bodies.push(this.body(Math.min(4, left), perSegment));
    return bodies;
  }

  body(segments: number, records: number): Buffer {
    return Buffer.concat(
      Array.from({ length: segments }).flatMap(() => {
        const segment = this.#site.segment(records, {
          topic: this.#topic,
          records: recordsOf(records),
        });
        const { epoch, partition, partitionCount, first, count, batch, runs } = segment;
        const now = systemClock.now();
        return encodeFrame({
          ...{
            kind: 'segment',
            provenance: 'headers',
            topic: this.#topic,
            epoch,
            partition,
            partitionCount,
          },
          ...{ first, count, runs, acceptedFrom: now, acceptedTo: now },
          batch: Buffer.from(batch.buffer, batch.byteOffset, batch.length),
        });
      }),
    );
  }

  async send(bodies: readonly Buffer[]): Promise<void> {
    for (const body of bodies) {
      const { verdicts } = await this.#taken(body);
      if (verdicts.length > 0) throw new Error(JSON.stringify(verdicts[0]));
    }
  }

  /** Again when central is ready for it, as an edge does. */
  async #taken(body: Buffer): Promise<SegmentsAnswer> {
    for (;;) {
      try {
        return await this.#client!.segments(this.#session, body, systemClock.now(), timeoutMs);
      } catch (error) {
        const { code, retryAfterMs = 100 } = error as LinkError;
        if (code !== 'busy') throw error;
        await systemClock.sleep(retryAfterMs);
      }
    }
  }
}

function recordsOf(count: number): WireRecord[] {
  const timestamp = Math.round(systemClock.now());
  const key = Buffer.from('oven-1');
  return Array.from({ length: count }, () => ({ key, value, headers: [], timestamp }));
}
