import { describe, expect, onTestFinished, test } from 'vitest';
import { decodeIndexEntry, encodeIndexEntry } from '#central/landing/index-entry.ts';
import type { IndexEntry } from '#central/landing/landing.ts';
import { ShardIndex } from '#central/mirror/shard-index.ts';
import { translate } from '#central/mirror/translate.ts';
import type { Kafka } from '#shared/kafka/kafka.ts';
import { sealBatch } from '#shared/wire/record-batch.ts';
import { MemoryCluster } from '../../sim/memory-kafka.ts';
import { life } from './mirror-world.ts';

const at = { topic: 'tributary.index', partition: 0 };
const epoch = 'e'.repeat(32);

/** `tributary.index` of one shard, and who reads it. */
class Bench {
  readonly kafka: Kafka;
  readonly landed: IndexEntry[] = [];
  decoded = 0;
  readonly #writer: ReturnType<Kafka['producer']>;
  readonly #next = new Map<string, number>();

  static async open(): Promise<Bench> {
    const cluster = new MemoryCluster();
    cluster.create({ ...at, partitions: 1, replicationFactor: 1, configs: {} });
    const bench = new Bench(cluster.open());
    await bench.#writer.init();
    onTestFinished(() => bench.kafka.close());
    return bench;
  }

  private constructor(kafka: Kafka) {
    this.kafka = kafka;
    this.#writer = kafka.producer({ transactionalId: 'shard', transactionTimeoutMs: 1_000 });
  }

  /** As retention does. */
  deleteBefore(start: number): void {
    const { fetch } = this.kafka.reads;
    this.kafka.reads.fetch = async (positions, options) => {
      const there = positions.map((one) => ({ ...one, offset: Math.max(one.offset, start) }));
      const answers = await fetch(there, options);
      return answers.map((answer) => ({ ...answer, logStartOffset: start }));
    };
  }

  index(itemsMax?: number): ShardIndex {
    const readEntry = (value: Buffer) => {
      this.decoded += 1;
      return decodeIndexEntry(value);
    };
    const landed = (entry: IndexEntry) => this.landed.push(entry);
    return new ShardIndex({ kafka: this.kafka, at, landed, itemsMax, readEntry });
  }

  /** One segment of a site, `count` records that stood one behind the other at the source. */
  entry(alias: string, count: number, topic = 't'): IndexEntry {
    const first = this.#next.get(`${alias}/${topic}`) ?? 0;
    this.#next.set(`${alias}/${topic}`, first + count);
    return {
      ...{ alias, epoch, topic, partition: 0, first, count },
      remote: { topic: `${alias}.${topic}`, offset: first },
      merged: [],
      runs: [{ sequence: first, sourceOffset: 2 * first, count, incarnation: life }],
    };
  }

  async write(entries: readonly IndexEntry[]): Promise<void> {
    const records = entries.map((entry) => ({
      ...{ key: Buffer.from(entry.alias), value: Buffer.from(encodeIndexEntry(entry)) },
      ...{ headers: [], timestamp: 1 },
    }));
    await this.#writer.send([{ ...at, batch: sealBatch(records, { compression: 'zstd' }) }]);
    await this.#writer.commit();
  }
}

/** Of segments of a hundred records. */
const sourceOf = (record: number): number => record + 100 * Math.floor(record / 100);

const placeOf = async (index: ShardIndex, alias: string, offset: number, topic = 't') => {
  const position = { offset, incarnation: life };
  const known = await index.around({ alias, topic, partition: 0 }, position);
  const { remote } = (known && translate(known, position)) ?? {};
  return remote && [remote.offset, remote.exactness];
};

test('what is committed when it is asked is read, and told once', async () => {
  const bench = await Bench.open();
  const index = bench.index();
  await index.catchUp();
  expect(await placeOf(index, 'a', 0)).toBeUndefined();
  for (let i = 1; i <= 3; i++) {
    await bench.write([bench.entry('a', 10), bench.entry('b', 10)]);
    await Promise.all([index.catchUp(), index.catchUp()]);
    expect(await placeOf(index, 'a', 20 * i - 20 + 3)).toEqual([10 * i - 7, 'exact']);
  }
  expect(bench.landed).toHaveLength(6);
});

test('sources without positions take no memory', async () => {
  const bench = await Bench.open();
  const index = bench.index();
  await bench.write([{ ...bench.entry('mqtt', 10), runs: [] }]);
  await index.catchUp();
  expect([bench.landed, index.size]).toEqual([[], { partitions: 0, items: 0 }]);
});

describe('however much has landed', () => {
  const sites = 20;
  const perSite = 300;

  async function landed(): Promise<Bench> {
    const bench = await Bench.open();
    for (let i = 0; i < perSite; i++) {
      const entries = Array.from({ length: sites }, (_, site) => bench.entry(`s${site}`, 100));
      await bench.write(entries);
    }
    return bench;
  }

  test('memory is bounded, every position translates, and an old one costs a part of the log', async () => {
    const bench = await landed();
    const index = bench.index(2_000);
    await index.catchUp();
    const { partitions, items } = index.size;
    expect(partitions).toBe(sites);
    expect(items).toBeLessThanOrEqual(2_000);
    bench.decoded = 0;
    let asked = 0;
    for (let record = 1; record < perSite * 100; record += 2_999) {
      expect(await placeOf(index, 's7', sourceOf(record))).toEqual([record, 'exact']);
      asked += 1;
    }
    expect(bench.decoded / asked).toBeLessThan((sites * perSite) / 6);
    expect(bench.decoded).toBeGreaterThan(0);
  });

  test('one that begins later, as another collector does, says the same', async () => {
    const bench = await landed();
    const early = bench.index();
    await early.catchUp();
    const late = bench.index(2_000);
    await late.catchUp();
    for (let record = 0; record < perSite * 100; record += 7_777) {
      for (const offset of [sourceOf(record), sourceOf(record) + 1, 2 * record]) {
        expect(await placeOf(late, 's3', offset)).toEqual(await placeOf(early, 's3', offset));
      }
    }
  });
});

test('a segment of ten thousand single records does not stay in memory', async () => {
  const bench = await Bench.open();
  const index = bench.index();
  for (let i = 0; i < 3; i++) {
    const entry = bench.entry('a', 10_000);
    const runs = Array.from({ length: 10_000 }, (_, at) => {
      const sequence = entry.first + at;
      return { sequence, sourceOffset: 3 * sequence, count: 1, incarnation: life };
    });
    await bench.write([{ ...entry, runs }]);
  }
  await index.catchUp();
  expect(index.size.items).toBeLessThan(1_000);
  for (const record of [1, 9_999, 10_000, 25_000, 29_999]) {
    expect(await placeOf(index, 'a', 3 * record)).toEqual([record, 'exact']);
  }
  expect(await placeOf(index, 'a', 90_001)).toEqual([30_000, 'ahead']);
});

test('what was deleted with its retention is not made up', async () => {
  const bench = await Bench.open();
  const index = bench.index(40);
  for (let i = 0; i < 200; i++) await bench.write([bench.entry('a', 10)]);
  await index.catchUp();
  expect(await placeOf(index, 'a', 0)).toEqual([0, 'exact']);
  // A hundred transactions of one entry and a marker are gone.
  bench.deleteBefore(200);
  await bench.write([bench.entry('a', 10)]);
  await index.catchUp();
  expect((await placeOf(index, 'a', 0))?.[1]).toBe('before');
  expect(await placeOf(index, 'a', 4_005)).toEqual([2_005, 'exact']);
  const late = bench.index(40);
  await late.catchUp();
  expect(await placeOf(late, 'a', 0)).toEqual([1_000, 'before']);
  expect(await placeOf(late, 'a', 1_999)).toEqual([1_000, 'before']);
  expect(await placeOf(late, 'a', 2_000)).toEqual([1_000, 'exact']);
  expect(await placeOf(late, 'a', 3_000)).toEqual([1_500, 'exact']);
});
