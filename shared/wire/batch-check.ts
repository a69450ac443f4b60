import { batchField as at, batchAttribute } from './batch-layout.ts';
import { limits } from './limits.ts';
import { ProvenanceSuffix, provenanceHeaderCount } from './provenance-suffix.ts';
import { isTimestamp, type Provenance, reservedHeaderPrefix } from './record.ts';
import { BatchError, type BatchHeader, batchPayload, readBatchHeader } from './record-batch.ts';
import { VarintReader } from './varint.ts';

/**
 * Central's walk over a batch that came from the network: once, bounded, without making records.
 * Throws a BatchError. `payloadBytes` counts as `recordBytes` does, provenance excluded.
 */
export function checkBatch(
  batch: Uint8Array,
  expected: { count: number; provenance: Provenance | null },
): BatchHeader & { payloadBytes: number } {
  if (batch.length > limits.segmentBytes) {
    throw new BatchError('too-large', `${batch.length} bytes; limit ${limits.segmentBytes}`);
  }
  const header = readBatchHeader(batch);
  checkHeader(batch, header, expected.count);
  const payload = batchPayload(batch, header);
  const suffix = expected.provenance ? new ProvenanceSuffix(expected.provenance) : undefined;
  const walk = new Walk(payload, header, suffix);
  try {
    for (let i = 0; i < header.count; i++) walk.record(i);
  } catch (cause) {
    if (cause instanceof BatchError) throw cause;
    throw new BatchError('bad-batch', (cause as Error).message, { cause });
  }
  walk.finish();
  return { ...header, payloadBytes: walk.payloadBytes };
}

function checkHeader(batch: Uint8Array, header: BatchHeader, count: number): void {
  const bad = (message: string) => {
    throw new BatchError('bad-batch', message);
  };
  if (header.count !== count) bad(`${header.count} records, the frame says ${count}`);
  if (header.count < 1 || header.count > limits.segmentRecords) bad(`${header.count} records`);
  if (header.lastOffsetDelta !== count - 1) bad(`last offset delta ${header.lastOffsetDelta}`);
  if (header.transactional || header.control) bad('transactional or control batch');
  if (header.timestampType !== 'create') bad('timestamp type is not CreateTime');
  if ((batch[at.attributes]! << 8) | (batch[at.attributes + 1]! & ~batchAttribute.compression)) {
    bad('unknown attributes');
  }
  if (header.producerId !== -1n || header.producerEpoch !== -1 || header.baseSequence !== -1) {
    bad('a producer is set');
  }
  for (let i = 0; i < at.batchLength; i++) if (batch[i] !== 0) bad('base offset is not 0');
}

const reserved = Buffer.from(reservedHeaderPrefix);

class Walk {
  payloadBytes = 0;
  private maxTimestamp = -1;
  private readonly reader: VarintReader;
  private readonly bytes: Uint8Array;
  private readonly header: BatchHeader;
  private readonly suffix: ProvenanceSuffix | undefined;

  constructor(payload: Uint8Array, header: BatchHeader, suffix: ProvenanceSuffix | undefined) {
    this.bytes = payload;
    this.reader = new VarintReader(payload);
    this.header = header;
    this.suffix = suffix;
  }

  record(index: number): void {
    const { reader, suffix } = this;
    const length = reader.int32();
    const start = reader.skip(length);
    const end = start + length;
    reader.position = start;
    if (reader.byte() !== 0) this.bad(index, 'attributes are not 0');
    this.timestamp(index, this.header.baseTimestamp + reader.int64());
    if (reader.int32() !== index) this.bad(index, 'offset delta is out of order');
    let size = this.blob() + this.blob();
    const headers = this.ownHeaders(index);
    if (headers > limits.headersPerRecord) this.bad(index, `${headers} headers`);
    for (let left = headers; left > 0; left--) size += this.name(index) + this.blob();
    if (size > limits.recordBytes)
      throw new BatchError('too-large', `record ${index}: ${size} bytes`);
    this.payloadBytes += size;
    if (suffix) this.provenance(index, end, suffix);
    if (reader.position !== end) this.bad(index, 'length does not fit');
  }

  finish(): void {
    const left = this.bytes.length - this.reader.position;
    if (left !== 0) throw new BatchError('bad-batch', `${left} bytes behind the records`);
    if (this.maxTimestamp !== this.header.maxTimestamp) {
      throw new BatchError('bad-timestamp', `max timestamp is not ${this.header.maxTimestamp}`);
    }
  }

  private timestamp(index: number, ms: number): void {
    if (!isTimestamp(ms)) throw new BatchError('bad-timestamp', `record ${index}: ${ms}`);
    if (ms > this.maxTimestamp) this.maxTimestamp = ms;
  }

  private ownHeaders(index: number): number {
    const count = this.reader.int32();
    if (count < 0) this.bad(index, `${count} headers`);
    if (!this.suffix) return count;
    if (count >= provenanceHeaderCount) return count - provenanceHeaderCount;
    throw new BatchError('bad-provenance', `record ${index} does not name where it comes from`);
  }

  private blob(): number {
    const length = this.reader.int32();
    if (length === -1) return 0;
    this.reader.skip(length);
    return length;
  }

  private name(index: number): number {
    const length = this.reader.int32();
    const start = this.reader.skip(length);
    if (length >= reserved.length && this.same(reserved, reserved.length, start)) {
      throw new BatchError('bad-provenance', `record ${index} has a reserved header of its own`);
    }
    return length;
  }

  private provenance(index: number, end: number, suffix: ProvenanceSuffix): void {
    const start = this.reader.position;
    if (
      end - start !== suffix.bytes.length ||
      !this.same(suffix.bytes, suffix.bytes.length, start)
    ) {
      throw new BatchError('bad-provenance', `record ${index} does not name where it comes from`);
    }
    suffix.advance();
    this.reader.position = end;
  }

  private same(wanted: Uint8Array, length: number, start: number): boolean {
    for (let i = 0; i < length; i++) if (this.bytes[start + i] !== wanted[i]) return false;
    return true;
  }

  private bad(index: number, message: string): never {
    throw new BatchError('bad-batch', `record ${index}: ${message}`);
  }
}
