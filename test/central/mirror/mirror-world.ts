import type { Mirror, MirrorLog } from '#central/mirror/mirror.ts';
import { openMirror } from '#central/mirror/open-mirror.ts';
import { PartitionIndex } from '#central/mirror/partition-index.ts';
import type { LandedSegment } from '#central/mirror/translate.ts';
import type { Clock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import type { KafkaReport, ReportedGroup } from '#shared/wire/kafka-report.ts';
import { streamKey } from '#shared/wire/link.ts';
import { decodeGroupCheckpoint, type GroupCheckpoint } from '#shared/wire/mm2-checkpoint.ts';

export const session = 'e'.repeat(32);
export const epoch = 'f'.repeat(32);
export const life = '1'.padStart(32, '0');

/** A central with one site whose topic `t` has one partition; Kafka is a list of records. */
export class MirrorWorld {
  now = 1_000_000;
  readonly mirror: Mirror;
  readonly checkpoints: GroupCheckpoint[] = [];
  /** What reading `<alias>.checkpoints.internal` fails with. */
  readError: Error | undefined;
  #index = new PartitionIndex({ complete: true });
  #through = new Map<string, number>();
  #landed = 0;
  #next = 0;
  #remote = 0;
  #merged = 0;
  #number = 0;

  readonly #remoteTopic: string;

  readonly #alias: string;

  constructor(remoteTopic = 'a.t', alias = 'a') {
    this.#remoteTopic = remoteTopic;
    this.#alias = alias;
    const clock: Clock = {
      now: () => this.now,
      monotonic: () => this.now,
      sleep: () => new Promise(() => {}),
      every: () => () => {},
    };
    const landing: MirrorLog = {
      index: async (_alias, topic, _partition, position) => {
        const around = this.#index.around(position);
        if (topic !== 't' || !('segments' in around) || around.segments.length === 0) {
          return undefined;
        }
        return around;
      },
      through: (_alias, stream) => this.#through.get(streamKey(stream)) ?? -1,
      checkpoints: async () => {
        if (this.readError) throw this.readError;
        return this.checkpoints;
      },
    };
    this.mirror = openMirror({ log: silentLog, clock, landing });
  }

  /** `count` records from source offset `source` on. */
  land(source: number, count: number, incarnation = life): void {
    const segment: LandedSegment = {
      first: this.#next,
      count,
      remote: { topic: this.#remoteTopic, offset: this.#remote },
      merged: [{ topic: 't', offset: this.#merged }],
      runs: [{ sequence: this.#next, sourceOffset: source, count, incarnation }],
    };
    this.#next += count;
    // A transaction's marker stands behind; in the merged topic another site's records too.
    this.#remote += count + 1;
    this.#merged += count + 8;
    const stream = { epoch, topic: 't', partition: 0 };
    this.#through.set(streamKey(stream), this.#next - 1);
    this.#index.add(segment, this.#landed++);
    this.mirror.landed(this.#alias, stream, segment);
  }

  report(groups: ReportedGroup[], more: Partial<KafkaReport> = {}): number {
    const { next } = this.mirror.report(this.#alias, {
      ...{
        version: 1,
        alias: this.#alias,
        session,
        number: this.#number,
        groups,
        gone: [],
        positions: [],
      },
      ...{ topics: [], acls: null },
      ...more,
    });
    this.#number = next;
    return next;
  }

  /** Group `g` at this source offset of t-0. */
  async at(offset: number, incarnation = life): Promise<void> {
    this.report([group('g', offset, incarnation)]);
    await this.mirror.idle();
  }

  /** The next transaction; what it writes of checkpoints, as [upstream, downstream]. */
  async commit(): Promise<[number, number][]> {
    await this.mirror.idle();
    const due = this.mirror.due(this.#alias);
    const written = (due?.topics ?? [])
      .filter(({ topic }) => topic === `${this.#alias}.checkpoints.internal`)
      .flatMap(({ records }) => records.map(decodeGroupCheckpoint));
    due?.written();
    this.checkpoints.push(...written);
    return written.map(({ upstreamOffset, offset }) => [upstreamOffset, offset]);
  }
}

export const group = (
  name: string,
  offset: number,
  incarnation = life,
  metadata = '',
): ReportedGroup => ({
  group: name,
  state: 'Stable',
  offsets: [{ topic: 't', partition: 0, offset, incarnation, metadata }],
});
