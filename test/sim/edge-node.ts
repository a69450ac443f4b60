import SqliteDatabase, { type Database } from 'better-sqlite3';
import type { RecordBuffer } from '#edge/buffer/buffer.ts';
import { openInlineBuffer } from '#edge/buffer/inline.ts';
import { Heartbeats } from '#edge/heartbeat.ts';
import type { Delivery } from '#edge/source/source.ts';
import { LinkClient } from '#edge/uplink/client.ts';
import { Uplink } from '#edge/uplink/uplink.ts';
import { silentLog } from '#shared/std/log.ts';
import { simEpochMs } from './central-node.ts';
import type { Network } from './network.ts';
import type { Random } from './random.ts';
import { LogReader, type SiteLog } from './site-log.ts';
import { MachineClock, type VirtualTime } from './virtual-clock.ts';

interface Life {
  clock: MachineClock;
  buffer: RecordBuffer;
  uplink: Uplink;
}

export interface EdgeSetup {
  alias: string;
  maxBytes: number;
  network: Network;
  /** Stands beside it, and survives it. */
  log: SiteLog;
}

/** A gateway without its sources (site-log.ts stands for one): buffer, uplink and heartbeats over a disk that outlives its crashes. */
export class EdgeNode {
  readonly reader: LogReader;
  readonly setup: EdgeSetup;
  disk: Database = new SqliteDatabase(':memory:');
  readonly #time: VirtualTime;
  readonly #random: Random;
  #life: Life | undefined;
  /** Clock of the run that may write: what an older one still has under way must not. */
  #running: MachineClock | undefined;
  #fuse: number | undefined;
  /** Wall clock minus true time, ms; the next start takes it. */
  skew = 0;

  constructor(time: VirtualTime, random: Random, setup: EdgeSetup) {
    this.#time = time;
    this.#random = random;
    this.setup = setup;
    this.reader = new LogReader(setup.log);
  }

  get up(): boolean {
    return this.#life !== undefined;
  }

  get buffer(): RecordBuffer {
    return this.#life!.buffer;
  }

  /** Rejects, down again, when it dies while it starts. */
  async start(): Promise<void> {
    const { alias, maxBytes, network } = this.setup;
    const clock = new MachineClock(this.#time, simEpochMs + this.skew);
    this.#running = clock;
    const buffer = await openInlineBuffer(
      {
        ...{ path: ':memory:', alias, maxBytes, whenFull: 'drop-oldest', compression: 'none' },
        topics: new Map([['*', { partitions: 2 }]]),
      },
      {
        ...{ clock, database: this.disk, newId: this.#random.id, log: silentLog },
        fault: () => this.#burn(clock),
      },
    );
    const client = new LinkClient({
      ...{ transport: network.transport(clock), urls: ['http://central'], alias },
    });
    const common = { buffer, client, clock, log: silentLog, alias, agent: 'sim' };
    const uplink = new Uplink({
      ...common,
      ...{ random: this.#random.next, requestTimeoutMs: 5_000, maxBytesPerSecond: null },
    });
    const heartbeats = new Heartbeats({
      ...{ ...common, uplink, requestTimeoutMs: 5_000, sources: () => [] },
      disk: async () => ({ freeBytes: 1e9, totalBytes: 1e9 }),
    });
    this.#life = { clock, buffer, uplink };
    uplink.start();
    heartbeats.start();
  }

  /** What the uplink says of itself, for a run that does not drain. */
  get status(): string {
    const { state, lastError } = this.#life?.uplink.status() ?? { state: 'down', lastError: null };
    return `${state}, ${lastError}`;
  }

  /** Power off, now. */
  crash(): void {
    this.#life?.clock.kill();
    this.#running = undefined;
    this.#life = undefined;
    this.#fuse = undefined;
  }

  /** Dies at one of the next steps of its buffer. */
  crashWithin(steps: number): void {
    this.#fuse = steps;
  }

  /** Resolves as the buffer does; never when the machine dies first. */
  async publish(delivery: Delivery): Promise<void> {
    const life = this.#life;
    if (!life) return new Promise(() => {});
    try {
      await life.buffer.append(delivery);
    } catch (error) {
      if (this.#life !== life) return new Promise(() => {});
      throw error;
    }
    if (this.#life !== life) return new Promise(() => {});
  }

  image(): Buffer {
    return this.disk.serialize();
  }

  /** Without an image: a new one, nothing on it. */
  replaceDisk(image?: Buffer): void {
    this.disk = new SqliteDatabase(image ? Buffer.from(image) : ':memory:');
  }

  #burn(clock: MachineClock): void {
    if (this.#running !== clock) throw new Error('a dead machine writes nothing');
    if (this.#fuse === undefined) return;
    this.#fuse -= 1;
    if (this.#fuse > 0) return;
    this.crash();
    throw new Error('simulated crash of the edge');
  }
}
