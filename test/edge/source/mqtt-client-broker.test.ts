import { createServer, type Socket } from 'node:net';
import { generate, type Packet, parser } from 'mqtt-packet';
import { afterEach, expect, test } from 'vitest';
import { mqttLimits } from '#edge/source/mqtt-limits.ts';
import type { MqttClientSettings } from '#edge/source/mqtt-settings.ts';
import type { Delivery } from '#edge/source/source.ts';
import { systemClock } from '#shared/std/clock.ts';
import { eventually, quietly } from '../../contract/eventually.ts';
import { diskFull, FakeBuffer } from '../../contract/fake-buffer.ts';
import { freePort } from '../../system/free-port.ts';
import { fastClock, openClient } from './mqtt-world.ts';

/** Brokers that do what a good one does not. */

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

type Answer = (packet: Packet) => Packet | Buffer | undefined;

async function scripted(protocolVersion: 4 | 5, answer: Answer) {
  const got: Packet[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const reader = parser({ protocolVersion });
    reader.on('packet', (packet) => {
      got.push(packet);
      const reply = answer(packet);
      if (reply)
        socket.write(Buffer.isBuffer(reply) ? reply : generate(reply, { protocolVersion }));
    });
    socket.on('data', (chunk) => reader.parse(chunk));
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  const seen = (cmd: string) => got.filter((packet) => packet.cmd === cmd);
  return { url: `mqtt://127.0.0.1:${port}`, seen, sockets };
}

async function start(settings: Partial<MqttClientSettings> & { url: string }, clock = systemClock) {
  const buffer = new FakeBuffer();
  const source = openClient(buffer, settings, clock);
  ends.push(() => source.stop());
  await source.start();
  return { source, buffer };
}

const accepts = (version: 4 | 5, sessionPresent = false): Packet =>
  version === 5
    ? { cmd: 'connack', reasonCode: 0, sessionPresent }
    : { cmd: 'connack', returnCode: 0, sessionPresent };

const routes = ['open/#', 'secret/#', 'weak/#'].map((filter) => ({
  filter,
  topic: 't',
  qos: 1 as const,
}));

for (const [version, refusal, words] of [
  [4, 128, 'Unspecified error'],
  [5, 0x87, 'Not authorized'],
] as const) {
  test(`MQTT ${version}: a refused subscription is told, the others work, and it is asked for again`, async () => {
    let asked = 0;
    const { url, sockets, seen } = await scripted(version, (packet) => {
      if (packet.cmd === 'connect') return accepts(version, asked > 0);
      if (packet.cmd !== 'subscribe') return undefined;
      asked += 1;
      const granted = packet.subscriptions.map(({ topic }) =>
        topic === 'open/#' ? 1 : topic === 'weak/#' ? 0 : refusal,
      );
      return { cmd: 'suback', messageId: packet.messageId, granted: asked > 1 ? [1, 1] : granted };
    });
    const protocol = version === 5 ? '5' : '3.1.1';
    const { source } = await start({ url, protocol, subscribe: routes });
    await eventually(() => expect(source.state().state).toBe('degraded'));
    await eventually(() =>
      expect(source.state().detail).toBe(
        `the broker refuses secret/#: ${words}; weak/#: QoS 1, it gives 0 only`,
      ),
    );
    for (const socket of sockets) socket.destroy();
    await eventually(() => expect(source.state().state).toBe('running'));
    const again = seen('subscribe')[1] as { subscriptions: { topic: string }[] };
    expect(again.subscriptions.map(({ topic }) => topic)).toEqual(['secret/#', 'weak/#']);
  });
}

test('a refused connection is told with the words of the broker', async () => {
  const { url } = await scripted(5, (packet) =>
    packet.cmd === 'connect'
      ? { cmd: 'connack', reasonCode: 0x8a, sessionPresent: false }
      : undefined,
  );
  const { source } = await start({ url, protocol: '5' });
  await eventually(() => expect(source.state().detail).toContain('Banned'));
  expect(source.state().state).toBe('degraded');
});

test('an address where nobody listens is told in words, also where its name has several', async () => {
  const port = await freePort();
  const { source } = await start({ url: `mqtt://localhost:${port}` });
  await eventually(() => expect(source.state().detail).toContain('ECONNREFUSED'));
});

test('a broker that ends the connection is asked why', async () => {
  const { url } = await scripted(5, (packet) => {
    if (packet.cmd === 'connect') return accepts(5);
    if (packet.cmd !== 'subscribe') return undefined;
    return { cmd: 'disconnect', reasonCode: 0x8e, properties: { reasonString: 'taken over' } };
  });
  const { source } = await start({ url, protocol: '5' });
  await eventually(() => expect(source.state().detail).toContain('the broker ends it: taken over'));
});

test.each([
  ['a message before CONNACK', Buffer.from([0x30, 3, 0, 1, 97])],
  ['QoS 3', Buffer.from([0x20, 2, 0, 0, 0x36, 5, 0, 1, 97, 0, 1])],
  ['a length without end', Buffer.from([0x20, 2, 0, 0, 0x30, 0xff, 0xff, 0xff, 0xff, 0xff])],
  ['packet id 0', Buffer.from([0x20, 2, 0, 0, 0x32, 5, 0, 1, 97, 0, 0])],
  ['noise', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'.padEnd(100, '?'))],
])('what is no MQTT ends the connection, and only that: %s', async (_, bytes) => {
  const { url, seen } = await scripted(4, (packet) =>
    packet.cmd === 'connect' ? bytes : undefined,
  );
  const { source, buffer } = await start({ url });
  await eventually(() => expect(seen('connect').length).toBeGreaterThan(2));
  expect(source.state()).toMatchObject({ state: 'degraded' });
  expect(buffer.records).toEqual([]);
});

test('a broker that falls silent is left after its keep-alive, one that answers is not', async () => {
  let silent = false;
  const { url, seen } = await scripted(4, (packet) => {
    if (packet.cmd === 'connect') return accepts(4);
    if (packet.cmd === 'subscribe') {
      return { cmd: 'suback', messageId: packet.messageId, granted: [2] };
    }
    return packet.cmd === 'pingreq' && !silent ? { cmd: 'pingresp' } : undefined;
  });
  const { source } = await start({ url, keepaliveSeconds: 1 }, fastClock(4));
  await eventually(() => expect(seen('pingreq').length).toBe(3));
  expect(seen('connect')).toHaveLength(1);
  silent = true;
  await eventually(() => expect(seen('connect').length).toBeGreaterThan(1));
  expect(source.state().state).not.toBe('failed');
});

test('what is remembered of a lost session is gone before a new one is used', async () => {
  const { url, seen } = await scripted(4, (packet) =>
    packet.cmd === 'connect' ? accepts(4) : undefined,
  );
  const buffer = new FakeBuffer();
  buffer.stored.set('mqtt/qos2/edge/1', Buffer.alloc(4));
  buffer.stored.set('mqtt/qos2/of-another-client-id/1', Buffer.alloc(4));
  let full = true;
  const forgets = ({ positions }: Delivery) => positions?.delete?.includes('mqtt/qos2/edge/1');
  buffer.rejects = (delivery) => (full && forgets(delivery) ? diskFull() : undefined);
  const source = openClient(buffer, { url });
  ends.push(() => source.stop());
  await source.start();
  await eventually(() => expect(seen('connect')).toHaveLength(1));
  await eventually(() => expect([...buffer.stored.keys()]).toEqual(['mqtt/qos2/edge/1']));
  await buffer.until(() => buffer.attempts > 2);
  await quietly();
  expect(seen('subscribe')).toEqual([]);
  full = false;
  await eventually(() => expect(seen('subscribe')).toHaveLength(1));
  expect([...buffer.stored.keys()]).toEqual([]);
});

test('a broker that comes and goes cannot fill the memory while the buffer is stalled', async () => {
  const flood = generate({
    cmd: 'publish',
    topic: 'a',
    payload: Buffer.alloc(500_000),
    qos: 0,
    dup: false,
    retain: false,
  });
  const { url, seen, sockets } = await scripted(4, (packet) => {
    if (packet.cmd === 'connect') return accepts(4);
    if (packet.cmd !== 'subscribe') return undefined;
    return { cmd: 'suback', messageId: packet.messageId, granted: [2] };
  });
  const { source, buffer } = await start({ url });
  await eventually(() => expect(source.state().state).toBe('running'));
  buffer.hold();
  ends.push(() => buffer.release());
  for (const socket of sockets) for (let n = 0; n < 50; n += 1) socket.write(flood);
  await buffer.until(() => buffer.offered * 500_000 >= mqttLimits.outstandingBytes);
  const { offered } = buffer;
  for (const socket of sockets) socket.destroy();
  await quietly();
  await quietly();
  expect(seen('connect')).toHaveLength(1);
  expect(buffer.offered).toBe(offered);
  buffer.release();
  await eventually(() => expect(seen('connect').length).toBeGreaterThan(1));
});

test('what comes together goes to the buffer together, and is acknowledged together', async () => {
  const message = (id: number) => Buffer.from([0x32, 5, 0, 1, 97, id >> 8, id & 255]);
  const { url, seen } = await scripted(4, (packet) => {
    if (packet.cmd === 'connect') return accepts(4);
    if (packet.cmd !== 'subscribe') return undefined;
    const suback = generate({ cmd: 'suback', messageId: packet.messageId, granted: [2] });
    return Buffer.concat([suback, ...Array.from({ length: 1000 }, (_, id) => message(id + 1))]);
  });
  const { buffer } = await start({ url });
  await eventually(() => expect(seen('puback')).toHaveLength(1000));
  expect(buffer.records).toHaveLength(1000);
  expect(buffer.deliveries.filter(({ records }) => records.length > 0).length).toBeLessThan(10);
});

test('stop says goodbye, and takes nothing that comes after it', async () => {
  const { url, seen } = await scripted(4, (packet) => {
    if (packet.cmd === 'connect') return accepts(4);
    if (packet.cmd === 'subscribe') {
      return { cmd: 'suback', messageId: packet.messageId, granted: [2] };
    }
    return packet.cmd === 'disconnect' ? Buffer.from([0x30, 3, 0, 1, 97]) : undefined;
  });
  const { source, buffer } = await start({ url });
  await eventually(() => expect(source.state().state).toBe('running'));
  await source.stop();
  expect(seen('disconnect')).toHaveLength(1);
  expect(buffer.records).toEqual([]);
});

test('while a subscription is under way, stop does not wait for ever', async () => {
  const { url, seen } = await scripted(4, (packet) =>
    packet.cmd === 'connect' ? accepts(4) : undefined,
  );
  const { source } = await start({ url });
  await eventually(() => expect(seen('subscribe')).toHaveLength(1));
  await source.stop();
  expect(source.state().state).toBe('stopped');
});

test('while no broker answers, stop does not wait for one', async () => {
  const { url, sockets } = await scripted(4, () => undefined);
  const { source } = await start({ url });
  await eventually(() => expect(sockets.size).toBe(1));
  await source.stop();
  await quietly();
  await eventually(() => expect(sockets.size).toBe(0));
});
