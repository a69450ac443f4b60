import type { RecordBuffer } from '#edge/buffer/buffer.ts';
import { simEpochMs } from './central-node.ts';
import type { Published } from './history.ts';

const topic = 'log';
const incarnation = '7'.repeat(32);
const positionKey = 'log/next';
const recordsAtOnce = 20;

/** A topic of the site's own Kafka, which no crash of the gateway touches, and who reads it there. */
export class SiteLog {
  readonly records: Published[] = [];
  /** Whose position `#next` is; another one has it on its disk. */
  #reads: RecordBuffer | undefined;
  #next = 0;
  #isBusy = false;

  append(records: readonly Published[]): void {
    this.records.push(...records);
  }

  /** All of it is in this buffer, or needs not to be. */
  isRead(buffer: RecordBuffer): boolean {
    return this.#reads === buffer && this.#next >= this.records.length;
  }

  /** Takes the next few over, as the Kafka source does. `buffer`: never answers once it is dead. */
  async read(buffer: RecordBuffer): Promise<void> {
    if (this.#isBusy && this.#reads === buffer) return;
    this.#isBusy = true;
    if (this.#reads !== buffer) {
      this.#reads = buffer;
      this.#next = -1;
      const stored = await buffer.positions(positionKey);
      if (this.#reads !== buffer) return;
      this.#next = Number(stored.get(positionKey)?.toString() ?? 0);
    }
    await this.#deliver(buffer).catch(() => {});
    if (this.#reads === buffer) this.#isBusy = false;
  }

  async #deliver(buffer: RecordBuffer): Promise<void> {
    const offset = this.#next;
    const found = this.records.slice(offset, offset + recordsAtOnce);
    if (found.length === 0) return;
    const next = offset + found.length;
    const delivered = await buffer.append({
      ...{ topic, incarnation, from: { partition: 0, offset } },
      records: found.map(({ id, key }, i) => ({
        ...{ key: Buffer.from(key), value: Buffer.from(id), timestamp: simEpochMs, headers: [] },
        ...{ partition: 0, sourceOffset: offset + i },
      })),
      positions: { set: new Map([[positionKey, Buffer.from(String(next))]]) },
    });
    if (this.#reads === buffer) this.#next = delivered.landedTo ?? next;
  }
}
