import { expect, onTestFailed, onTestFinished } from 'vitest';
import { Random } from '../sim/random.ts';
import { agentOf, assertAccounts, drained, type MergedRecord, recordsOf } from './api.ts';
import { Chaos } from './faults.ts';
import { Link } from './link.ts';
import { Mosquitto } from './mosquitto.ts';
import { MqttWire } from './mqtt-wire.ts';
import { House, httpOf, type Program } from './programs.ts';
import { HttpPublisher, MqttPublisher, type Publisher } from './publishers.ts';

/**
 * The main job: from real publishers over a real broker, through an edge and a central that keep being
 * killed, to the merged topic. Checks what was promised, message by message.
 */
export interface MainJob {
  sites: readonly string[];
  seconds: number;
  /** Of each MQTT publisher; a site has four. */
  messagesPerSecond: number;
  seed: number;
  /** Brokers to land in; default: a file. */
  kafka?: string;
}

interface Site {
  alias: string;
  broker: Mosquitto;
  /** Between the broker and the edge: knows what the broker said. */
  wire: MqttWire;
  edge: Program;
  link: Link;
  publishers: Publisher[];
}

const partitions = 3;

export async function runMainJob(job: MainJob): Promise<void> {
  console.log(`seed ${job.seed}; again with TRIBUTARY_SEED=${job.seed}`);
  const random = new Random(job.seed);
  const house = new House();
  const central = house.central({ expect: [...job.sites], kafka: job.kafka });
  await central.start();
  const sites = await Promise.all(
    job.sites.map((alias) => openSite(alias, house, central, job, random)),
  );
  const chaos = await underLoad(central, sites, job, random);
  console.log('faults', chaos.counts);

  for (const site of sites) await landedAll(central, site);
  await assertMerged(central, sites);
  for (const { alias, edge } of sites) {
    const { losses, counts } = await assertAccounts(central, edge, alias);
    expect(losses.records).toBe(0);
    expect(counts.lost).toBe(0);
    expect((await agentOf(edge)).losses).toEqual([]);
  }
  expect(house.crashes).toEqual([]);
}

async function openSite(
  alias: string,
  house: House,
  central: Program,
  { messagesPerSecond }: MainJob,
  random: Random,
): Promise<Site> {
  // Nothing that waits for the edge is dropped, however long that lasts.
  const broker = await Mosquitto.start(['max_inflight_messages 0', 'max_queued_bytes 0']);
  onTestFinished(() => broker.remove());
  const link = await Link.open(() => central.ready.link!);
  const wire = await MqttWire.start(broker.port, 5);
  onTestFinished(() => wire.close());
  const edge = house.edge({ alias, central: link.url, more: mqttSource(wire.url) });
  await edge.start();
  await expect
    .poll(async () => (await agentOf(edge)).sources.map(({ state }) => state), { timeout: 10_000 })
    .toEqual(['running', 'running']);
  await broker.publish('sensors/cli/value', `${alias}-cli:0`, '-q', '2');
  const mqtt = ([1, 2] as const).flatMap((qos) =>
    ([4, 5] as const).map((version) => {
      const name = `${alias}-qos${qos}-v${version}`;
      return new MqttPublisher(broker.url, name, qos, version, messagesPerSecond);
    }),
  );
  const http = [1, 2].map(
    (n) =>
      new HttpPublisher(() => httpOf(edge), `${alias}-http${n}`, new Random(random.next() * 1e9)),
  );
  return { alias, broker, wire, edge, link, publishers: [...mqtt, ...http] };
}

const mqttSource = (url: string): string => `
[[topic]]
name = "sensor-data"
partitions = ${partitions}
[[source]]
type = "mqtt"
name = "mqtt"
url = "${url}"
subscribe = [
  { filter = "sensors/+/#", topic = "sensor-data", key = "{1}", qos = 2 },
  { filter = "end/#", topic = "end", qos = 2 },
]
`;

/** Load and faults until the time is over, then all is healed and every publisher has its word. */
async function underLoad(
  central: Program,
  sites: readonly Site[],
  { seconds }: MainJob,
  random: Random,
): Promise<Chaos> {
  const failed = new AbortController();
  const over = AbortSignal.any([AbortSignal.timeout(seconds * 1000), failed.signal]);
  const chaos = new Chaos(random, over);
  onTestFailed(() => console.log(chaos.history.join('\n')));
  const faults = [
    chaos.killer(central),
    ...sites.flatMap(({ alias, edge, broker, link }) => [
      chaos.killer(edge),
      chaos.restarter(broker),
      chaos.cutter(link, alias),
    ]),
  ];
  const load = sites.flatMap(({ publishers }) => publishers.map((one) => one.run(over)));
  try {
    await Promise.all([...faults, ...load]);
  } finally {
    // Nothing is started any more once the test has ended.
    failed.abort();
    await Promise.allSettled(faults);
  }
  return chaos;
}

/** A broker hands out in order: what it hands out last has everything before it. */
async function landedAll(central: Program, { alias, broker, edge }: Site): Promise<void> {
  await broker.publish('end/cli/value', 'end', '-q', '2');
  const ended = async () => (await recordsOf(central, `${alias}.end`)).length;
  await expect.poll(ended, { timeout: 60_000, interval: 250 }).toBe(1);
  await drained(central, edge, alias);
}

async function assertMerged(central: Program, sites: readonly Site[]): Promise<void> {
  const merged = await recordsOf(central, 'sensor-data');
  const copies = new Map<string, { first: number; flagged: number }>();
  for (const { value, headers } of merged) {
    const found = copies.get(value) ?? { first: 0, flagged: 0 };
    found[headers.some(([name]) => name === 'mqtt.dup') ? 'flagged' : 'first'] += 1;
    copies.set(value, found);
  }
  for (const { publishers, wire } of sites) {
    const wrong = repeatedAgainstTheRules(wire);
    for (const publisher of publishers) assertArrived(publisher, copies, wrong);
  }
  const published = sites.flatMap(({ publishers }) => publishers.flatMap((one) => one.messages));
  const apart = merged.length - copies.size;
  console.log(`${published.length} messages, ${merged.length} records, ${apart} of them repeats`);
  expect(copies.size).toBe(published.length + sites.length);
  assertOrder(merged);
  assertSequences(merged);
}

/**
 * Exactly once. Of QoS 1, which is at least once by its nature, no copy is ours: each is one that the
 * publisher sent again, or that the broker did, having got no PUBACK from an edge that was killed.
 */
function assertArrived(
  publisher: Publisher,
  copies: ReadonlyMap<string, { first: number; flagged: number }>,
  repeated: ReadonlyMap<string, number>,
): void {
  const wrong = publisher.messages.flatMap((message) => {
    const { first, flagged } = copies.get(message) ?? { first: 0, flagged: 0 };
    const most = publisher.exactlyOnce ? (repeated.get(message) ?? 0) : Number.POSITIVE_INFINITY;
    const right =
      first + flagged >= 1 &&
      first <= 1 + publisher.repeats(message) &&
      first + flagged <= 1 + publisher.repeats(message) + most;
    return right ? [] : [`${message}: ${first} times and ${flagged} as a repeat of the broker`];
  });
  expect(wrong, `of ${publisher.messages.length} of ${publisher.name}`).toEqual([]);
}

/**
 * Messages of QoS 2 that the broker sent again although it had our PUBREC, and how often: mosquitto
 * 2.0.11 does so after an orderly restart where it had no PUBCOMP yet (MQTT 5, 4.3.3, forbids it: the
 * PUBREL is due). Nobody can tell them from new messages under an id that is free again.
 */
function repeatedAgainstTheRules({ seen }: MqttWire): Map<string, number> {
  const under = new Map<number, string>();
  const released = new Set<string>();
  const repeated = new Map<string, number>();
  for (const { from, packet } of seen) {
    if (from !== 'server') continue;
    const id = packet.messageId!;
    if (packet.cmd === 'pubrel') released.add(under.get(id) ?? '');
    if (packet.cmd !== 'publish' || packet.qos !== 2) continue;
    const message = packet.payload.toString();
    under.set(id, message);
    if (released.has(message)) repeated.set(message, (repeated.get(message) ?? 0) + 1);
  }
  return repeated;
}

/** Per key, the first of each message in the order in which they were published. */
function assertOrder(merged: readonly MergedRecord[]): void {
  const newest = new Map<string, number>();
  const seen = new Set<string>();
  const wrong: string[] = [];
  for (const { value } of merged) {
    if (seen.has(value)) continue;
    seen.add(value);
    const [name, number] = value.split(':') as [string, string];
    const before = newest.get(name) ?? -1;
    if (Number(number) !== before + 1) wrong.push(`${value} came behind ${name}:${before}`);
    newest.set(name, Number(number));
  }
  expect(wrong.slice(0, 10)).toEqual([]);
}

/** A stream's sequences are all there, once, in order, and a key is always in one partition. */
function assertSequences(merged: readonly MergedRecord[]): void {
  const next = new Map<string, number>();
  const partitionOf = new Map<string, number>();
  for (const { partition, key, headers } of merged) {
    const [alias, epoch, sequence] = ['alias', 'epoch', 'sequence'].map(
      (name) => headers.find(([header]) => header === `tributary.${name}`)![1],
    ) as [string, string, string];
    const stream = `${alias}/${epoch}/${partition}`;
    expect(Number(sequence), stream).toBe(next.get(stream) ?? 0);
    next.set(stream, Number(sequence) + 1);
    const place = partitionOf.get(`${alias}/${key}`) ?? partition;
    expect(partition, key!).toBe(place);
    partitionOf.set(`${alias}/${key}`, place);
  }
}

/** The seed that is asked for, or a new one. */
export const seedOf = (env = process.env.TRIBUTARY_SEED): number =>
  env === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(env);
