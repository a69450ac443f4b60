import type { Kafka, TopicInfo } from '#shared/kafka/kafka.ts';
import { openRecords } from '#shared/kafka/open-records.ts';
import type { LossRecord } from '#shared/wire/link.ts';
import { ownTopics } from './kafka-names.ts';
import type { LandedRecord, RecordPage, TopicRow } from './landing.ts';

const pageRecordsMax = 1000;
/** A page ends behind the record that passes this. */
const pageBytesMax = 2 * 1024 * 1024;

/** A commit is answered before its markers stand in the log; they take some milliseconds. */
const markersMs = 500;

/** What landed, read back from Kafka for a person. Nothing of it is kept. */
export class KafkaPages {
  readonly #kafka: Kafka;

  constructor(kafka: Kafka) {
    this.#kafka = kafka;
  }

  /**
   * Those of `kinds` that exist, by name; of our own those that have something to show. Offsets as
   * committed; markers take offsets too.
   */
  async topics(
    kinds: ReadonlyMap<string, TopicRow['kind']>,
    troublesOf: (topic: string) => readonly string[],
  ): Promise<TopicRow[]> {
    const { admin } = this.#kafka;
    const found = kinds.size === 0 ? [] : await admin.topics([...kinds.keys()]);
    const at = found.flatMap(({ topic, partitions }) =>
      partitions.map(({ partition }) => ({ topic, partition })),
    );
    const [starts, ends] = await Promise.all([
      admin.offsets(at, 'earliest'),
      admin.offsets(at, 'latest', 'committed'),
    ]);
    const bounds = new Map(
      at.map(({ topic, partition }, i) => [
        `${topic}/${partition}`,
        { partition, startOffset: starts[i]!, endOffset: ends[i]! },
      ]),
    );
    return found
      .map((info) => {
        const troubles = troublesOf(info.topic);
        return { ...rowOf(info, kinds.get(info.topic)!, bounds), troubles };
      })
      .filter(({ kind, records, troubles }) => {
        return kind !== 'internal' || records > 0 || troubles.length > 0;
      })
      .sort(byTopic);
  }

  async page(
    topic: string,
    partition: number,
    offset: number,
    limit: number,
  ): Promise<RecordPage | undefined> {
    const [info] = await this.#kafka.admin.topics([topic]);
    if (!info?.partitions.some((one) => one.partition === partition)) return undefined;
    const at = [{ topic, partition }];
    const [start] = await this.#kafka.admin.offsets(at, 'earliest');
    const [end] = await this.#kafka.admin.offsets(at, 'latest', 'uncommitted');
    const most = Math.max(1, Math.min(limit, pageRecordsMax));
    const page = new Page(Math.max(offset, start!), most);
    while (!page.full && page.next < end!) {
      const [answer] = await this.#kafka.reads.fetch(
        [{ topic, partition, offset: page.next, maxBytes: pageBytesMax }],
        { maxWaitMs: markersMs, isolation: 'committed' },
      );
      if (answer!.error) throw answer!.error;
      // A transaction is open there: what is behind it comes later.
      if (answer!.nextOffset <= page.next) break;
      for (const { bytes } of answer!.batches) page.add(openRecords(bytes, { trusted: true }));
      page.readTo(answer!.nextOffset);
    }
    return { records: page.records, next: page.full && page.next < end! ? page.next : null };
  }

  /** The ledger of these partitions, oldest first. */
  async losses(
    partitions: readonly number[],
    { alias, sinceMs, limit }: { alias?: string; sinceMs?: number; limit: number },
  ): Promise<LossRecord[]> {
    const at = partitions.map((partition) => ({ topic: ownTopics.losses, partition }));
    const { admin } = this.#kafka;
    const from = await admin.offsets(at, sinceMs === undefined ? 'earliest' : sinceMs);
    const ends = await admin.offsets(at, 'latest', 'uncommitted');
    const found: LossRecord[] = [];
    for (const [i, { topic, partition }] of at.entries()) {
      let here = 0;
      for (let offset = from[i]!; offset < ends[i]! && here < limit; ) {
        const [answer] = await this.#kafka.reads.fetch([{ topic, partition, offset }], {
          ...{ maxWaitMs: markersMs, isolation: 'committed' },
        });
        if (answer!.error) throw answer!.error;
        if (answer!.nextOffset <= offset) break;
        for (const { bytes } of answer!.batches) {
          for (const record of openRecords(bytes, { trusted: true })) {
            const loss = lossOf(record, offset);
            if (!loss || (alias !== undefined && loss.alias !== alias)) continue;
            if (sinceMs !== undefined && loss.landedAt < sinceMs) continue;
            if (here++ < limit) found.push(loss);
          }
        }
        offset = answer!.nextOffset;
      }
    }
    return found.sort((a, b) => a.landedAt - b.landedAt).slice(0, limit);
  }
}

function lossOf(record: LandedRecord, from: number): LossRecord | undefined {
  if (record.offset < from || record.value === null) return undefined;
  return JSON.parse(record.value.toString('utf8')) as LossRecord;
}

function rowOf(
  { topic, partitions }: TopicInfo,
  kind: TopicRow['kind'],
  bounds: ReadonlyMap<string, TopicRow['partitions'][number]>,
): TopicRow {
  const rows = partitions
    .map(({ partition }) => bounds.get(`${topic}/${partition}`)!)
    .sort((a, b) => a.partition - b.partition);
  const records = rows.reduce((sum, row) => sum + row.endOffset - row.startOffset, 0);
  return { topic, kind, partitions: rows, records };
}

const byTopic = (a: TopicRow, b: TopicRow): number => (a.topic < b.topic ? -1 : 1);

/** A page as it fills. Records are copied out of the answer, which is large. */
class Page {
  readonly records: LandedRecord[] = [];
  next: number;
  #bytes = 0;
  readonly #limit: number;

  constructor(from: number, limit: number) {
    this.next = from;
    this.#limit = limit;
  }

  get full(): boolean {
    return this.records.length >= this.#limit || this.#bytes >= pageBytesMax;
  }

  add(records: Iterable<LandedRecord>): void {
    for (const { offset, timestamp, key, value, headers } of records) {
      if (offset < this.next) continue;
      if (this.full) return;
      this.records.push({
        ...{ offset, timestamp, key: copy(key), value: copy(value) },
        headers: headers.map(([name, content]) => [name, copy(content)] as const),
      });
      this.#bytes += 64 + (key?.length ?? 0) + (value?.length ?? 0);
      for (const [name, content] of headers) this.#bytes += name.length + (content?.length ?? 0);
      this.next = offset + 1;
    }
  }

  /** Nothing more is to be read before this offset, unless the page is full. */
  readTo(offset: number): void {
    if (!this.full) this.next = Math.max(this.next, offset);
  }
}

const copy = (bytes: Buffer | null): Buffer | null => bytes && Buffer.from(bytes);
