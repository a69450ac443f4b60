import type { RecordBuffer } from '#edge/buffer/buffer.ts';
import type { Delivery } from '#edge/source/source.ts';
import { simEpochMs } from './central-node.ts';
import type { Published } from './history.ts';

const topic = 'log';
const incarnation = '7'.repeat(32);
const partitions = 2;
const recordsAtOnce = 20;
const positionKey = (partition: number): string => `log/${partition}`;

/** A topic of the site's own Kafka, which no crash of a gateway touches. */
export class SiteLog {
  readonly partitions: Published[][] = Array.from({ length: partitions }, () => []);

  append(records: readonly Published[]): void {
    for (const record of records) {
      this.partitions[Number(record.key.at(-1)) % partitions]!.push(record);
    }
  }
}

interface Lane {
  partition: number;
  next: number;
  isBusy: boolean;
}

/** Takes what is in the log over into the buffer of one gateway, as the Kafka source does. */
export class LogReader {
  readonly #log: SiteLog;
  /** Whose positions these are; another one has its own on its disk. */
  #reads: RecordBuffer | undefined;
  #lanes: Lane[] = [];

  constructor(log: SiteLog) {
    this.#log = log;
  }

  /** All of it is in this buffer, or needs not to be. */
  isRead(buffer: RecordBuffer): boolean {
    const [lanes, log] = [this.#lanes, this.#log];
    if (this.#reads !== buffer || lanes.length === 0) return false;
    return lanes.every(({ partition, next }) => next >= log.partitions[partition]!.length);
  }

  /** Takes the next few over. `buffer`: never answers once it is dead. */
  async read(buffer: RecordBuffer): Promise<void> {
    if (this.#reads !== buffer) {
      this.#reads = buffer;
      this.#lanes = [];
      const stored = await buffer.positions('log/');
      if (this.#reads !== buffer) return;
      this.#lanes = this.#log.partitions.map((_, partition) => {
        const next = Number(stored.get(positionKey(partition))?.toString() ?? 0);
        return { partition, next, isBusy: false };
      });
    }
    await Promise.all(this.#lanes.map((lane) => this.#deliver(buffer, lane)));
  }

  async #deliver(buffer: RecordBuffer, lane: Lane): Promise<void> {
    if (lane.isBusy) return;
    const { partition, next: offset } = lane;
    const found = this.#log.partitions[partition]!.slice(offset, offset + recordsAtOnce);
    if (found.length === 0) return;
    lane.isBusy = true;
    const next = offset + found.length;
    const delivered = await buffer.append(deliveryOf(found, partition, offset)).catch(() => null);
    lane.isBusy = false;
    if (delivered) lane.next = delivered.landedTo ?? next;
  }
}

const deliveryOf = (found: readonly Published[], partition: number, offset: number): Delivery => ({
  ...{ topic, incarnation, partitions, from: { partition, offset } },
  records: found.map(({ id, key }, i) => ({
    ...{ key: Buffer.from(key), value: Buffer.from(id), timestamp: simEpochMs, headers: [] },
    ...{ partition, sourceOffset: offset + i },
  })),
  positions: {
    set: new Map([[positionKey(partition), Buffer.from(String(offset + found.length))]]),
  },
});
