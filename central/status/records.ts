import { recordBytes } from '#shared/wire/record.ts';
import type { LandedRecord, Landing, RecordPage } from '../landing/landing.ts';

/** One answer carries about this much; `next` says where to go on. A record may have 900 KiB. */
const answerBytes = 4 * 1024 * 1024;
const firstRead = 16;

/**
 * Reads a page in steps whose size follows the records seen so far, so that a thousand small
 * records take two reads and a thousand large ones never meet in memory. undefined: no such
 * partition.
 */
export async function readRecords(
  landing: Pick<Landing, 'records'>,
  topic: string,
  partition: number,
  offset: number,
  limit: number,
): Promise<RecordPage | undefined> {
  const records: LandedRecord[] = [];
  let bytes = 0;
  let next: number | null = offset;
  while (next !== null && records.length < limit && bytes < answerBytes) {
    const step = stepSize(records.length, bytes, limit);
    const page: RecordPage | undefined = await landing.records(topic, partition, next, step);
    if (page === undefined) return undefined;
    records.push(...page.records);
    for (const record of page.records) bytes += recordBytes(record);
    next = page.next;
  }
  return { records, next };
}

function stepSize(count: number, bytes: number, limit: number): number {
  if (count === 0) return Math.min(firstRead, limit);
  const fits = Math.floor((answerBytes - bytes) / Math.max(1, bytes / count));
  return Math.max(1, Math.min(limit - count, fits));
}
