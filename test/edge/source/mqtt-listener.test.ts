import { connect } from 'mqtt';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { mqttLimits } from '#edge/source/mqtt-limits.ts';
import type { MqttListenSettings } from '#edge/source/mqtt-settings.ts';
import type { Source } from '#edge/source/source.ts';
import { systemClock } from '#shared/std/clock.ts';
import { eventually, quietly } from '../../contract/eventually.ts';
import { FakeBuffer } from '../../contract/fake-buffer.ts';
import { Certificates } from '../../system/certificates.ts';
import { mosquittoMissing, publish } from '../../system/mosquitto.ts';
import { RawClient } from './mqtt-raw-client.ts';
import { fastClock, openListener } from './mqtt-world.ts';

let buffer: FakeBuffer;
const ends: (() => unknown)[] = [];
beforeEach(() => {
  buffer = new FakeBuffer();
});
afterEach(async () => {
  buffer.release();
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(settings: Partial<MqttListenSettings> = {}, clock = systemClock) {
  const source = openListener(buffer, settings, clock);
  ends.push(() => source.stop());
  await source.start();
  return source;
}

function raw(source: Source, version: 3 | 4 | 5 = 4): RawClient {
  const client = new RawClient(source.address!, version);
  ends.push(() => client.socket.destroy());
  return client;
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));
const portOf = (source: Source) => Number(new URL(source.address!).port);

describe.each([4, 5] as const)('MQTT.js with protocol version %i', (protocolVersion) => {
  test.each([0, 1, 2] as const)('QoS %i arrives in order', async (qos) => {
    const source = await start();
    const client = connect(source.address!, { protocolVersion });
    ends.push(() => client.endAsync(true));
    await Promise.all(numbers(1000).map((n) => client.publishAsync('a/b', n, { qos })));
    await buffer.until(() => buffer.records.length === 1000);
    expect(buffer.values()).toEqual(numbers(1000));
    expect(source.state().detail).toMatch(/1 client$/);
  });

  test('a subscription is refused: this is no broker', async () => {
    const source = await start();
    const client = connect(source.address!, { protocolVersion });
    ends.push(() => client.endAsync(true));
    await expect(client.subscribeAsync('a/#')).rejects.toThrow('Subscribe error');
    await client.unsubscribeAsync('a/#');
    await client.publishAsync('a', 'still there', { qos: 1 });
    expect(buffer.values()).toEqual(['still there']);
  });
});

test.skipIf(mosquittoMissing)(
  `mosquitto_pub in all versions of MQTT ${mosquittoMissing ?? ''}`,
  async () => {
    const source = await start();
    for (const version of ['mqttv31', 'mqttv311', '5']) {
      for (const qos of ['0', '1', '2']) {
        const message = ['-t', 'a', '-m', `${version} ${qos}`];
        await publish(portOf(source), ['-V', version, '-q', qos, ...message]);
      }
    }
    await buffer.until(() => buffer.records.length === 9);
    expect(buffer.values()[8]).toBe('5 2');
  },
);

test('who may come in', async () => {
  const source = await start({ username: 'edge', password: 'geheim' });
  const come = async (version: 3 | 4 | 5, values: object) => {
    const client = raw(source, version);
    client.connect(values);
    await eventually(() => expect(client.of('connack')).toHaveLength(1));
    const { returnCode, reasonCode } = client.of('connack')[0]!;
    const code = version === 5 ? reasonCode : returnCode;
    if (code !== 0) await eventually(() => expect(client.closed).toBe(true));
    return code;
  };
  const password = Buffer.from('geheim');
  expect(await come(4, { username: 'edge', password })).toBe(0);
  expect(await come(5, { username: 'edge', password })).toBe(0);
  expect(await come(3, { username: 'edge', password: Buffer.from('falsch') })).toBe(4);
  expect(await come(5, { username: 'edge', password: Buffer.from('falsch') })).toBe(0x86);
  expect(await come(4, { username: 'other', password })).toBe(4);
  expect(await come(4, {})).toBe(4);
  const login = { username: 'edge', password };
  expect(await come(4, { ...login, clientId: '', clean: true })).toBe(0);
  const client = raw(source);
  client.socket.write(Buffer.from([0x10, 12, 0, 4, 77, 81, 84, 84, 4, 0, 0, 0, 0, 0]));
  await eventually(() => expect(client.of('connack')[0]).toMatchObject({ returnCode: 4 }));
});

test('a client without an id gets one, unless it wants its session kept', async () => {
  const source = await start();
  const named = raw(source, 5);
  named.connect({ clientId: '' });
  await eventually(() => expect(named.of('connack')).toHaveLength(1));
  const { properties } = named.of('connack')[0] as { properties?: { [name: string]: unknown } };
  expect(properties?.assignedClientIdentifier).toMatch(/^tributary-/);
  expect(properties).toMatchObject({ receiveMaximum: 16_384, maximumPacketSize: 1_052_672 });
  const nameless = raw(source, 4);
  nameless.socket.write(Buffer.from([0x10, 12, 0, 4, 77, 81, 84, 84, 4, 0, 0, 0, 0, 0]));
  await eventually(() => expect(nameless.of('connack')[0]).toMatchObject({ returnCode: 2 }));
});

test.each([4, 5] as const)('MQTT %i: "session present" is true over a restart', async (version) => {
  let source = await start();
  const properties = version === 5 ? { sessionExpiryInterval: 100 } : {};
  const present = async (clean: boolean, values = {}) => {
    const client = raw(source, version);
    client.connect({ clean, clientId: 'é/1', properties, ...values });
    await eventually(() => expect(client.of('connack')).toHaveLength(1));
    client.send({ cmd: 'disconnect' });
    await eventually(() => expect(client.closed).toBe(true));
    return client.of('connack')[0]!.sessionPresent;
  };
  expect(await present(false)).toBe(false);
  expect(await present(false)).toBe(true);
  await source.stop();
  source = await start();
  expect(await present(false)).toBe(true);
  expect(await present(true, { properties: {} })).toBe(false);
  await eventually(() => {
    // MQTT 3.1.1: a clean session ends with its connection; 5: one without an expiry does.
    expect([...buffer.stored.keys()]).toEqual([]);
  });
  expect(await present(false)).toBe(false);
  if (version === 5) {
    const ending = raw(source, 5);
    ending.connect({ clean: false, clientId: 'é/1', properties });
    ending.send({ cmd: 'disconnect', properties: { sessionExpiryInterval: 0 } });
    await eventually(() => expect([...buffer.stored.keys()]).toEqual([]));
  }
});

test('a session that ends with its connection is not resumed by one that takes it over', async () => {
  const source = await start();
  const older = raw(source);
  older.connect({ clean: true });
  await eventually(() => expect(older.of('connack')).toHaveLength(1));
  const newer = raw(source);
  newer.connect({ clean: false });
  await eventually(() => expect(newer.of('connack')).toMatchObject([{ sessionPresent: false }]));
  await eventually(() => expect(older.closed).toBe(true));
  const again = raw(source);
  again.connect({ clean: false });
  await eventually(() => expect(again.of('connack')).toMatchObject([{ sessionPresent: true }]));
});

test('a client that goes while it is being let in leaves nothing behind', async () => {
  const source = await start();
  buffer.hold();
  const client = raw(source);
  client.connect({ clean: false });
  await buffer.until(() => buffer.outstanding === 1);
  expect(source.state().detail).toMatch(/1 client$/);
  client.socket.destroy();
  await quietly();
  buffer.release();
  await eventually(() => expect(source.state().detail).toMatch(/0 clients$/));
});

test('a client that reads no answers is not read either', async () => {
  const source = await start();
  const client = raw(source, 5);
  client.connect();
  await eventually(() => expect(client.of('connack')).toHaveLength(1));
  client.socket.pause();
  const subscribe = [0x82, 7, 0, 1, 0, 0, 1, 97, 0];
  client.socket.write(Buffer.alloc(3_000_000 * subscribe.length, Buffer.from(subscribe)));
  const left: number[] = [];
  for (let turn = 0; turn < 10; turn += 1) {
    await quietly();
    left.push(client.socket.writableLength);
  }
  // Whatever fits into the buffers of the kernel is gone; the rest stays with the client.
  expect(left.at(-1)).toBe(left.at(-2));
  expect(left.at(-1)).toBeGreaterThan(0);
});

test('a restart of the agent between PUBREC and PUBREL doubles nothing', async () => {
  const first = await start();
  const before = raw(first);
  before.connect({ clean: false });
  before.publish('a', 2, 7, 'once');
  await eventually(() => expect(before.of('pubrec')).toHaveLength(1));
  await first.stop();
  const second = await start();
  const after = raw(second);
  after.connect({ clean: false });
  after.publish('a', 2, 7, 'once');
  after.send({ cmd: 'pubrel', messageId: 7 });
  await eventually(() => expect(after.of('pubcomp')).toHaveLength(1));
  expect(after.of('pubrec')).toHaveLength(1);
  expect(buffer.values()).toEqual(['once']);
  after.publish('a', 2, 7, 'once');
  await eventually(() => expect(after.of('pubrec')).toHaveLength(2));
  expect(buffer.values()).toEqual(['once', 'once']);
});

test('what no route takes is refused with a reason where that is possible, else declared lost', async () => {
  const source = await start({ subscribe: [{ filter: 'a', topic: 't', qos: 1 }] });
  const five = raw(source, 5);
  five.connect();
  five.publish('b', 1, 1);
  five.publish('b', 2, 2);
  five.publish('a', 1, 3);
  await eventually(() => expect(five.of('puback')).toHaveLength(2));
  expect(five.of('puback')).toMatchObject([{ reasonCode: 0x90 }, { messageId: 3, reasonCode: 0 }]);
  expect(five.of('pubrec')).toMatchObject([{ messageId: 2, reasonCode: 0x90 }]);
  expect(buffer.losses).toEqual([]);
  const four = raw(source);
  four.connect({ clientId: 'four' });
  four.publish('b', 1, 1);
  await eventually(() => expect(four.of('puback')).toHaveLength(1));
  expect(buffer.losses).toMatchObject([{ topic: 'mqtt.unrouted', records: 1 }]);
});

test('a message that is too large', async () => {
  const source = await start();
  const large = Buffer.alloc(mqttLimits.packetBytes);
  const five = raw(source, 5);
  five.connect();
  five.publish('a', 1, 1, large);
  await eventually(() => expect(five.of('disconnect')).toMatchObject([{ reasonCode: 0x95 }]));
  await eventually(() => expect(five.closed).toBe(true));
  const four = raw(source);
  four.connect();
  four.publish('a', 1, 1, large);
  four.publish('a', 1, 2, 'small');
  await eventually(() => expect(four.of('puback')).toHaveLength(2));
  expect(buffer.losses).toMatchObject([{ topic: 'all', records: 1 }]);
  expect(buffer.values()).toEqual(['small']);
});

test('the same client id again closes the older connection', async () => {
  const source = await start();
  const older = raw(source, 5);
  older.connect();
  await eventually(() => expect(older.of('connack')).toHaveLength(1));
  const newer = raw(source, 5);
  newer.connect();
  await eventually(() => expect(older.of('disconnect')).toMatchObject([{ reasonCode: 0x8e }]));
  await eventually(() => expect(older.closed).toBe(true));
  newer.publish('a', 1, 1);
  await eventually(() => expect(newer.of('puback')).toHaveLength(1));
  expect(source.state().detail).toMatch(/1 client$/);
});

describe('what a client owes', () => {
  test('a CONNECT in time, and a sign of life within one and a half times its keep-alive', async () => {
    const source = await start({}, fastClock(10));
    const [mute, silent, alive, unbound] = [raw(source), raw(source), raw(source), raw(source)];
    silent.connect({ clientId: 'silent', keepalive: 4 });
    alive.connect({ clientId: 'alive', keepalive: 4 });
    unbound.connect({ clientId: 'unbound', keepalive: 0 });
    const pings = setInterval(() => alive.send({ cmd: 'pingreq' }), 20);
    ends.push(() => clearInterval(pings));
    await eventually(() => expect(silent.closed).toBe(true));
    await eventually(() => expect(mute.closed).toBe(true));
    expect(alive.closed || unbound.closed).toBe(false);
    expect(alive.of('pingresp').length).toBeGreaterThan(3);
  });

  test.each([
    ['CONNECT first', (client: RawClient) => client.publish('a', 1, 1)],
    [
      'CONNECT once',
      (client: RawClient) => {
        client.connect();
        client.connect();
      },
    ],
    [
      'no packets of a server',
      (client: RawClient) => {
        client.connect();
        client.send({ cmd: 'pingresp' });
      },
    ],
    [
      'no topic alias',
      (client: RawClient) => {
        client.connect();
        client.socket.write(Buffer.from([0x30, 7, 0, 1, 97, 3, 0x23, 0, 1]));
      },
    ],
  ])('%s', async (_, act) => {
    const source = await start();
    const client = raw(source, 5);
    act(client);
    await eventually(() => expect(client.closed).toBe(true));
    expect(buffer.records).toEqual([]);
    expect(source.state()).toMatchObject({ state: 'running', acceptedRecords: 0 });
  });

  test('a version that is known', async () => {
    const source = await start();
    const client = raw(source);
    client.socket.write(Buffer.from([0x10, 13, 0, 4, 77, 81, 84, 84, 6, 2, 0, 0, 0, 1, 97]));
    await eventually(() => expect(client.of('connack')).toMatchObject([{ returnCode: 1 }]));
    await eventually(() => expect(client.closed).toBe(true));
  });
});

describe('a will', () => {
  const will = { topic: 'a/dead', payload: Buffer.from('gone'), qos: 1 as const, retain: true };
  const later = { ...will, properties: { willDelayInterval: 100, contentType: 'text/plain' } };
  const lasting = { sessionExpiryInterval: 1000 };

  async function dead(source: Source, values: object, version: 4 | 5 = 5) {
    const client = raw(source, version);
    client.connect({ clientId: 'mortal', ...values });
    await eventually(() => expect(client.of('connack')).toHaveLength(1));
    client.socket.destroy();
    await eventually(() => expect(source.state().detail).toContain('0 clients'));
  }

  test.each([4, 5] as const)('MQTT %i: is published when the client dies', async (version) => {
    const source = await start();
    await dead(source, { will }, version);
    await buffer.until(() => buffer.records.length === 1);
    const headers = buffer.records[0]!.headers.map(([name, value]) => `${name}=${value}`);
    expect(headers).toEqual([
      'mqtt.topic=a/dead',
      'mqtt.qos=1',
      'mqtt.retain=true',
      'mqtt.will=true',
    ]);
  });

  test('is not published when it says goodbye, unless it asks for it', async () => {
    const source = await start();
    const [polite, asking] = [raw(source, 5), raw(source, 5)];
    polite.connect({ clientId: 'polite', will });
    polite.send({ cmd: 'disconnect', reasonCode: 0 });
    await eventually(() => expect(polite.closed).toBe(true));
    asking.connect({ clientId: 'asking', will: { ...will, payload: Buffer.from('asked') } });
    asking.send({ cmd: 'disconnect', reasonCode: 4 });
    await buffer.until(() => buffer.records.length === 1);
    expect(buffer.values()).toEqual(['asked']);
  });

  test('waits as long as it says, and is void when the client is back by then', async () => {
    const source = await start();
    await dead(source, { will: later, clean: false, properties: lasting });
    const back = raw(source, 5);
    back.connect({ clientId: 'mortal', clean: false, properties: lasting });
    await eventually(() => expect(back.of('connack')).toHaveLength(1));
    back.send({ cmd: 'disconnect' });
    await eventually(() => expect(back.closed).toBe(true));
    expect(buffer.records).toEqual([]);
  });

  test('is published at once when the client comes back without its session', async () => {
    const source = await start();
    await dead(source, { will: later, clean: false, properties: lasting });
    raw(source, 5).connect({ clientId: 'mortal' });
    await buffer.until(() => buffer.records.length === 1);
  });

  test('is published after its delay, or before the source is gone', async () => {
    const slow = await start();
    await dead(slow, { will: later, clean: false, properties: lasting });
    await slow.stop();
    expect(buffer.values()).toEqual(['gone']);
    const soon = (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 1000, signal);
    const fast = await start({}, { ...systemClock, sleep: soon });
    await dead(fast, { will: later, clean: false, properties: lasting });
    await buffer.until(() => buffer.records.length === 2);
  });

  test('does not wait where no session waits with it', async () => {
    const source = await start();
    await dead(source, { will: later });
    await buffer.until(() => buffer.records.length === 1);
  });

  test('is not published because the source stops', async () => {
    const source = await start();
    const client = raw(source, 5);
    client.connect({ will });
    await eventually(() => expect(client.of('connack')).toHaveLength(1));
    await source.stop();
    await eventually(() => expect(client.of('disconnect')).toMatchObject([{ reasonCode: 0x8b }]));
    expect(buffer.records).toEqual([]);
  });
});

test('what a client may send before it is let in, arrives when it is', async () => {
  const source = await start();
  const client = raw(source);
  buffer.hold();
  client.connect({ clean: false });
  client.publish('a', 1, 1, 'early');
  await buffer.until(() => buffer.outstanding === 1);
  await quietly();
  expect(client.got).toEqual([]);
  buffer.release();
  await eventually(() => expect(client.got.map(({ cmd }) => cmd)).toEqual(['connack', 'puback']));
  expect(buffer.values()).toEqual(['early']);
});

test('back-pressure: what is read and not durable is bounded, and nothing is dropped', async () => {
  const source = await start();
  const clients = numbers(20).map((n) => {
    const client = raw(source);
    client.connect({ clientId: n });
    return client;
  });
  buffer.hold();
  const payload = Buffer.alloc(100_000);
  for (const client of clients) for (let n = 0; n < 40; n += 1) client.publish('a', 0, 0, payload);
  await buffer.until(() => buffer.offered * 100_000 >= mqttLimits.outstandingBytes);
  await quietly();
  // One read more of each, at most.
  const bound = mqttLimits.outstandingBytes + clients.length * 164_000;
  expect(buffer.offered * 100_000).toBeLessThan(bound);
  buffer.release();
  await buffer.until(() => buffer.records.length === 800);
});

test('one client that floods leaves room for the others', async () => {
  const source = await start();
  const [flood, other] = [raw(source), raw(source)];
  flood.connect({ clientId: 'flood' });
  other.connect({ clientId: 'other' });
  buffer.hold();
  for (let n = 0; n < 100; n += 1) flood.publish('a', 0, 0, Buffer.alloc(100_000));
  await buffer.until(() => buffer.offered * 100_000 >= mqttLimits.clientBytes);
  const { offered } = buffer;
  other.publish('a', 1, 1, 'small');
  await buffer.until(() => buffer.offered > offered);
  buffer.release();
  await eventually(() => expect(other.of('puback')).toHaveLength(1));
});

test('no more connections than the limit, and a closed one makes room', async () => {
  const source = await start();
  const clients = numbers(mqttLimits.clients).map(() => raw(source));
  const open = () => clients.filter(({ closed }) => !closed).length;
  clients[0]!.connect({ clientId: 'first' });
  clients[1]!.connect({ clientId: 'second' });
  await eventually(() => expect(source.state().detail).toContain('2 clients'));
  await eventually(() => expect(clients.every(({ socket }) => !socket.connecting)).toBe(true));
  await eventually(() => expect(open()).toBe(mqttLimits.clients));
  const surplus = raw(source);
  await eventually(() => expect(surplus.closed).toBe(true));
  clients[1]!.socket.destroy();
  await eventually(() => expect(source.state().detail).toMatch(/1 client$/));
  const next = raw(source);
  next.connect({ clientId: 'next' });
  await eventually(() => expect(next.of('connack')).toHaveLength(1));
});

test.skipIf(mosquittoMissing)('TLS, with certificates of clients', async () => {
  const certificates = new Certificates();
  ends.push(() => certificates.remove());
  const { caFile } = certificates;
  const source = await start({ tls: { ...certificates.issue('server'), caFile } });
  expect(source.address).toMatch(/^mqtts:/);
  const files = ({ certFile, keyFile }: { certFile: string; keyFile: string }) => [
    '--cafile',
    caFile,
    '--cert',
    certFile,
    '--key',
    keyFile,
  ];
  const message = ['-t', 'a', '-m', 'x', '-q', '1'];
  await publish(portOf(source), [...message, ...files(certificates.issue('client'))]);
  expect(buffer.values()).toEqual(['x']);
  const others = new Certificates();
  ends.push(() => others.remove());
  const stranger = files(others.issue('stranger'));
  await expect(publish(portOf(source), [...message, ...stranger])).rejects.toThrow();
  await expect(publish(portOf(source), [...message, '--cafile', caFile])).rejects.toThrow();
  expect(buffer.values()).toEqual(['x']);
});

test('an address that is taken is told with the name of the setting', async () => {
  const source = await start();
  const listen = `127.0.0.1:${portOf(source)}`;
  const second = openListener(buffer, { listen });
  await expect(second.start()).rejects.toThrow(
    `listen = "${listen}" of source "mqtt": listen EADDRINUSE`,
  );
  await second.stop();
});
