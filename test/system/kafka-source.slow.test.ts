import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openInlineBuffer } from '#edge/buffer/inline.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { consumed, keptIn } from '../edge/source/kafka-at-site.ts';
import { javaRead, javaWrite, type WriteStep } from '../kafka/clients.ts';
import { startKafka } from '../kafka/kafka.ts';
import { kafkaMissing } from '../kafka/missing.ts';
import { Random } from '../sim/random.ts';
import { House, httpOf, type Program } from './programs.ts';

if (kafkaMissing) console.log(`Skipped: ${kafkaMissing}`);

const alias = 'factory-a';
const topic = 'orders';

/** The state of its Kafka source, as its status says. */
async function stateOf(edge: Program) {
  const answer = await fetch(`${edge.ready.status}/api/v1/status`);
  const { sources, counts } = (await answer.json()) as {
    sources: { name: string; state: string; detail: string }[];
    counts: { backlog: number };
  };
  return { ...sources.find(({ name }) => name === 'kafka')!, backlog: counts.backlog };
}

const openBufferOf = (house: House) =>
  openInlineBuffer(
    {
      ...{ path: join(house.stateOf(alias), 'buffer.db'), alias, maxBytes: 1 << 30 },
      ...{ whenFull: 'block', compression: 'zstd', topics: new Map([['*', { partitions: 1 }]]) },
    },
    { clock: systemClock, log: silentLog },
  );

/** Transactions, every third one aborted. */
function transactions(seeds: readonly number[]): WriteStep[] {
  return seeds.flatMap((seed): WriteStep[] => [
    { do: 'begin' },
    { do: 'generate', topic, count: 2_000, bytes: 60, seed },
    { do: seed % 3 === 1 ? 'abort' : 'commit' },
  ]);
}

describe.skipIf(kafkaMissing)("an agent at a site's own Kafka", () => {
  const seed = Number(process.env.TRIBUTARY_SEED ?? Date.now() % 100_000);

  test(`has every record once, whenever agent and broker are killed (seed ${seed})`, async () => {
    const random = new Random(seed);
    const kafka = await startKafka();
    onTestFinished(kafka.close);
    const { bootstrap } = kafka;
    // So much that it is busy reading when it is killed.
    const backlog = 150_000;
    await javaWrite(bootstrap, [
      { do: 'create', topic, partitions: 4 },
      { do: 'generate', topic, count: backlog, bytes: 100, seed: 1_000 },
    ]);
    const house = new House();
    const edge = house.edge({
      alias,
      bufferMore: 'when_full = "block"',
      more: `[[source]]\ntype = "kafka"\nbrokers = ["${bootstrap}"]\nrefresh_interval = "200ms"`,
    });
    let isWriting = true;
    const write = async () => {
      for (let round = 0; round < 6; round++) {
        const seeds = Array.from({ length: 6 }, (_, i) => 6 * round + i);
        await javaWrite(bootstrap, transactions(seeds), { 'transactional.id': 'orders' });
      }
      isWriting = false;
    };
    const writing = write();
    for (let kills = 0; isWriting || kills < 12; kills++) {
      await edge.start();
      await systemClock.sleep(random.between(0, 250));
      await edge.kill();
    }
    await writing;
    await kafka.brokers[0]!.kill();
    await edge.start();
    await expect
      .poll(async () => (await stateOf(edge)).state, { timeout: 20_000 })
      .toBe('degraded');
    await kafka.brokers[0]!.start();
    const read = await javaRead(bootstrap, { topics: [topic] });
    expect(read).toHaveLength(backlog + 48_000);
    await expect
      .poll(async () => (await stateOf(edge)).backlog, { timeout: 60_000, interval: 200 })
      .toBe(read.length);
    expect(await edge.stop()).toBe(0);
    const buffer = await openBufferOf(house);
    onTestFinished(() => buffer.close());
    const [kept, wanted] = [await keptIn(buffer, topic), consumed(read)].map((all) =>
      all.map((one) => JSON.stringify(one)),
    );
    expect(kept).toHaveLength(wanted!.length);
    expect(kept!.findIndex((one, i) => one !== wanted![i])).toBe(-1);
  }, 240_000);

  test('reads no more than its buffer holds, in bounded memory, and all of it in the end', async () => {
    const kafka = await startKafka();
    onTestFinished(kafka.close);
    const { bootstrap } = kafka;
    const count = 24_000;
    await javaWrite(
      bootstrap,
      [
        { do: 'create', topic, partitions: 6 },
        { do: 'create', topic: 'small' },
        { do: 'generate', topic, count, bytes: 3_000 },
      ],
      { 'compression.type': 'zstd' },
    );
    const house = new House();
    const kafkaSource = `[[source]]\ntype = "kafka"\nbrokers = ["${bootstrap}"]`;
    const blocking = '[[topic]]\nname = "orders"\nwhen_full = "block"\nmax_bytes = "24MiB"';
    const settings = { alias, maxBytes: '64MiB', bufferMore: 'compression = "none"' };
    const more = `${blocking}\n${kafkaSource}`;
    const edge = house.edge({ ...settings, more });
    await edge.start();
    const said = async () => (await stateOf(edge)).detail;
    await expect.poll(said, { timeout: 20_000 }).toContain('the buffer is full');
    // What is full is one topic.
    const { backlog } = await stateOf(edge);
    await javaWrite(bootstrap, [{ topic: 'small', value: 'goes on' }]);
    await expect.poll(async () => (await stateOf(edge)).backlog).toBeGreaterThan(backlog);
    const rss = readFileSync(`/proc/${edge.pid}/status`, 'utf8').match(/VmHWM:\s+(\d+) kB/);
    expect(Number(rss![1]) / 1024).toBeLessThan(300);
    const central = house.central();
    const { link, status } = await central.start();
    await edge.stop();
    house.edge({ ...settings, central: link!, more });
    await edge.start();
    const landed = async () => {
      const answer = await fetch(`${status}/api/v1/topics`);
      const { topics } = (await answer.json()) as { topics: { topic: string; records: number }[] };
      return topics.find((one) => one.topic === `${alias}.${topic}`)?.records;
    };
    await expect.poll(landed, { timeout: 90_000, interval: 500 }).toBe(count);
    const read = await javaRead(bootstrap, { topics: [topic] });
    const partitions = Array.from({ length: 6 }, (_, partition) => partition);
    const ends = await Promise.all(
      partitions.map(async (partition) => {
        const path = `/api/v1/topics/${alias}.${topic}/partitions/${partition}/records`;
        const answer = await fetch(`${status}${path}?offset=0&limit=1`);
        return ((await answer.json()) as { records: { value: string }[] }).records[0]!.value;
      }),
    );
    const firsts = partitions.map((partition) => read.find((one) => one.partition === partition)!);
    expect(ends).toEqual(firsts.map(({ value }) => String(value)));
  }, 180_000);

  test('serves its other sources while that Kafka is down, and finds it when it comes up', async () => {
    const kafka = await startKafka();
    onTestFinished(kafka.close);
    const { bootstrap } = kafka;
    await javaWrite(bootstrap, [
      { do: 'create', topic },
      { do: 'generate', topic, count: 1_000 },
    ]);
    await kafka.brokers[0]!.stop();
    const house = new House();
    const more = `[[source]]\ntype = "kafka"\nbrokers = ["${bootstrap}"]`;
    const edge = house.edge({ alias, more });
    await edge.start();
    const body = JSON.stringify({ value: 'not from Kafka' });
    const posted = await fetch(`${httpOf(edge)}/v1/records/posted`, {
      ...{ method: 'POST', body, headers: { 'content-type': 'application/json' } },
    });
    expect(posted.status).toBe(200);
    await expect
      .poll(async () => (await stateOf(edge)).state, { timeout: 20_000 })
      .toBe('degraded');
    expect((await stateOf(edge)).detail).toContain('its brokers do not answer');
    await kafka.brokers[0]!.start();
    await expect
      .poll(async () => (await stateOf(edge)).backlog, { timeout: 60_000, interval: 200 })
      .toBe(1_001);
    expect((await stateOf(edge)).state).toBe('running');
  }, 120_000);
});
