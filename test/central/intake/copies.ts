import { admitSegment } from '#central/intake/admit.ts';
import { decideHello, type HelloState, noState } from '#central/intake/hello.ts';
import {
  formatLineage,
  type LineageBounds,
  lineOf,
  parseLineage,
  runOf,
} from '#central/intake/lineage.ts';
import type { Hello, StreamId } from '#shared/wire/link.ts';

/**
 * A model of buffers that are copied, restored and run at the same time, and of the central that
 * lets them in. Records are names, so that the model sees what central cannot: whether a sequence
 * means the same record.
 */
export interface Disk {
  epoch: string;
  session: string;
  previous: string | null;
  /** Runs since, the present one not among them. */
  unconfirmed: string[];
  sessionConfirmed: boolean;
  /** By `epoch/partition`. */
  streams: Map<string, Log>;
}

export interface Log {
  records: string[];
  cursor: number;
  confirmed: number;
  ends: number[];
}

export const streamOf = (key: string): StreamId => {
  const [epoch, partition] = key.split('/');
  return { epoch: epoch!, topic: 't', partition: Number(partition) };
};
const keyOf = (stream: StreamId): string => `${stream.epoch}/${stream.partition}`;

export const imageOf = (disk: Disk): Disk => structuredClone(disk);

/** Starts an agent on a disk. */
export function boot(disk: Disk, session: string): Disk {
  if (disk.sessionConfirmed) {
    disk.previous = disk.session;
    disk.unconfirmed = [];
    for (const log of disk.streams.values()) {
      log.confirmed = log.records.length - 1;
      log.ends = [];
    }
  } else {
    disk.unconfirmed.push(disk.session);
    for (const log of disk.streams.values()) log.ends.push(log.records.length - 1);
  }
  disk.session = session;
  disk.sessionConfirmed = false;
  return disk;
}

const newLog = ({ unconfirmed }: Disk): Log => ({
  records: [],
  cursor: -1,
  confirmed: -1,
  ends: unconfirmed.map(() => -1),
});

export function append(disk: Disk, partition: number, record: string): void {
  const key = `${disk.epoch}/${partition}`;
  const log = disk.streams.get(key) ?? newLog(disk);
  disk.streams.set(key, log);
  log.records.push(record);
}

export function helloOf(disk: Disk): Hello {
  const { epoch, session, previous, unconfirmed } = disk;
  const streams = [...disk.streams].map(([key, { records, cursor, confirmed, ends }]) => ({
    ...streamOf(key),
    head: records.length - 1,
    cursor,
    confirmed,
    ends: [...ends],
  }));
  return {
    version: 1,
    alias: 'factory-a',
    epoch,
    session,
    previous,
    unconfirmed: [...unconfirmed],
    centralId: 'c',
    agent: 'model',
    clock: 0,
    streams,
  };
}

export function fork(
  disk: Disk,
  scope: 'unconfirmed' | 'all',
  keep: readonly (StreamId & { through: number })[],
  epoch: string,
  session: string,
): void {
  const kept = new Map(keep.map((stream) => [keyOf(stream), stream.through]));
  for (const [key, log] of [...disk.streams]) {
    const stays = scope === 'unconfirmed' ? log.confirmed : (kept.get(key) ?? log.cursor);
    const moving = log.records.splice(stays + 1);
    log.confirmed = Math.min(log.confirmed, log.records.length - 1);
    log.ends = log.ends.map((end) => Math.min(end, log.records.length - 1));
    const target = `${epoch}/${streamOf(key).partition}`;
    const log2 = disk.streams.get(target) ?? newLog(disk);
    log2.records.push(...moving);
    disk.streams.set(target, log2);
    if (log.cursor >= log.records.length - 1) disk.streams.delete(key);
  }
  disk.epoch = epoch;
  boot(disk, session);
}

export interface Request {
  session: string;
  frames: { stream: string; first: number; records: string[] }[];
}

/** What the disk would send now: the oldest epochs first, cut in segments of `size`. */
export function requestOf(disk: Disk, size: number): Request {
  const frames = [...disk.streams].flatMap(([stream, { records, cursor }]) => {
    const cut = [];
    for (let first = cursor + 1; first < records.length; first += size) {
      cut.push({ stream, first, records: records.slice(first, first + size) });
    }
    return cut;
  });
  return { session: disk.session, frames };
}

export class ModelCentral {
  readonly landed = new Map<string, string[]>();
  /** What two copies share that both part from a third: one for each copy. */
  readonly mayRepeat = new Set<string>();
  readonly #owners = new Map<string, string>();
  #epoch = '';
  #session = '';
  #used = false;
  #lineage = '';
  readonly #bounds: LineageBounds | undefined;

  /** With `bounds`, central forgets, and then a record may land twice. */
  constructor(bounds?: LineageBounds) {
    this.#bounds = bounds;
  }

  hello(hello: Hello): ReturnType<typeof decideHello> {
    const decision = decideHello(this.#state(), hello);
    if (decision.outcome === 'accepted' && decision.changed) {
      if (this.#session !== hello.session) this.#used = false;
      this.#epoch = hello.epoch;
      this.#session = hello.session;
      this.#lineage = formatLineage(decision.lineage, this.#bounds);
    }
    return decision;
  }

  #state(): HelloState {
    const lineage = parseLineage(this.#lineage);
    const line = lineOf(lineage, this.#epoch);
    const run = line && runOf(line, this.#session);
    if (run && this.#used) run.used = true;
    return {
      epoch: this.#epoch,
      session: this.#session,
      adoptAllowed: false,
      lineage,
      throughOf: (stream) => this.through(keyOf(stream)),
      streamsOf: (epoch) =>
        [...this.landed.keys()].map(streamOf).filter((stream) => stream.epoch === epoch),
      sources: noState.sources,
    };
  }

  ownerOf(epoch: string): string | undefined {
    return lineOf(parseLineage(this.#lineage), epoch)?.owner;
  }

  through(stream: string): number {
    return (this.landed.get(stream)?.length ?? 0) - 1;
  }

  /** Throws when a sequence turns out to mean two records, or a record lands twice. */
  segments(request: Request): Map<string, number> | 'hello' {
    if (request.session !== this.#session) return 'hello';
    for (const { stream, first, records } of request.frames) {
      const landed = this.landed.get(stream) ?? [];
      this.landed.set(stream, landed);
      const verdict = admitSegment(landed.length - 1, { first, count: records.length });
      for (const [i, record] of records.entries()) {
        const there = landed[first + i];
        if (there !== undefined && there !== record) {
          throw new Error(`${stream} ${first + i}: ${record} would be dropped for ${there}`);
        }
      }
      if (verdict.verdict === 'fresh') for (const record of records) this.#land(stream, record);
    }
    return new Map(request.frames.map(({ stream }) => [stream, this.through(stream)]));
  }

  #land(stream: string, record: string): void {
    const owner = this.#owners.get(record);
    if (owner && !this.#bounds && !this.mayRepeat.has(record))
      throw new Error(`${record} lands twice: in ${owner} and in ${stream}`);
    this.#owners.set(record, stream);
    this.landed.get(stream)!.push(record);
    this.#used = true;
  }

  has(record: string): boolean {
    return this.#owners.has(record);
  }
}
