import type { AliasWrite, LossWrite, SegmentWrite } from '#central/landing/landing.ts';
import type { Heartbeat } from '#shared/wire/link.ts';
import { type RecordHeader, recordBytes, type WireRecord } from '#shared/wire/record.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';
import { remoteTopic } from '#shared/wire/topic-name.ts';

export const e1 = '1'.padStart(32, '0');
export const e2 = '2'.padStart(32, '0');

/** What an edge and the intake in front of a landing do, as far as a landing can tell. */
export class Site {
  readonly alias: string;
  epoch: string;
  session: string;
  readonly #next = new Map<string, number>();

  constructor(alias: string, epoch = e1) {
    this.alias = alias;
    this.epoch = epoch;
    this.session = `${alias}-s1`;
  }

  /** A write with nothing in it yet. */
  write(at: number, parts: Partial<AliasWrite> = {}): AliasWrite {
    return {
      alias: this.alias,
      at,
      underSession: this.session,
      segments: [],
      losses: [],
      ...parts,
    };
  }

  hello(at: number, session = this.session, epoch = this.epoch): AliasWrite {
    this.session = session;
    this.epoch = epoch;
    const lineage = JSON.stringify({ [session]: epoch });
    return {
      alias: this.alias,
      at,
      session: { epoch, session, lineage },
      segments: [],
      losses: [],
    };
  }

  /** The next `count` records of a stream. */
  segment(
    count: number,
    options: Partial<SegmentWrite> & { records?: WireRecord[]; valueBytes?: number } = {},
  ): SegmentWrite {
    const { topic = 'readings', partition = 0, epoch = this.epoch, records, valueBytes } = options;
    const first = options.first ?? this.#take({ epoch, topic, partition }, count);
    const held = records ?? plainRecords(this.alias, topic, first, count, valueBytes);
    const { alias } = this;
    const provenance = { alias, topic, epoch, firstSequence: first };
    return {
      epoch,
      topic,
      partition,
      partitionCount: partition + 1,
      first,
      count,
      payloadBytes: held.reduce((sum, record) => sum + recordBytes(record), 0),
      acceptedTo: 1_000 + first + count,
      batch: options.batch ?? sealBatch(held, { compression: 'none', provenance }),
      runs: [],
      remoteTopic: remoteTopic(alias, topic),
      mergedTopics: [topic],
      ...without(options, 'records', 'valueBytes'),
    };
  }

  /** The next `span` sequences of a stream will never land. */
  loss(span: number, options: Partial<LossWrite> = {}): LossWrite {
    const { topic = 'readings', partition = 0, epoch = this.epoch } = options;
    const first = options.first ?? this.#take({ epoch, topic, partition }, span);
    return {
      epoch,
      topic,
      partition,
      partitionCount: partition + 1,
      first,
      span,
      records: span,
      scope: 'stream',
      bytes: span * 10,
      from: 900,
      to: 950,
      reason: 'evicted',
      detail: 'the buffer was full',
      ...options,
    };
  }

  /** The next segment or loss of the stream begins at `sequence`. */
  skipTo(topic: string, sequence: number, partition = 0): void {
    this.#next.set(`${this.epoch}/${topic}/${partition}`, sequence);
  }

  heartbeat(number: number): Heartbeat {
    return {
      version: 1,
      alias: this.alias,
      epoch: this.epoch,
      session: this.session,
      number,
      agent: 'test',
      clock: 1,
      intervalMs: 5000,
      totals: {
        acceptedRecords: number,
        backlogRecords: 0,
        backlogBytes: 0,
        oldestAgeMs: null,
        lostRecords: 0,
        lossesPending: 0,
      },
      buffer: { usedBytes: 1, maxBytes: 2, whenFull: 'drop-oldest', blocked: false },
      disk: { freeBytes: 1, totalBytes: 2 },
      sources: [],
      streams: [],
    };
  }

  #take(id: { epoch: string; topic: string; partition: number }, count: number): number {
    const key = `${id.epoch}/${id.topic}/${id.partition}`;
    const first = this.#next.get(key) ?? 0;
    this.#next.set(key, first + count);
    return first;
  }
}

function plainRecords(
  alias: string,
  topic: string,
  first: number,
  count: number,
  valueBytes = 0,
): WireRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    key: Buffer.from(`${alias}-${(first + i) % 5}`),
    value: Buffer.from(`${alias}/${topic}/${first + i}`.padEnd(valueBytes, '.')),
    headers: [['unit', Buffer.from('C')]] satisfies RecordHeader[],
    timestamp: 1_700_000_000_000 + first + i,
  }));
}

function without<T extends object, K extends keyof T>(from: T, ...keys: K[]): Omit<T, K> {
  const rest = { ...from };
  for (const key of keys) delete rest[key];
  return rest;
}
