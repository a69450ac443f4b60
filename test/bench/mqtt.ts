import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'mqtt';
import { generate } from 'mqtt-packet';
import { openBuffer } from '#edge/buffer/thread.ts';
import { openMqttSource } from '#edge/source/mqtt.ts';
import type { Delivered, SourceContext } from '#edge/source/source.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { Mosquitto } from '../system/mosquitto.ts';

/**
 * Accept rate of the MQTT source beside MQTT.js merely counting, QoS 1, from the same mosquitto:
 * a backlog is queued for a persistent session, then each takes it in turn. Messages a second, median.
 * `npm run bench -- mqtt [--messages 100000] [--rounds 5]`
 */

const flag = (name: string, otherwise: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const messages = flag('messages', 100_000);
const rounds = flag('rounds', 5);

const subscribe = [
  { filter: 'sensors/+/temperature', topic: 'sensor-data', key: '{1}', qos: 1 as const },
];

/** Takes `messages` messages as client `clientId`; resolves with messages a second. */
type Taker = (url: string, clientId: string, count: number) => Promise<number>;

const rateOf = (count: number, since: number): number =>
  (count / (systemClock.monotonic() - since)) * 1000;

function counting(protocolVersion: 4 | 5): Taker {
  return async (url, clientId, count) => {
    const client = connect(url, sessionOf(clientId, protocolVersion));
    const rate = await new Promise<number>((resolve) => {
      let seen = 0;
      let since = 0;
      client.on('message', () => {
        if (seen === 0) since = systemClock.monotonic();
        seen += 1;
        if (seen === count) resolve(rateOf(count, since));
      });
    });
    await client.endAsync();
    return rate;
  };
}

function source(protocol: '3.1.1' | '5', context: SourceContext): Taker {
  return async (url, clientId, count) => {
    let seen = 0;
    let since = 0;
    let done = (_: number) => {};
    const finished = new Promise<number>((resolve) => {
      done = resolve;
    });
    const counted: SourceContext = {
      positions: (prefix) => context.positions(prefix),
      async deliver(delivery) {
        if (since === 0 && delivery.records.length > 0) since = systemClock.monotonic();
        const delivered = await context.deliver(delivery);
        seen += delivered.accepted;
        if (seen === count) done(rateOf(count, since));
        return delivered;
      },
    };
    const opened = openMqttSource(
      {
        type: 'mqtt',
        name: clientId,
        url,
        clientId,
        protocol,
        keepaliveSeconds: 60,
        sessionExpirySeconds: 3600,
        subscribe,
      },
      counted,
      { clock: systemClock, log: silentLog, random: Math.random },
    );
    await opened.start();
    const rate = await finished;
    await opened.stop();
    return rate;
  };
}

const sessionOf = (clientId: string, protocolVersion: 4 | 5) => ({
  clientId,
  clean: false,
  protocolVersion,
  ...(protocolVersion === 5 ? { properties: { sessionExpiryInterval: 3600 } } : {}),
});

/** Queues messages of 100 bytes of JSON for a session that is away. */
async function queueFor(url: string, clientId: string, protocolVersion: 4 | 5): Promise<void> {
  const client = connect(url, sessionOf(clientId, protocolVersion));
  await client.subscribeAsync(subscribe[0]!.filter, { qos: 1 });
  await client.endAsync();
  const socket = createConnection({ port: Number(new URL(url).port), host: '127.0.0.1' });
  socket.write(
    generate({ cmd: 'connect', clientId: 'filler', clean: true, keepalive: 0, protocolVersion: 4 }),
  );
  let answered = 0;
  socket.on('data', (chunk: Buffer) => {
    answered += chunk.length;
  });
  for (let id = 0; id < messages; id += 1) {
    const reading = JSON.stringify({ sensor: id % 50, at: 1_700_000_000_000 + id, value: id / 7 });
    const packet = generate({
      cmd: 'publish',
      topic: `sensors/${id % 50}/temperature`,
      payload: reading.padEnd(100, ' '),
      qos: 1,
      messageId: (id % 65_535) + 1,
      dup: false,
      retain: false,
    });
    if (!socket.write(packet)) await once(socket, 'drain');
  }
  while (answered < 4 + 4 * messages) await systemClock.sleep(5);
  socket.destroy();
}

/** Keeps nothing, at once: what the source itself costs. */
const noBuffer: SourceContext = {
  deliver: async ({ records }): Promise<Delivered> => ({
    accepted: records.length,
    declaredLost: 0,
    duplicate: false,
  }),
  positions: async () => new Map(),
};

/** The real one: SQLite on its thread, synchronous=FULL, zstd. */
const folder = mkdtempSync(join(tmpdir(), 'bench-mqtt-'));
const buffer = await openBuffer(
  {
    path: join(folder, 'buffer.db'),
    alias: 'bench',
    maxBytes: 10 * 1024 ** 3,
    whenFull: 'drop-oldest',
    topics: new Map([['*', { partitions: 1 }]]),
    compression: 'zstd',
  },
  { clock: systemClock, log: silentLog },
);
const realBuffer: SourceContext = {
  deliver: (delivery) => buffer.append(delivery),
  positions: (prefix) => buffer.positions(prefix),
};

const median = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

const broker = await Mosquitto.start(['max_inflight_messages 0', 'autosave_interval 0']);
const rows: object[] = [];
try {
  for (const protocol of ['3.1.1', '5'] as const) {
    const version = protocol === '5' ? 5 : 4;
    const takers: { [name: string]: Taker } = {
      'MQTT.js counting': counting(version),
      'source, no buffer': source(protocol, noBuffer),
      'source, real buffer': source(protocol, realBuffer),
    };
    const rates: { [name: string]: number[] } = {};
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, take] of Object.entries(takers)) {
        const clientId = `${name.replaceAll(/[^a-z]/gi, '')}-${version}`;
        await queueFor(broker.url, clientId, version);
        const rate = await take(broker.url, clientId, messages);
        rates[name] = [...(rates[name] ?? []), rate];
      }
    }
    const base = median(rates['MQTT.js counting']!);
    for (const [name, all] of Object.entries(rates)) {
      const rate = Math.round(median(all));
      rows.push({
        MQTT: protocol,
        taker: name,
        'messages/s': rate,
        ratio: (rate / base).toFixed(2),
      });
    }
  }
} finally {
  await broker.remove();
  await buffer.close();
  rmSync(folder, { recursive: true, force: true });
}
console.table(rows);
