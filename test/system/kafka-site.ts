import { KafkaReports } from '#edge/kafka-reports.ts';
import { LinkClient } from '#edge/uplink/client.ts';
import { HttpTransport } from '#edge/uplink/http-transport.ts';
import type { Kafka } from '#shared/kafka/kafka.ts';
import { type LogRecord, openRecords } from '#shared/kafka/open-records.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { encodeFrame, type SourceRun } from '#shared/wire/frame.ts';
import { groupFilter } from '#shared/wire/mm2-filter.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';

export interface KafkaSiteOptions {
  alias: string;
  /** The site's own Kafka, and the topic of one partition that it replicates. */
  kafka: Kafka;
  topic: string;
  /** The topic's name at the link; default the same. */
  as?: string;
  url: string;
  /** Most records in a segment. Default 500. */
  segmentRecords?: number;
}

const epoch = 'e'.repeat(32);
const session = '5'.repeat(32);

/**
 * A site with a Kafka of its own, as central sees it: its records with where they stood, and its
 * groups, told by the edge's own reporter.
 */
export class KafkaSite {
  readonly #options: KafkaSiteOptions;
  readonly #client: LinkClient;
  readonly #transport = new HttpTransport();
  readonly #opened: (() => void)[] = [];
  readonly reports: KafkaReports;
  #incarnation = '';
  /** Next to read at the source, and the sequence that it gets. */
  #next = 0;
  #sequence = 0;
  #open = false;

  constructor(options: KafkaSiteOptions) {
    this.#options = options;
    const { alias, url, kafka } = options;
    this.#client = new LinkClient({ transport: this.#transport, urls: [url], alias });
    this.reports = new KafkaReports({
      ...{ client: this.#client, alias, requestTimeoutMs: 10_000, intervalMs: 200 },
      ...{ clock: systemClock, log: silentLog },
      uplink: this.#uplink,
      clusters: () => [
        {
          ...{ admin: kafka.admin, acls: false, follows: groupFilter() },
          topics: () => [{ topic: this.#topic, incarnation: this.#incarnation, partitions: 1 }],
          positions: () => [this.#position],
        },
      ],
    });
  }

  async start(): Promise<void> {
    const { alias, kafka, topic } = this.#options;
    this.#incarnation = (await kafka.admin.topics([topic]))[0]!.id;
    const answer = await this.#client.hello(
      {
        ...{ version: 1, alias, epoch, session, previous: null, centralId: null, agent: 'test' },
        ...{ clock: systemClock.now(), streams: [] },
      },
      10_000,
    );
    if (answer.outcome !== 'accepted') throw new Error(JSON.stringify(answer));
    this.#open = true;
    for (const listener of this.#opened) listener();
    this.reports.start();
  }

  /** Carries what is committed at the source, up to its end as it is now. */
  async replicate(): Promise<void> {
    const { kafka, topic, segmentRecords = 500 } = this.#options;
    const at = { topic, partition: 0 };
    const [end] = await kafka.admin.offsets([at], 'latest', 'committed');
    while (this.#next < end!) {
      const [answer] = await kafka.reads.fetch([{ ...at, offset: this.#next }], {
        ...{ maxWaitMs: 500, isolation: 'committed' },
      });
      if (answer!.error) throw answer!.error;
      const records = answer!.batches
        .flatMap(({ bytes }) => [...openRecords(bytes)])
        .filter(({ offset }) => offset >= this.#next && offset < end!);
      for (let i = 0; i < records.length; i += segmentRecords) {
        await this.#land(records.slice(i, i + segmentRecords));
      }
      this.#next = Math.min(answer!.nextOffset, end!);
    }
  }

  async stop(): Promise<void> {
    await this.reports.stop();
    this.#transport.close();
  }

  async #land(records: readonly LogRecord[]): Promise<void> {
    const { alias } = this.#options;
    const topic = this.#topic;
    const first = this.#sequence;
    const runs: SourceRun[] = [];
    for (const [i, { offset }] of records.entries()) {
      const last = runs.at(-1);
      if (last && last.sourceOffset + last.count === offset) last.count += 1;
      else {
        const incarnation = this.#incarnation;
        runs.push({ sequence: first + i, sourceOffset: offset, count: 1, incarnation });
      }
    }
    const provenance = { alias, topic, epoch, firstSequence: first };
    const now = Math.round(systemClock.now());
    const body = encodeFrame({
      ...{ kind: 'segment', epoch, topic, partition: 0, partitionCount: 1 },
      ...{ first, count: records.length, acceptedFrom: now, acceptedTo: now, runs },
      provenance: 'headers',
      batch: sealBatch([...records], { compression: 'zstd', provenance }),
    });
    const answer = await this.#client.segments(session, Buffer.concat(body), now, 30_000);
    if (answer.verdicts.length > 0) throw new Error(JSON.stringify(answer.verdicts));
    this.#sequence += records.length;
  }

  get #topic(): string {
    return this.#options.as ?? this.#options.topic;
  }

  get #position() {
    const { partition, next, sequence } = {
      partition: 0,
      next: this.#next,
      sequence: this.#sequence,
    };
    const incarnation = this.#incarnation;
    return { topic: this.#topic, partition, incarnation, next, epoch, sequence };
  }

  get #uplink() {
    const isOpen = () => this.#open;
    return {
      get session() {
        return isOpen() ? { session, heartbeatIntervalMs: 5_000 } : undefined;
      },
      onSession: (listener: () => void) => void this.#opened.push(listener),
      lost: () => {
        throw new Error('central lost the session');
      },
    };
  }
}
