import { expect, onTestFailed, onTestFinished, test } from 'vitest';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { silentLog } from '#shared/std/log.ts';
import { javaRead, javaWrite, type ReadRecord } from '../kafka/clients.ts';
import { startKafka } from '../kafka/kafka.ts';
import { kafkaMissing, kcatMissing } from '../kafka/missing.ts';
import { Random } from '../sim/random.ts';
import { ask } from './api.ts';
import { Chaos } from './faults.ts';
import { freePort } from './free-port.ts';
import { JavaOrders } from './java-orders.ts';
import { assertEachOnce } from './kafka-records.ts';
import { seedOf } from './main-job.ts';
import { House, type Program } from './programs.ts';

const missing = kafkaMissing ?? kcatMissing;
const topic = 'plant-b.orders';
const flow = `[[flow]]
into = "orders"
from = ["*.orders"]
external = true
start = "earliest"`;

interface Flows {
  flows: {
    into: string;
    watermark: string | null;
    records: number;
    sources: { remoteTopic: string; state: string; copy: { records: number; behind: number } }[];
  }[];
}

async function ordersAt(collector: Program) {
  const { flows } = await ask<Flows>(`${collector.ready.status}/api/v1/flows`);
  return flows.find(({ into }) => into === 'orders')!;
}

const header = ({ headers }: ReadRecord, name: string): string =>
  String(headers.find(([one]) => one === name)?.[1]);

/** By the offset at its source. */
const atSource = (records: readonly ReadRecord[], offsetOf: (record: ReadRecord) => number) =>
  new Map(
    records.map((record) => [
      `${record.partition}@${offsetOf(record)}`,
      `${record.key}=${record.value} ${header(record, 'kept')} ${record.timestamp}`,
    ]),
  );

test.skipIf(missing)(
  'what a Java producer commits elsewhere is merged once, in order, whichever collector is killed',
  async () => {
    const seed = seedOf();
    console.log(`seed ${seed}; again with TRIBUTARY_SEED=${seed}`);
    const random = new Random(seed);
    const kafka = await startKafka();
    onTestFinished(() => kafka.close());
    const { bootstrap } = kafka;
    await javaWrite(bootstrap, [{ do: 'create', topic, partitions: 3 }]);
    const house = new House();
    const collectors: Program[] = [];
    for (const name of ['collector-1', 'collector-2']) {
      const listen = { link: await freePort(), status: await freePort() };
      const collector = house.central({ kafka: bootstrap, listen, more: flow }, name);
      collectors.push(collector);
    }
    await Promise.all(collectors.map((collector) => collector.start()));
    const over = AbortSignal.timeout(25_000);
    const chaos = new Chaos(random, over);
    onTestFailed(() => console.log(chaos.history.join('\n')));
    const orders = new JavaOrders({ bootstrap, topic, random });
    await Promise.all([
      orders.run(over),
      ...collectors.map((collector) => chaos.killer(collector, [3_000, 9_000])),
    ]);
    const count = [...orders.committed.values()].reduce((sum, told) => sum + told.count, 0);
    console.log('faults', chaos.counts, `${count} committed, ${orders.aborted} taken back`);

    for (const collector of collectors) {
      await expect
        .poll(() => ordersAt(collector), { timeout: 60_000, interval: 500 })
        .toMatchObject({
          watermark: expect.any(String),
          sources: [{ remoteTopic: topic, state: 'live', copy: { records: count, behind: 0 } }],
        });
    }
    expect(await assertEachOnce(bootstrap, 'orders', orders.committed)).toBe(count);
    await assertProvenance(bootstrap);
    expect(house.crashes).toEqual([]);
  },
  240_000,
);

/** Each record says where it came from, and there the same one stands. */
async function assertProvenance(bootstrap: string): Promise<void> {
  const clientId = 'test';
  const kafka = openKafka({ brokers: [bootstrap], clientId }, { log: silentLog });
  const [info] = await kafka.admin.topics([topic]).finally(() => kafka.close());
  const merged = await javaRead(bootstrap, { topics: ['orders'] });
  const source = await javaRead(bootstrap, { topics: [topic] });
  const stamps = new Set(
    merged.map((record) =>
      ['alias', 'topic', 'epoch'].map((name) => header(record, `tributary.${name}`)).join(' '),
    ),
  );
  expect([...stamps]).toEqual([`plant-b orders ${info!.id}`]);
  const sequence = (record: ReadRecord) => Number(header(record, 'tributary.sequence'));
  expect(atSource(merged, sequence)).toEqual(atSource(source, ({ offset }) => offset));
}
