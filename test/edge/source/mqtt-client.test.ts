import { once } from 'node:events';
import { type AddressInfo, createConnection } from 'node:net';
import { connect, type MqttClient } from 'mqtt';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { Source } from '#edge/source/source.ts';
import { eventually, quietly } from '../../contract/eventually.ts';
import { FakeBuffer } from '../../contract/fake-buffer.ts';
import { Mosquitto, mosquittoMissing } from '../../system/mosquitto.ts';
import { MqttWire } from '../../system/mqtt-wire.ts';
import { openClient } from './mqtt-world.ts';

const inFlight = ['max_inflight_messages 1000'];

describe.skipIf(mosquittoMissing)(`MQTT client at mosquitto ${mosquittoMissing ?? ''}`, () => {
  let buffer: FakeBuffer;
  const ends: (() => unknown)[] = [];
  beforeEach(() => {
    buffer = new FakeBuffer();
  });
  afterEach(async () => {
    buffer.release();
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function broker(lines: string[] = inFlight): Promise<Mosquitto> {
    const started = await Mosquitto.start(lines);
    ends.push(() => started.remove());
    return started;
  }

  async function wireTo(port: number, version: 4 | 5 = 4): Promise<MqttWire> {
    const wire = await MqttWire.start(port, version);
    ends.push(() => wire.close());
    return wire;
  }

  async function start(settings: Parameters<typeof openClient>[1]): Promise<Source> {
    const source = openClient(buffer, settings);
    ends.push(() => source.stop());
    await source.start();
    await eventually(() => expect(source.state().state).toBe('running'));
    return source;
  }

  function publisher(url: string): MqttClient {
    const client = connect(url);
    ends.push(() => client.endAsync(true));
    return client;
  }

  const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

  for (const protocol of ['3.1.1', '5'] as const) {
    test.each([0, 1, 2] as const)(`MQTT ${protocol}: QoS %i arrives in order`, async (qos) => {
      const { url } = await broker();
      const source = await start({ url, protocol });
      const client = publisher(url);
      await Promise.all(numbers(500).map((n) => client.publishAsync('a/b', n, { qos })));
      await buffer.until(() => buffer.records.length === 500);
      expect(buffer.values('all')).toEqual(numbers(500));
      const state = { acceptedRecords: 500, state: 'running' };
      await eventually(() => expect(source.state()).toMatchObject(state));
      const [{ headers, timestamp }] = buffer.records as [(typeof buffer.records)[0]];
      expect(Math.abs(timestamp - Date.now())).toBeLessThan(10_000);
      expect(headers.map(([name, value]) => `${name}=${value}`)).toEqual([
        'mqtt.topic=a/b',
        `mqtt.qos=${qos}`,
      ]);
    });

    test(`MQTT ${protocol}: acknowledgements leave after the record is durable, in order`, async () => {
      const { url, port } = await broker();
      const wire = await wireTo(port, protocol === '5' ? 5 : 4);
      await start({ url: wire.url, protocol });
      buffer.hold();
      const client = publisher(url);
      for (const n of numbers(50)) client.publish('a', n, { qos: Number(n) % 2 === 0 ? 1 : 2 });
      await wire.until(() => wire.of('server', 'publish').length === 50);
      await buffer.until(() => buffer.offered === 50);
      await quietly();
      const acks = () =>
        wire.seen.filter(
          ({ from, packet }) => from === 'client' && /^pub(ack|rec)$/.test(packet.cmd),
        );
      expect(acks()).toEqual([]);
      buffer.release();
      await wire.until(() => acks().length === 50);
      const arrived = wire.of('server', 'publish').map(({ messageId }) => messageId);
      expect(acks().map(({ packet }) => packet.messageId)).toEqual(arrived);
      await wire.until(() => wire.of('client', 'pubcomp').length === 25);
      await eventually(() => expect([...buffer.stored.keys()]).toEqual(['mqtt/subscribed/edge']));
    });
  }

  test('all that the broker has in flight may be outstanding at once', async () => {
    const { url } = await broker();
    await start({ url });
    buffer.hold();
    const client = publisher(url);
    const sent = Promise.all(numbers(1000).map((n) => client.publishAsync('a', n, { qos: 1 })));
    // Unacknowledged and at the buffer, all of them: none waits for another.
    await buffer.until(() => buffer.offered === 1000);
    buffer.release();
    await sent;
    expect(buffer.values()).toEqual(numbers(1000));
  });

  describe('a kill of the agent doubles no QoS 2 message', () => {
    async function killAndReturn(lets: MqttWire['lets'], seen: (wire: MqttWire) => boolean) {
      const { url, port } = await broker();
      const wire = await MqttWire.start(port);
      const first = openClient(buffer, { url: wire.url });
      await first.start();
      await eventually(() => expect(first.state().state).toBe('running'));
      wire.lets = lets;
      const client = publisher(url);
      client.publish('a', 'once', { qos: 2 });
      await wire.until(() => seen(wire));
      await buffer.until(() => buffer.records.length === 1);
      // Dead: it reaches nobody any more, and its successor has what is on disk.
      await wire.close();
      const stopped = first.stop();
      const second = await wireTo(port);
      await start({ url: second.url });
      await client.publishAsync('a', 'next', { qos: 2 });
      await second.until(() => second.of('client', 'pubcomp').length === 2);
      await stopped;
      expect(buffer.values()).toEqual(['once', 'next']);
      await eventually(() => expect([...buffer.stored.keys()]).toEqual(['mqtt/subscribed/edge']));
      return second;
    }

    test('between PUBREC and PUBREL', async () => {
      const wire = await killAndReturn(
        ({ packet }) => packet.cmd !== 'pubrel',
        (first) => first.of('client', 'pubrec').length === 1,
      );
      expect(wire.of('server', 'publish')).toHaveLength(1);
    });

    test('between the record and PUBREC', async () => {
      const wire = await killAndReturn(
        ({ packet }) => packet.cmd !== 'pubrec',
        (first) => first.of('server', 'publish').length === 1,
      );
      const [again] = wire.of('server', 'publish');
      expect(again).toMatchObject({ dup: true });
    });

    test('between PUBREL and PUBCOMP', async () => {
      await killAndReturn(
        ({ packet }) => packet.cmd !== 'pubcomp',
        (first) => first.of('server', 'pubrel').length === 1,
      );
    });
  });

  test('an orderly restart of the broker under load loses and doubles nothing', async () => {
    const mosquitto = await broker();
    const source = await start({ url: mosquitto.url });
    const client = connect(mosquitto.url, { reconnectPeriod: 20, clean: false, clientId: 'p' });
    ends.push(() => client.endAsync(true));
    // What MQTT.js gives back with an error it has not sent.
    const send = (n: string): Promise<unknown> =>
      client.publishAsync('a', n, { qos: 2 }).catch(() => send(n));
    for (const round of numbers(15)) {
      const sent = Promise.all(
        numbers(200).map((n) => send(String(Number(round) * 200 + Number(n)))),
      );
      if (round === '4' || round === '9') {
        await mosquitto.stop();
        await eventually(() => expect(source.state().detail).toContain('ECONNREFUSED'));
        expect(source.state().state).toBe('degraded');
        await mosquitto.start();
      }
      await sent;
    }
    await eventually(() => expect(buffer.records.length).toBeGreaterThanOrEqual(3000));
    await quietly();
    expect(
      buffer
        .values()
        .map(Number)
        .toSorted((a, b) => a - b),
    ).toEqual(numbers(3000).map(Number));
    expect(source.state().state).toBe('running');
  });

  test('what the broker keeps while the agent is away arrives when it is back', async () => {
    const mosquitto = await broker();
    const first = await start({ url: mosquitto.url, protocol: '5' });
    await mosquitto.publish('a', 'before', '-q', '1');
    await buffer.until(() => buffer.records.length === 1);
    await first.stop();
    await mosquitto.publish('a', 'meanwhile', '-q', '1');
    await start({ url: mosquitto.url, protocol: '5' });
    await buffer.until(() => buffer.records.length === 2);
    // The first was acknowledged before stop() was through, so it does not come again.
    await quietly();
    expect(buffer.values()).toEqual(['before', 'meanwhile']);
  });

  test('a broker that forgot the session is asked for all anew, and old packet ids count no more', async () => {
    const mosquitto = await broker();
    const wire = await wireTo(mosquitto.port);
    const source = await start({ url: wire.url });
    wire.lets = ({ packet }) => packet.cmd !== 'pubrel';
    await mosquitto.publish('a', 'same', '-q', '2');
    await wire.until(() => wire.of('client', 'pubrec').length === 1);
    await mosquitto.kill();
    wire.lets = () => true;
    await mosquitto.start();
    await eventually(() => expect(wire.of('client', 'subscribe')).toHaveLength(2));
    await eventually(() => expect(source.state().state).toBe('running'));
    // The new session begins at packet id 1 again, here with the same words.
    await mosquitto.publish('a', 'same', '-q', '2');
    await buffer.until(() => buffer.records.length === 2);
    const ids = wire.of('server', 'publish').map(({ messageId }) => messageId);
    expect(ids).toEqual([1, 1]);
  });

  test('a resumed session gets what the settings have new, and loses what they dropped', async () => {
    const mosquitto = await broker();
    const both = ['old/#', 'kept/#'].map((filter) => ({ filter, topic: 't', qos: 1 as const }));
    const first = await start({ url: mosquitto.url, subscribe: both });
    await mosquitto.publish('kept/r', 'retained', '-r', '-q', '1');
    await buffer.until(() => buffer.records.length === 1);
    await first.stop();
    await mosquitto.publish('old/x', 'queued while it was still wanted', '-q', '1');
    const subscribe = ['kept/#', 'new/#'].map((filter) => ({
      filter,
      topic: 't',
      qos: 1 as const,
    }));
    await start({ url: mosquitto.url, protocol: '3.1.1', subscribe });
    // Nobody wants it any more, but the broker had it for us: gone, and not silently.
    await buffer.until(() => buffer.losses.length === 1);
    expect(buffer.losses[0]!.detail).toContain('"old/x"');
    await mosquitto.publish('old/x', 'dropped', '-q', '1');
    await mosquitto.publish('new/x', 'new', '-q', '1');
    await buffer.until(() => buffer.values().includes('new'));
    await quietly();
    expect(buffer.losses).toHaveLength(1);
  });

  test('routes, retained messages and MQTT 5 properties become topic, key and headers', async () => {
    const { url } = await broker();
    const client = publisher(url);
    const version5 = connect(url, { protocolVersion: 5 });
    ends.push(() => version5.endAsync(true));
    await client.publishAsync('sensors/s1/temperature', '20', { qos: 1, retain: true });
    await start({
      url,
      protocol: '5',
      subscribe: [
        { filter: 'sensors/+/temperature', topic: 'sensor-data', key: '{1}', qos: 1 },
        { filter: 'plant/+/#', topic: 'plant-{1}', key: '{2}', qos: 2 },
      ],
    });
    await buffer.until(() => buffer.records.length === 1);
    await version5.publishAsync('plant/h 1/line/7', '{}', {
      qos: 2,
      properties: {
        contentType: 'application/json',
        responseTopic: 'answers',
        correlationData: Buffer.from([0, 255]),
        payloadFormatIndicator: true,
        userProperties: { unit: ['C', 'K'], 'tributary.alias': 'forged', 'mqtt.topic': 'forged' },
      },
    });
    await buffer.until(() => buffer.records.length === 2);
    const told = buffer.deliveries
      .filter(({ records }) => records.length > 0)
      .map(({ topic, records: [record] }) => ({
        topic,
        key: record!.key?.toString(),
        value: record!.value?.toString(),
        headers: record!.headers.map(([name, value]) => `${name}=${value?.toString('latin1')}`),
      }));
    expect(told).toEqual([
      {
        topic: 'sensor-data',
        key: 's1',
        value: '20',
        headers: ['mqtt.topic=sensors/s1/temperature', 'mqtt.qos=1', 'mqtt.retain=true'],
      },
      {
        topic: 'plant-h_1',
        key: 'line/7',
        value: '{}',
        headers: [
          'mqtt.topic=plant/h 1/line/7',
          'mqtt.qos=2',
          'content-type=application/json',
          'mqtt.payload-format=utf-8',
          'mqtt.response-topic=answers',
          'mqtt.correlation-data=\0ÿ',
          'unit=C',
          'unit=K',
          'mqtt.user.tributary.alias=forged',
          'mqtt.user.mqtt.topic=forged',
        ],
      },
    ]);
  });

  test('MQTT 5: a retained message comes once, not with every connection', async () => {
    const mosquitto = await broker();
    const wire = await wireTo(mosquitto.port, 5);
    await mosquitto.publish('a', 'retained', '-r', '-q', '1');
    const first = await start({ url: wire.url, protocol: '5' });
    await wire.until(() => wire.of('client', 'puback').length === 1);
    wire.cut();
    await eventually(() => expect(first.state().state).toBe('degraded'));
    await eventually(() => expect(first.state().state).toBe('running'));
    await first.stop();
    await start({ url: wire.url, protocol: '5' });
    await mosquitto.publish('a', 'next', '-q', '1');
    await buffer.until(() => buffer.values().includes('next'));
    expect(buffer.values()).toEqual(['retained', 'next']);
  });

  test('a repeat of the broker is marked as one', async () => {
    const mosquitto = await broker();
    const wire = await wireTo(mosquitto.port);
    await start({ url: wire.url });
    wire.lets = ({ packet }) => packet.cmd !== 'puback';
    await mosquitto.publish('a', 'x', '-q', '1');
    await buffer.until(() => buffer.records.length === 1);
    wire.lets = () => true;
    wire.cut();
    await buffer.until(() => buffer.records.length === 2);
    const marks = buffer.records.map(({ headers }) =>
      headers.some(([name]) => name === 'mqtt.dup'),
    );
    expect(marks).toEqual([false, true]);
  });

  test('websockets', async () => {
    const mosquitto = await broker();
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    ends.push(() => server.close());
    server.on('connection', (socket) => {
      const tcp = createConnection(mosquitto.port, '127.0.0.1');
      const stream = createWebSocketStream(socket);
      for (const end of [tcp, stream]) end.on('error', () => {});
      stream.pipe(tcp).pipe(stream);
    });
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await start({ url: `ws://127.0.0.1:${port}/mqtt`, protocol: '5' });
    const client = publisher(mosquitto.url);
    await Promise.all(numbers(300).map((n) => client.publishAsync('a', n, { qos: 1 })));
    await buffer.until(() => buffer.records.length === 300);
    expect(buffer.values()).toEqual(numbers(300));
  });
});
