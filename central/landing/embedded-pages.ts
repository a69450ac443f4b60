import { openBatch } from '#shared/wire/record-batch.ts';
import type { BatchPage } from './embedded-reads.ts';
import type { LandedRecord, RecordPage } from './landing.ts';

export const pageRecordsMax = 1000;
/** A page ends behind the record that passes this; batches of small text inflate fifty-fold. */
const pageBytesMax = 2 * 1024 * 1024;

/** Opens one batch after the other, until the page is full. */
export function toRecordPage(page: BatchPage, offset: number, limit: number): RecordPage {
  const from = Math.max(offset, page.start);
  const records: LandedRecord[] = [];
  let bytes = 0;
  let next = Math.min(from, page.end);
  for (const { baseOffset, batch } of page.batches) {
    for (const [index, record] of openBatch(batch).entries()) {
      if (baseOffset + index < from) continue;
      if (records.length >= limit || bytes >= pageBytesMax) return { records, next };
      const { key, value, headers, timestamp } = record;
      records.push({ offset: baseOffset + index, timestamp, key, value, headers });
      bytes += 64 + (key?.length ?? 0) + (value?.length ?? 0);
      for (const [name, content] of headers) bytes += name.length + (content?.length ?? 0);
      next = baseOffset + index + 1;
    }
  }
  return { records, next: next < page.end ? next : null };
}
