import { connect as tcp } from 'node:net';
import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeConnect, decodePacket } from '#edge/source/mqtt-codec.ts';
import { MqttProtocolError } from '#edge/source/mqtt-frame.ts';
import type { Source } from '#edge/source/source.ts';
import { eventually } from '../../contract/eventually.ts';
import { FakeBuffer } from '../../contract/fake-buffer.ts';
import { RawClient } from './mqtt-raw-client.ts';
import { openListener } from './mqtt-world.ts';

/** Whatever comes in: the listener lives, and serves the next client. */

const buffer = new FakeBuffer();
let source: Source;
beforeAll(async () => {
  source = openListener(buffer);
  await source.start();
});
afterAll(() => source.stop());

/** Everything that a client can say. */
function conversation(protocolVersion: 4 | 5): Buffer {
  const five = protocolVersion === 5;
  const connect: Packet = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion,
    clientId: 'fuzz',
    clean: false,
    keepalive: 10,
    username: 'me',
    password: Buffer.from('secret'),
    will: {
      topic: 'w',
      payload: Buffer.from('will'),
      qos: 1,
      retain: true,
      ...(five && { properties: { willDelayInterval: 1, userProperties: { a: 'b' } } }),
    },
    ...(five && { properties: { sessionExpiryInterval: 5, userProperties: { a: ['b', 'c'] } } }),
  };
  const publish = (qos: 0 | 1 | 2): Packet => ({
    cmd: 'publish',
    topic: 'a/b',
    payload: 'payload',
    qos,
    messageId: qos,
    dup: false,
    retain: true,
    ...(five && { properties: { contentType: 'text/plain', userProperties: { a: 'b' } } }),
  });
  const packets: Packet[] = [
    connect,
    publish(0),
    publish(1),
    publish(2),
    { cmd: 'pubrel', messageId: 2 },
    { cmd: 'subscribe', messageId: 3, subscriptions: [{ topic: 'a/#', qos: 1 }] },
    { cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['a/#'] },
    { cmd: 'pingreq' },
    { cmd: 'disconnect' },
  ];
  return Buffer.concat(packets.map((packet) => generate(packet, { protocolVersion })));
}

/** Sends the bytes in pieces and hangs up, politely or not. */
function say(bytes: Buffer, pieces: number, polite: boolean): Promise<void> {
  return new Promise((resolve) => {
    const socket = tcp(Number(new URL(source.address!).port), '127.0.0.1');
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.resume();
    const size = Math.max(1, Math.ceil(bytes.length / pieces));
    for (let at = 0; at < bytes.length; at += size) socket.write(bytes.subarray(at, at + size));
    if (polite) socket.end();
    else socket.write(Buffer.alloc(0), () => socket.destroy());
  });
}

const pieces = fc.integer({ min: 1, max: 4 });

async function servesTheNext(): Promise<void> {
  const client = new RawClient(source.address!);
  client.connect({ clientId: 'good' });
  client.publish('good', 1, 1);
  await eventually(() => expect(client.of('puback')).toHaveLength(1));
  client.socket.destroy();
  expect(source.state().state).toBe('running');
}

test('random bytes', async () => {
  const bytes = fc.uint8Array({ maxLength: 400 });
  await fc.assert(
    fc.asyncProperty(bytes, pieces, fc.boolean(), (array, count, polite) =>
      say(Buffer.from(array), count, polite),
    ),
    { numRuns: 300 },
  );
  await servesTheNext();
});

test('a conversation with some bytes changed, or cut short', async () => {
  const change = fc.record({ at: fc.nat(10_000), to: fc.nat(255) });
  const changes = fc.array(change, { minLength: 1, maxLength: 6 });
  const version = fc.constantFrom(4, 5) as fc.Arbitrary<4 | 5>;
  await fc.assert(
    fc.asyncProperty(
      version,
      changes,
      fc.nat(300),
      pieces,
      fc.boolean(),
      (v, at, cut, n, polite) => {
        const bytes = conversation(v);
        for (const { at: index, to } of at) bytes[index % bytes.length] = to;
        return say(bytes.subarray(0, Math.max(20, bytes.length - (cut % bytes.length))), n, polite);
      },
    ),
    { numRuns: 600 },
  );
  await servesTheNext();
});

test('the codec of rare packets gives a packet or a protocol error', () => {
  const type = fc.integer({ min: 0, max: 255 });
  const bodies = fc.uint8Array({ maxLength: 120 });
  const version = fc.constantFrom(3, 4, 5) as fc.Arbitrary<3 | 4 | 5>;
  const head = [Buffer.from([0, 4, 77, 81, 84, 84, 5]), Buffer.alloc(0)];
  fc.assert(
    fc.property(type, bodies, version, fc.constantFrom(...head), (first, body, v, start) => {
      const whole = Buffer.concat([start, body]);
      const bytes = Buffer.concat([Buffer.from([first, whole.length]), whole]);
      const frame = { type: first >> 4, flags: first & 15, bytes, body: 2 };
      for (const decode of [() => decodePacket(frame, v), () => decodeConnect(frame)]) {
        try {
          decode();
        } catch (error) {
          expect(error).toBeInstanceOf(MqttProtocolError);
        }
      }
    }),
    { numRuns: 5_000 },
  );
});
