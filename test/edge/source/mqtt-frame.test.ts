import fc from 'fast-check';
import { generate, type IPubackPacket, type IPublishPacket, parser } from 'mqtt-packet';
import { expect, test } from 'vitest';
import { encodeAcks, FrameReader, type MqttFrame, packetType } from '#edge/source/mqtt-frame.ts';
import { decodePublish } from '#edge/source/mqtt-publish.ts';

/** Reads `bytes` in pieces of the given sizes, over and over. */
function readAll(bytes: Buffer, sizes: number[], maxBytes = 1 << 20): MqttFrame[] {
  const reader = new FrameReader(maxBytes, true);
  const frames: MqttFrame[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length]!;
    reader.push(bytes.subarray(at, at + size));
    at += size;
    for (let frame = reader.next(); frame; frame = reader.next()) frames.push(frame);
  }
  return frames;
}

const publish = (values: Partial<IPublishPacket>): IPublishPacket => ({
  cmd: 'publish',
  topic: 'a',
  payload: Buffer.from('x'),
  qos: 0,
  dup: false,
  retain: false,
  ...values,
});

const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const packets = fc.record({
  topic: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }),
  payload: fc.uint8Array({ maxLength: 20_000 }).map((bytes) => Buffer.from(bytes)),
  qos: fc.constantFrom(0, 1, 2) as fc.Arbitrary<0 | 1 | 2>,
  dup: fc.boolean(),
  retain: fc.boolean(),
  messageId: fc.integer({ min: 1, max: 65_535 }),
  properties: fc.record(
    {
      contentType: text,
      responseTopic: text,
      payloadFormatIndicator: fc.boolean(),
      messageExpiryInterval: fc.integer({ min: 1, max: 1e9 }),
      correlationData: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      userProperties: fc.dictionary(fc.string({ minLength: 1 }), text, {
        minKeys: 1,
        maxKeys: 5,
      }),
    },
    { requiredKeys: [] },
  ),
});
const chunks = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 5 });

test('reads what the codec of MQTT.js writes, however it is cut', () => {
  const version = fc.constantFrom(4, 5) as fc.Arbitrary<4 | 5>;
  fc.assert(
    fc.property(fc.array(packets, { maxLength: 5 }), chunks, version, (all, sizes, protocol) => {
      const wire = all.map((packet) => generate(publish(packet), { protocolVersion: protocol }));
      const frames = readAll(Buffer.concat(wire), sizes);
      expect(frames.map(({ bytes }) => bytes)).toEqual(wire);
      for (const [index, frame] of frames.entries()) {
        const read = decodePublish(frame, protocol);
        const { topic, payload, qos, dup, retain, messageId, properties } = all[index]!;
        expect(read).toMatchObject({ topic, qos, dup, retain, id: qos > 0 ? messageId : 0 });
        expect(read.payload.equals(payload)).toBe(true);
        if (protocol === 4) continue;
        expect(read.properties?.contentType?.toString()).toBe(properties.contentType);
        expect(read.properties?.responseTopic?.toString()).toBe(properties.responseTopic);
        expect(read.properties?.correlationData).toEqual(properties.correlationData);
        const user = read.properties?.user.map(([name, value]) => [name, value.toString()]);
        expect(user ?? []).toEqual(Object.entries(properties.userProperties ?? {}));
      }
    }),
  );
});

test('properties that reach beyond their packet are malformed', () => {
  const read = (...body: number[]) => {
    const [frame] = readAll(Buffer.from([0x30, body.length, 0, 1, 97, ...body.slice(3)]), [100]);
    return () => decodePublish(frame!, 5);
  };
  expect(read(0, 0, 0, 0, 120)).not.toThrow();
  expect(read(0, 0, 0, 9, 3, 0, 1, 120)).toThrow('cut off');
  expect(read(0, 0, 0, 4, 3, 0, 9, 120)).toThrow('cut off');
  expect(read(0, 0, 0, 2, 2, 0)).toThrow('cut off');
  expect(read(0, 0, 0, 2, 0x7f, 0)).toThrow('property 0x7f');
  expect(read(0, 0, 0, 7, 0x26, 0, 1, 0xff, 0, 1, 97)).toThrow('not UTF-8');
});

test('user properties keep their order and their repeats', () => {
  const pair = (name: string, value: string) =>
    Buffer.concat([
      Buffer.from([0x26, 0, 1]),
      Buffer.from(name),
      Buffer.from([0, value.length, ...Buffer.from(value)]),
    ]);
  const properties = Buffer.concat([pair('2', 'x'), pair('1', ''), pair('2', ''), pair('1', '')]);
  const body = Buffer.concat([Buffer.from([0, 1, 97, properties.length]), properties]);
  const [frame] = readAll(Buffer.concat([Buffer.from([0x30, body.length]), body]), [7]);
  const { user } = decodePublish(frame!, 5).properties!;
  expect(user.map(([name, value]) => name + value)).toEqual(['2x', '1', '2', '1']);
});

test('of a message that is too large the beginning is kept, and the stream goes on', () => {
  const large = generate(
    publish({ topic: 'a/b', qos: 1, messageId: 7, payload: Buffer.alloc(300_000) }),
  );
  const small = generate(publish({ payload: Buffer.from('next') }));
  for (const size of [1000, 65_536, 1 << 20]) {
    const [skipped, next] = readAll(Buffer.concat([large, small]), [size], 100_000);
    expect(skipped).toMatchObject({ type: packetType.publish, skippedBytes: large.length });
    expect(decodePublish(skipped!, 5)).toMatchObject({ topic: 'a/b', id: 7, qos: 1 });
    expect(decodePublish(next!, 4).payload.toString()).toBe('next');
  }
});

test('other packets that are too large are an error, and so is an endless length', () => {
  expect(() => readAll(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]), [5], 1000)).toThrow('limit');
  expect(() => readAll(Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff]), [5])).toThrow('four bytes');
});

test('random bytes give packets or a protocol error, never anything else', () => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
  fc.assert(
    fc.property(bytes, chunks, fc.constantFrom(3, 4, 5), (input, sizes, version) => {
      try {
        for (const frame of readAll(input, sizes, 200)) decodePublish(frame, version as 3 | 4 | 5);
      } catch (error) {
        expect((error as Error).name).toBe('MqttProtocolError');
      }
    }),
    { numRuns: 2_000 },
  );
});

test('acknowledgements are what the codec of MQTT.js reads', () => {
  const read: unknown[] = [];
  const reader = parser({ protocolVersion: 5 });
  reader.on('packet', (packet) => {
    const { cmd, messageId, reasonCode } = packet as IPubackPacket;
    read.push([cmd, messageId, reasonCode]);
  });
  reader.parse(
    encodeAcks([
      { type: packetType.puback, id: 1, code: 0 },
      { type: packetType.pubrec, id: 65_535, code: 0x90 },
      { type: packetType.pubcomp, id: 256, code: 0 },
    ]),
  );
  expect(read).toEqual([
    ['puback', 1, 0],
    ['pubrec', 65_535, 0x90],
    ['pubcomp', 256, 0],
  ]);
});
