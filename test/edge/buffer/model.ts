import type { Database } from 'better-sqlite3';
import type { BufferOptions, RecordBuffer } from '#edge/buffer/buffer.ts';
import { openMemoryDatabase } from '#edge/buffer/file.ts';
import { openInlineBuffer } from '#edge/buffer/inline.ts';
import type { DeliveredRecord, Delivery } from '#edge/source/source.ts';
import type { Clock } from '#shared/std/clock.ts';
import { decodeFrames, type Frame } from '#shared/wire/frame.ts';
import { type StreamId, streamKey } from '#shared/wire/link.ts';
import { provenanceHeaders, type WireRecord } from '#shared/wire/record.ts';
import { openBatch, stripProvenance } from '#shared/wire/record-batch.ts';
import type { Random } from '../../sim/random.ts';
import { audit } from './audit.ts';
import { optionsFor } from './buffer-harness.ts';

/** Central, as far as the buffer sees it: admits, clips, and forgets to answer now and then. */
class ModelCentral {
  readonly through = new Map<string, number>();
  /** Record ids in order of landing, by topic-partition. */
  readonly landed = new Map<string, string[]>();
  /** By stream: which sequences landed as records, and which as losses. */
  readonly #records = new Map<string, Set<number>>();
  lost = 0;

  /** What it would answer; undefined to a frame it has already, or cannot take. */
  take(frame: Frame): { gap?: true; expected?: number; clipped?: number } {
    const key = streamKey(frame);
    const through = this.through.get(key) ?? -1;
    const first = frame.kind === 'loss' ? frame.loss.first : frame.first;
    const last = first + (frame.kind === 'loss' ? frame.loss.span : frame.count) - 1;
    if (first > through + 1) return { gap: true };
    if (frame.kind === 'loss') return this.#takeLoss(frame, key, through, last);
    if (last <= through) return {};
    if (first <= through) return { expected: through + 1 };
    this.#land(frame, key);
    return {};
  }

  #takeLoss(frame: Frame & { kind: 'loss' }, key: string, through: number, last: number) {
    const had = this.#records.get(key) ?? new Set();
    const { first, span, scope } = frame.loss;
    let clipped = 0;
    for (let sequence = first; sequence < first + span; sequence++) {
      if (had.has(sequence)) clipped += 1;
    }
    if (scope === 'stream') this.lost += Math.max(0, last - Math.max(through, first - 1));
    this.through.set(key, Math.max(through, last));
    return clipped > 0 ? { clipped } : {};
  }

  #land(frame: Frame & { kind: 'segment' }, key: string): void {
    const place = `${frame.topic}/${frame.partition}`;
    const ids = this.landed.get(place) ?? [];
    const had = this.#records.get(key) ?? new Set();
    for (const [i, sealed] of openBatch(frame.batch).entries()) {
      checkProvenance(frame, i, sealed);
      const id = String(stripProvenance(sealed).value).split(' ')[0]!;
      checkOrigin(frame, i, Number(id));
      ids.push(id);
      had.add(frame.first + i);
    }
    this.landed.set(place, ids);
    this.#records.set(key, had);
    this.through.set(key, frame.first + frame.count - 1);
  }
}

function checkProvenance(frame: Frame & { kind: 'segment' }, index: number, sealed: WireRecord) {
  const said = new Map(sealed.headers.map(([name, value]) => [name, String(value)]));
  const problem =
    said.get(provenanceHeaders.epoch) !== frame.epoch ||
    said.get(provenanceHeaders.topic) !== frame.topic ||
    said.get(provenanceHeaders.sequence) !== String(frame.first + index);
  if (problem) throw new Error(`provenance of ${frame.topic} ${frame.first + index} is wrong`);
}

/** What comes from a source with offsets has its own id as one; topic b has nothing else. */
const incarnation = 'ab'.repeat(16);
function checkOrigin(frame: Frame & { kind: 'segment' }, index: number, id: number): void {
  const { topic, first, runs } = frame;
  if (runs.length === 0 && topic !== 'b') return;
  const at = first + index;
  const run = runs.find(({ sequence, count }) => at >= sequence && at < sequence + count);
  const offset = run && run.sourceOffset + at - run.sequence;
  if (offset === id && run!.incarnation === incarnation) return;
  throw new Error(`${topic} ${at} comes from offset ${offset}, not ${id}`);
}

class Crash extends Error {}

/** A buffer in memory that lives through what the seed has in store for it. */
export class Model {
  readonly #random: Random;
  readonly #database: Database = openMemoryDatabase();
  readonly #options: BufferOptions;
  readonly #central = new ModelCentral();
  readonly #clock: Clock;
  #wall = 1_750_000_000_000;
  #monotonic = 0;
  #buffer!: RecordBuffer;
  #fuse = Number.POSITIVE_INFINITY;
  #nextId = 0;
  /** Ids of deliveries that were resolved, and of those that a crash left in doubt. */
  readonly #accepted: string[] = [];
  readonly #doubtful: string[] = [];
  #declaredLost = 0;
  #hasRead = false;
  #forked = false;

  constructor(random: Random) {
    this.#random = random;
    this.#clock = {
      now: () => this.#wall,
      monotonic: () => this.#monotonic,
      sleep: () => new Promise(() => {}),
      every: () => () => {},
    };
    this.#options = optionsFor(':memory:', {
      maxBytes: random.chance(0.6) ? 280_000 : 50_000_000,
      compression: random.chance(0.3) ? 'none' : 'zstd',
      topics: new Map([
        ['*', { partitions: random.between(1, 3) }],
        ['capped', { partitions: 1, maxBytes: 60_000 }],
        ['safe', { partitions: 1, whenFull: 'block' as const }],
      ]),
    });
  }

  async run(steps: number): Promise<void> {
    await this.#start();
    for (let step = 0; step < steps; step++) {
      if (this.#random.chance(0.08)) this.#fuse = this.#random.between(1, 6);
      const act = this.#random.pick(this.#acts);
      try {
        await act();
      } catch (error) {
        if (!this.#died(error)) throw error;
        await this.#start();
      }
      this.#monotonic += this.#random.between(0, 5_000);
      this.#wall += this.#random.chance(0.02) ? this.#random.between(-1e9, 1e9) : 1_000;
      this.#audit(`step ${step}`);
    }
    this.#fuse = Number.POSITIVE_INFINITY;
    await this.#start();
    await this.#drain();
    await this.#judge();
  }

  #audit(when: string): void {
    const problems = audit(this.#database);
    if (problems.length > 0) throw new Error(`${when}: ${problems.join('; ')}`);
  }

  readonly #died = (error: unknown): boolean =>
    error instanceof Crash || (this.#fuse <= 0 && error instanceof Error);

  async #start(): Promise<void> {
    for (;;) {
      this.#fuse = this.#random.chance(0.1) ? this.#random.between(1, 3) : this.#fuse;
      if (this.#fuse <= 0) this.#fuse = Number.POSITIVE_INFINITY;
      try {
        this.#buffer = await openInlineBuffer(this.#options, {
          ...{ clock: this.#clock, database: this.#database, newId: this.#random.id },
          fault: (step) => this.#burn(step),
        });
        this.#hasRead = false;
        return;
      } catch (error) {
        if (!this.#died(error)) throw error;
      }
    }
  }

  #burn(step: string): void {
    this.#fuse -= 1;
    if (this.#fuse <= 0) throw new Crash(step);
  }

  readonly #append = async (): Promise<void> => {
    const topic = this.#random.pick(['a', 'a', 'b', 'capped', 'safe']);
    const ids: string[] = [];
    const count = this.#random.between(1, this.#random.chance(0.1) ? 200 : 8);
    const records = Array.from({ length: count }, () => this.#record(ids));
    const bad = this.#random.chance(0.05) ? this.#random.between(1, 3) : 0;
    for (let i = 0; i < bad; i++) {
      records.splice(this.#random.between(0, records.length), 0, {
        ...{ key: null, value: null, timestamp: Number.NaN, headers: [] },
      });
    }
    const delivery: Delivery = {
      ...{ topic, records, whenFull: 'refuse' },
      positions: { set: new Map([[`s/${topic}`, Buffer.from(ids.at(-1)!)]]) },
    };
    if (this.#random.chance(0.05)) delivery.sourceLoss = { records: 3, detail: 'model' };
    if (this.#random.chance(0.2)) delivery.partitions = this.#random.between(1, 4);
    if (topic === 'b' || this.#random.chance(0.3)) delivery.incarnation = incarnation;
    if (this.#random.chance(0.2)) delivery.idempotencyKey = `key ${ids[0]}`;
    await this.#deliver(delivery, ids, bad);
  };

  async #deliver(delivery: Delivery, ids: string[], bad: number): Promise<void> {
    try {
      const { accepted, declaredLost } = await this.#buffer.append(delivery);
      if (accepted !== ids.length || declaredLost !== bad) throw new Error('miscounted');
      this.#accepted.push(...ids);
      this.#declaredLost += bad;
      if (delivery.idempotencyKey !== undefined && !(await this.#buffer.append(delivery)).duplicate)
        throw new Error('a repeat was appended');
    } catch (error) {
      if (this.#fuse <= 0) {
        if (!this.#accepted.includes(ids[0]!)) this.#doubtful.push(...ids);
        throw new Crash();
      }
      if ((error as { code?: string }).code !== 'buffer-full') throw error;
    }
  }

  #record(ids: string[]): DeliveredRecord {
    const id = String(this.#nextId++);
    ids.push(id);
    const size = this.#random.chance(0.05) ? 20_000 : this.#random.between(0, 400);
    const noise = Array.from({ length: size / 8 }, () => this.#random.next().toString(36).slice(2));
    return {
      key: this.#random.chance(0.5) ? Buffer.from(`k${this.#random.between(0, 5)}`) : null,
      value: Buffer.from(`${id} ${noise.join('')}`),
      headers: this.#random.chance(0.2) ? [['own', Buffer.from('header')]] : [],
      timestamp: this.#wall,
      sourceOffset: Number(id),
    };
  }

  /** Sends what it reads; central may take a part of it, and its answer may be lost. */
  readonly #send = async (): Promise<void> => {
    await this.#buffer.confirmSession('central');
    this.#hasRead = true;
    const maxBytes = this.#random.between(1, 100_000);
    const batch = await this.#buffer.read({ from: new Map(), maxBytes });
    const frames = decodeFrames(batch.body);
    const isReceived = this.#random.chance(0.85);
    const answered = isReceived && this.#random.chance(0.75);
    if (this.#random.chance(0.5)) await this.#append();
    if (!isReceived) return;
    for (const frame of frames) await this.#judgeFrame(frame, answered);
    if (answered) await this.#acknowledge(frames);
  };

  async #judgeFrame(frame: Frame, answered: boolean): Promise<void> {
    if (frame.kind === 'segment' && answered && this.#random.chance(0.03)) {
      await this.#buffer.refuse(frame, frame.first, 'bad-batch', 'the model says so');
      return;
    }
    const verdict = this.#central.take(frame);
    // Behind what was refused or has to be cut first, or behind what it never got.
    if (verdict.gap) return;
    if (!answered) {
      // A clip whose answer is lost is the one thing that the ledger cannot learn again.
      if (verdict.clipped !== undefined) await this.#clip(frame, verdict.clipped);
      return;
    }
    if (verdict.expected !== undefined) await this.#buffer.cut(frame, verdict.expected);
    if (verdict.clipped !== undefined) await this.#clip(frame, verdict.clipped);
  }

  /** Central tells it again and again until the edge has heard it. */
  async #clip(frame: Frame, landed: number): Promise<void> {
    const first = frame.kind === 'loss' ? frame.loss.first : 0;
    for (;;) {
      try {
        return await this.#buffer.clip(frame, first, landed);
      } catch (error) {
        if (!this.#died(error)) throw error;
        await this.#start();
      }
    }
  }

  async #acknowledge(frames: readonly Frame[]): Promise<void> {
    await this.#buffer.acknowledge(
      frames.map((frame) => ({ ...id(frame), through: this.#throughOf(frame) })),
    );
  }

  #throughOf(stream: StreamId): number {
    return this.#central.through.get(streamKey(stream)) ?? -1;
  }

  /** What a hello brings: where central is. */
  readonly #hello = async (): Promise<void> => {
    await this.#buffer.confirmSession('central');
    this.#hasRead = true;
    const streams = await this.#buffer.helloStreams();
    await this.#buffer.acknowledge(
      streams.map((stream) => ({ ...id(stream), through: this.#throughOf(stream) })),
    );
  };

  readonly #fork = async (): Promise<void> => {
    if (this.#random.chance(0.5)) return;
    if (this.#random.chance(0.5)) await this.#restart();
    const streams = await this.#buffer.helloStreams();
    this.#forked = true;
    if (this.#random.chance(0.5) && !this.#hasRead) {
      await this.#buffer.fork({ scope: 'unconfirmed', keep: [] });
      return;
    }
    const keep = streams.map((stream) => ({ ...id(stream), through: this.#throughOf(stream) }));
    await this.#buffer.fork({ scope: 'all', keep: keep });
  };

  /** Enough small segments to be merged. */
  readonly #burst = async (): Promise<void> => {
    for (let left = this.#random.between(10, 40); left > 0; left--) {
      const ids: string[] = [];
      const topic = this.#random.chance(0.9) ? 'a' : 'b';
      const records = [{ ...this.#record(ids), key: Buffer.from('k') }];
      await this.#deliver({ topic, records, incarnation, whenFull: 'refuse' }, ids, 0);
    }
  };

  readonly #restart = async (): Promise<void> => {
    await this.#buffer.close();
    await this.#start();
  };

  readonly #acts = [
    ...[this.#append, this.#append, this.#append, this.#append, this.#append],
    ...[this.#send, this.#send, this.#hello, this.#fork, this.#fork, this.#restart],
    ...[this.#burst, this.#burst],
  ];

  async #drain(): Promise<void> {
    await this.#hello();
    for (let rounds = 0; rounds < 10_000; rounds++) {
      const batch = await this.#buffer.read({ from: new Map(), maxBytes: 200_000 });
      if (batch.frames.length === 0) return;
      const frames = decodeFrames(batch.body);
      for (const frame of frames) await this.#judgeFrame(frame, true);
      await this.#acknowledge(frames);
      this.#audit('draining');
    }
    throw new Error('it does not drain');
  }

  async #judge(): Promise<void> {
    const landed = [...this.#central.landed.values()].flat();
    const once = new Set(landed);
    if (once.size !== landed.length) throw new Error('a record landed twice');
    const known = new Set([...this.#accepted, ...this.#doubtful]);
    for (const one of once) if (!known.has(one)) throw new Error(`nobody appended ${one}`);
    const { totals } = await this.#buffer.report(0, 10_000);
    if (totals.backlogRecords !== 0 || totals.lossesPending !== 0)
      throw new Error('a rest remains');
    if (totals.lostRecords !== this.#central.lost) {
      throw new Error(`lost ${totals.lostRecords}, central counts ${this.#central.lost}`);
    }
    if (totals.acceptedRecords !== landed.length + totals.lostRecords) {
      throw new Error(`accepted ${totals.acceptedRecords}, landed ${landed.length}`);
    }
    const missing = this.#accepted.filter((one) => !once.has(one)).length;
    if (missing > totals.lostRecords - this.#declaredLost) {
      throw new Error(`${missing} records are missing, ${totals.lostRecords} are declared lost`);
    }
    if (!this.#forked) this.#checkOrder();
  }

  /** Within a topic-partition records land in the order they were appended. */
  #checkOrder(): void {
    for (const [place, ids] of this.#central.landed) {
      const isOrdered = ids.every((one, i) => i === 0 || Number(ids[i - 1]) < Number(one));
      if (!isOrdered) throw new Error(`${place} is out of order`);
    }
  }
}

const id = ({ epoch, topic, partition }: StreamId): StreamId => ({ epoch, topic, partition });
