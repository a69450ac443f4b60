import type { RecordHeader } from '#shared/wire/record.ts';
import type { RecordRun } from '#shared/wire/record-run.ts';
import type { DeliveredRecord, Delivery, SourceOffset } from '../source/source.ts';

/**
 * Deliveries on their way to the worker: all numbers in one array, all bytes in another, both
 * handed over without another copy. (A structured clone of thousands of small objects costs more
 * than their commit.)
 *
 *   numbers  := delivery*
 *   delivery := topic · flags · key · lossRecords · lossDetail · lossPartition · incarnation
 *               · partitions (0 none) · from · cutBack · set · delete · records · runs
 *               · runsPartition
 *               · { keyLength · valueLength }set · { keyLength }delete · record{records}
 *               · run{runs}
 *   from, cutBack := partition (NaN none) · offset
 *   record   := timestamp · keyLength (-1 null) · valueLength (-1 null) · partition (NaN none)
 *               · sourceOffset (NaN none; not there without an incarnation)
 *               · headers · { nameLength · valueLength (-1 null) }headers
 *   run      := length · count · baseTimestamp · timestamp (NaN none) · baseOffset
 *
 * topic, key, lossDetail and incarnation are lengths; the bytes themselves stand in the same order.
 */
export interface PackedDeliveries {
  numbers: Float64Array<ArrayBuffer>;
  bytes: Uint8Array<ArrayBuffer>;
  count: number;
}

const flag = { refuse: 1, key: 2, loss: 4, incarnation: 8 } as const;
const numbersLeast = 64;
const bytesLeast = 1024;
/** Of memory that came back and waits to be used again. */
const spareBytesMost = 8 * 1024 * 1024;

/** Memory of deliveries that were handled. */
export type Spare = Pick<PackedDeliveries, 'numbers' | 'bytes'>;

export class DeliveryPacker {
  #numbers = new Float64Array(numbersLeast);
  #bytes = Buffer.allocUnsafeSlow(bytesLeast);
  #at = 0;
  #end = 0;
  #count = 0;
  #spare: Spare | undefined;

  get count(): number {
    return this.#count;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#end + this.#at * 8;
  }

  add(delivery: Delivery): void {
    const { records, positions, idempotencyKey, sourceLoss, whenFull, incarnation } = delivery;
    const set = positions?.set ?? new Map<string, Buffer>();
    const gone = positions?.delete ?? [];
    this.#count += 1;
    const runs = delivery.runs?.runs ?? [];
    this.#reserve(17 + 2 * set.size + gone.length);
    this.#text(delivery.topic);
    this.#number(
      (whenFull === 'refuse' ? flag.refuse : 0) +
        (idempotencyKey === undefined ? 0 : flag.key) +
        (sourceLoss === undefined ? 0 : flag.loss) +
        (incarnation === undefined ? 0 : flag.incarnation),
    );
    this.#text(idempotencyKey ?? '');
    this.#number(sourceLoss?.records ?? 0);
    this.#text(sourceLoss?.detail ?? '');
    this.#number(sourceLoss?.partition ?? Number.NaN);
    this.#text(incarnation ?? '');
    this.#number(delivery.partitions ?? 0);
    this.#place(delivery.from);
    this.#place(delivery.cutBack);
    this.#number(set.size);
    this.#number(gone.length);
    this.#number(records.length);
    this.#number(runs.length);
    this.#number(delivery.runs?.partition ?? 0);
    for (const [key, value] of set) {
      this.#text(key);
      this.#blob(value);
    }
    for (const key of gone) this.#text(key);
    for (const record of records) this.#record(record, incarnation !== undefined);
    this.#reserve(5 * runs.length);
    for (const run of runs) this.#run(run);
  }

  /** What was packed; begins anew. */
  take(): PackedDeliveries {
    const packed = {
      numbers: this.#numbers.subarray(0, this.#at),
      bytes: new Uint8Array(this.#bytes.buffer as ArrayBuffer, 0, this.#end),
      count: this.#count,
    };
    const { numbers, bytes } = this.#spare ?? {};
    this.#spare = undefined;
    this.#numbers = numbers ?? new Float64Array(Math.max(numbersLeast, this.#at));
    this.#bytes = bytes
      ? Buffer.from(bytes.buffer)
      : Buffer.allocUnsafeSlow(Math.max(bytesLeast, this.#end));
    this.#at = 0;
    this.#end = 0;
    this.#count = 0;
    return packed;
  }

  /** Its memory is used again: what is new is collected as garbage, megabytes at a time. */
  giveBack({ numbers, bytes }: Spare): void {
    const whole = {
      numbers: new Float64Array(numbers.buffer),
      bytes: new Uint8Array(bytes.buffer),
    };
    if (whole.numbers.byteLength + whole.bytes.length <= spareBytesMost) this.#spare = whole;
  }

  #run({ bytes, count, baseTimestamp, timestamp, baseOffset }: RecordRun): void {
    this.#blob(bytes);
    this.#number(count);
    this.#number(baseTimestamp);
    this.#number(timestamp ?? Number.NaN);
    this.#number(baseOffset);
  }

  #record(record: DeliveredRecord, numbered: boolean): void {
    const { timestamp, key, value, headers, partition } = record;
    this.#reserve(6 + 2 * headers.length);
    this.#number(timestamp);
    this.#blob(key);
    this.#blob(value);
    this.#number(partition ?? Number.NaN);
    if (numbered) this.#number(record.sourceOffset ?? Number.NaN);
    this.#number(headers.length);
    for (const [name, content] of headers) {
      this.#text(name);
      this.#blob(content);
    }
  }

  #place(place: SourceOffset | undefined): void {
    this.#number(place?.partition ?? Number.NaN);
    this.#number(place?.offset ?? 0);
  }

  #number(n: number): void {
    this.#numbers[this.#at++] = n;
  }

  #blob(blob: Uint8Array | null): void {
    if (blob === null) {
      this.#number(-1);
      return;
    }
    this.#number(blob.length);
    this.#room(blob.length);
    this.#bytes.set(blob, this.#end);
    this.#end += blob.length;
  }

  #text(text: string): void {
    this.#room(text.length * 3);
    const length = this.#bytes.write(text, this.#end);
    this.#number(length);
    this.#end += length;
  }

  #reserve(numbers: number): void {
    if (this.#at + numbers <= this.#numbers.length) return;
    const larger = new Float64Array(Math.max(this.#at + numbers, this.#numbers.length * 2));
    larger.set(this.#numbers);
    this.#numbers = larger;
  }

  #room(bytes: number): void {
    if (this.#end + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#end + bytes, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

/** The inverse; keys, values and headers are views of the packed bytes. */
export function unpackDeliveries({ numbers, bytes, count }: PackedDeliveries): Delivery[] {
  const reader = new PackReader(numbers, bytes);
  return Array.from({ length: count }, () => reader.delivery());
}

class PackReader {
  readonly #numbers: Float64Array;
  readonly #bytes: Buffer;
  #at = 0;
  #end = 0;

  constructor(numbers: Float64Array, bytes: Uint8Array) {
    this.#numbers = numbers;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  delivery(): Delivery {
    const topic = this.#text();
    const flags = this.#number();
    const idempotencyKey = this.#text();
    const lost = this.#number();
    const detail = this.#text();
    const lossPartition = this.#number();
    const incarnation = this.#text();
    const partitions = this.#number();
    const from = this.#place();
    const cutBack = this.#place();
    const numbered = (flags & flag.incarnation) !== 0;
    const setCount = this.#number();
    const deleteCount = this.#number();
    const recordCount = this.#number();
    const runCount = this.#number();
    const runsPartition = this.#number();
    const set = new Map<string, Buffer>();
    for (let i = 0; i < setCount; i++) set.set(this.#text(), this.#blob()!);
    const gone: string[] = [];
    for (let i = 0; i < deleteCount; i++) gone.push(this.#text());
    const records = new Array<DeliveredRecord>(recordCount);
    for (let i = 0; i < recordCount; i++) records[i] = this.#record(numbered);
    const runs = Array.from({ length: runCount }, () => this.#run());
    const within = Number.isNaN(lossPartition) ? {} : { partition: lossPartition };
    return {
      ...{ topic, records, whenFull: flags & flag.refuse ? 'refuse' : 'wait' },
      ...(setCount + deleteCount > 0 && { positions: { set, delete: gone } }),
      ...(flags & flag.key && { idempotencyKey }),
      ...(flags & flag.loss && { sourceLoss: { records: lost, detail, ...within } }),
      ...(numbered && { incarnation }),
      ...(partitions > 0 && { partitions }),
      ...(from && { from }),
      ...(cutBack && { cutBack }),
      ...(runCount > 0 && { runs: { partition: runsPartition, runs } }),
    };
  }

  #place(): SourceOffset | undefined {
    const partition = this.#number();
    const offset = this.#number();
    return Number.isNaN(partition) ? undefined : { partition, offset };
  }

  #run(): RecordRun {
    const bytes = this.#blob()!;
    const count = this.#number();
    const baseTimestamp = this.#number();
    const timestamp = this.#number();
    const baseOffset = this.#number();
    const own = Number.isNaN(timestamp) ? null : timestamp;
    return { bytes, count, baseTimestamp, timestamp: own, baseOffset };
  }

  #record(numbered: boolean): DeliveredRecord {
    const timestamp = this.#number();
    const key = this.#blob();
    const value = this.#blob();
    const partition = this.#number();
    const sourceOffset = numbered ? this.#number() : Number.NaN;
    const headerCount = this.#number();
    const headers = headerCount === 0 ? noHeaders : this.#headers(headerCount);
    const record: DeliveredRecord = { key, value, headers, timestamp };
    if (!Number.isNaN(partition)) record.partition = partition;
    if (!Number.isNaN(sourceOffset)) record.sourceOffset = sourceOffset;
    return record;
  }

  #headers(count: number): RecordHeader[] {
    return Array.from({ length: count }, () => [this.#text(), this.#blob()]);
  }

  #number(): number {
    return this.#numbers[this.#at++]!;
  }

  #blob(): Buffer | null {
    const length = this.#number();
    if (length < 0) return null;
    const start = this.#end;
    this.#end += length;
    return this.#bytes.subarray(start, this.#end);
  }

  #text(): string {
    const start = this.#end;
    this.#end += this.#number();
    return this.#bytes.toString('utf8', start, this.#end);
  }
}

const noHeaders: readonly RecordHeader[] = [];
