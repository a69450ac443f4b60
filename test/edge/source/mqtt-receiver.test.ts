import { generate, type IPublishPacket, type Packet, parser } from 'mqtt-packet';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DeliverError } from '#edge/deliver-error.ts';
import { Budget } from '#edge/source/mqtt-budget.ts';
import { FrameReader } from '#edge/source/mqtt-frame.ts';
import { Handover } from '#edge/source/mqtt-handover.ts';
import { mqttLimits } from '#edge/source/mqtt-limits.ts';
import { Receiver } from '#edge/source/mqtt-receiver.ts';
import { Routes } from '#edge/source/mqtt-route.ts';
import { Session } from '#edge/source/mqtt-session.ts';
import { systemClock } from '#shared/std/clock.ts';
import { eventually, quietly } from '../../contract/eventually.ts';
import { diskFull, FakeBuffer } from '../../contract/fake-buffer.ts';

const routes = new Routes([
  { filter: 'a/#', topic: 'a', key: '{1}', qos: 2 },
  { filter: 'b/#', topic: 'b', qos: 2 },
]);

let buffer: FakeBuffer;
let handover: Handover;
beforeEach(() => {
  buffer = new FakeBuffer();
  handover = new Handover(buffer, { clock: systemClock, random: () => 0.01 });
});
afterEach(() => handover.stop());

/** One connection of client "c". */
function open(options: { session?: Session; version?: 4 | 5; refuses?: boolean } = {}) {
  const { version = 4, refuses = false, session = new Session('mqtt', 'c', true) } = options;
  const sent: string[] = [];
  const budget = new Budget({ bytes: 10_000, messages: 100 });
  const reader = parser({ protocolVersion: version });
  reader.on('packet', (packet) => sent.push(words(packet)));
  const receiver = new Receiver({
    session,
    routes,
    handover,
    budget,
    clock: systemClock,
    version,
    refuses,
    send: (bytes) => reader.parse(bytes),
  });
  /** Everything as one read. */
  const read = (...packets: Packet[]) => {
    const frames = new FrameReader(mqttLimits.packetBytes, true);
    for (const packet of packets) frames.push(generate(packet, { protocolVersion: version }));
    for (let frame = frames.next(); frame; frame = frames.next()) receiver.take(frame);
    receiver.flush();
  };
  return { receiver, session, budget, sent, read };
}

function words(packet: Packet): string {
  const code = (packet as { reasonCode?: number }).reasonCode;
  return `${packet.cmd} ${packet.messageId}${code ? ` 0x${code.toString(16)}` : ''}`;
}

const message = (
  topic: string,
  qos: 0 | 1 | 2,
  messageId: number,
  payload = `${topic} ${messageId}`,
): IPublishPacket => ({
  cmd: 'publish',
  topic,
  payload,
  qos,
  messageId,
  dup: false,
  retain: false,
});
const release = (messageId: number): Packet => ({ cmd: 'pubrel', messageId });
const held = () => [...buffer.stored.keys()];

test('what one read brought goes as one delivery per topic, and each is acknowledged in order', async () => {
  const { read, sent } = open();
  read(message('a/x', 1, 1), message('b/x', 2, 2), message('a/y', 1, 3), message('a/z', 0, 0));
  await eventually(() => expect(sent).toEqual(['puback 1', 'pubrec 2', 'puback 3']));
  expect(buffer.deliveries.map(({ topic, records }) => [topic, records.length])).toEqual([
    ['a', 3],
    ['b', 1],
  ]);
  expect(buffer.values('a')).toEqual(['a/x 1', 'a/y 3', 'a/z 0']);
});

test('any number of reads may be outstanding, and acknowledgements keep the order of arrival', async () => {
  const { read, sent } = open();
  const gates: (() => void)[] = [];
  const { deliver } = buffer;
  buffer.deliver = async (delivery) => {
    await new Promise<void>((resolve) => gates.push(resolve));
    return deliver.call(buffer, delivery);
  };
  for (let id = 1; id <= 3; id += 1) read(message('a/x', id === 2 ? 2 : 1, id));
  expect(gates).toHaveLength(3);
  gates[2]!();
  gates[1]!();
  await quietly();
  expect(sent).toEqual([]);
  gates[0]!();
  await eventually(() => expect(sent).toEqual(['puback 1', 'pubrec 2', 'puback 3']));
});

describe('QoS 2', () => {
  test('the packet id is stored with the record, and its release before PUBCOMP', async () => {
    const { read, sent, session } = open();
    read(message('a/x', 2, 7));
    await eventually(() => expect(sent).toEqual(['pubrec 7']));
    expect(buffer.deliveries[0]!.positions?.set?.has('mqtt/qos2/c/7')).toBe(true);
    buffer.hold();
    read(release(7));
    await quietly();
    expect(sent).toEqual(['pubrec 7']);
    buffer.release();
    await eventually(() => expect(sent).toEqual(['pubrec 7', 'pubcomp 7']));
    expect(held()).toEqual([]);
    expect(session.unreleased.size).toBe(0);
  });

  test('a repeat is answered when the first is durable, and not appended again', async () => {
    const first = open();
    buffer.hold();
    first.read(message('a/x', 2, 7));
    const second = open({ session: first.session });
    second.read({ ...message('a/x', 2, 7), dup: true });
    await quietly();
    expect(second.sent).toEqual([]);
    buffer.release();
    await eventually(() => expect(second.sent).toEqual(['pubrec 7']));
    second.read({ ...message('a/x', 2, 7), dup: true }, release(7));
    await eventually(() => expect(second.sent).toEqual(['pubrec 7', 'pubrec 7', 'pubcomp 7']));
    expect(buffer.values()).toEqual(['a/x 7']);
  });

  test('a repeat is known after a restart, with or without its DUP flag', async () => {
    open().read(message('a/x', 2, 7));
    await buffer.until(() => buffer.records.length === 1);
    const session = new Session('mqtt', 'c', true);
    session.restore(await buffer.positions('mqtt/'));
    const { read, sent } = open({ session });
    read(message('a/x', 2, 7), { ...message('a/x', 2, 7), dup: true });
    await eventually(() => expect(sent).toEqual(['pubrec 7', 'pubrec 7']));
    expect(buffer.values()).toEqual(['a/x 7']);
  });

  test('another message under an id that was never released is not swallowed', async () => {
    const { read, sent } = open();
    read(message('a/x', 2, 1, 'before the device lost its memory'));
    read(message('a/x', 2, 1, 'after'));
    await eventually(() => expect(sent).toEqual(['pubrec 1', 'pubrec 1']));
    read(message('a/x', 2, 1, 'after'), release(1));
    await eventually(() => expect(sent.at(-1)).toBe('pubcomp 1'));
    expect(buffer.values()).toEqual(['before the device lost its memory', 'after']);
    expect(held()).toEqual([]);
  });

  test('an id that is released and used again in one read is held again', async () => {
    const { read, sent } = open();
    read(message('a/x', 2, 1, 'one'));
    read(release(1), message('a/x', 2, 1, 'two'));
    await eventually(() => expect(sent).toEqual(['pubrec 1', 'pubcomp 1', 'pubrec 1']));
    expect(held()).toEqual(['mqtt/qos2/c/1']);
    read(release(1));
    await eventually(() => expect(held()).toEqual([]));
  });

  test('the release of an id that is not held is answered too', async () => {
    const { read, sent } = open({ version: 5 });
    read(release(9));
    await eventually(() => expect(sent).toEqual(['pubcomp 9 0x92']));
  });

  test('a release waits for the record that it releases', async () => {
    const first = open();
    buffer.hold();
    first.read(message('a/x', 2, 7));
    const second = open({ session: first.session });
    buffer.rejects = ({ records }) => (records.length > 0 ? diskFull() : undefined);
    second.read(release(7));
    buffer.release();
    await buffer.until(() => buffer.attempts > 3);
    expect(second.sent).toEqual([]);
    buffer.rejects = () => undefined;
    await eventually(() => expect(second.sent).toEqual(['pubcomp 7']));
    // Released while its record was being handed over again: no id is left behind.
    expect(held()).toEqual([]);
    expect(buffer.values()).toEqual(['a/x 7']);
  });

  test('ids of a session that ends with its connection are not stored', async () => {
    const { read, sent } = open({ session: new Session('mqtt', 'c', false) });
    read(message('a/x', 2, 7));
    read({ ...message('a/x', 2, 7), dup: true }, release(7));
    await eventually(() => expect(sent).toEqual(['pubrec 7', 'pubrec 7', 'pubcomp 7']));
    expect(buffer.records).toHaveLength(1);
    expect(buffer.deliveries.every(({ positions }) => positions === undefined)).toBe(true);
  });
});

describe('what the buffer rejects', () => {
  test('is handed over again, in order, and not acknowledged meanwhile', async () => {
    const { read, sent } = open();
    let rejections = 3;
    buffer.rejects = () => (rejections-- > 0 ? diskFull() : undefined);
    read(message('a/x', 1, 1));
    read(message('a/x', 2, 2));
    read(message('b/x', 1, 3));
    await buffer.until(() => buffer.attempts === 3 && buffer.outstanding === 0);
    expect(sent).toEqual([]);
    expect(handover.trouble).toContain('the disk is full');
    read(message('a/x', 1, 4));
    await eventually(() => expect(sent).toEqual(['puback 1', 'pubrec 2', 'puback 3', 'puback 4']));
    expect(buffer.values()).toEqual(['a/x 1', 'a/x 2', 'b/x 3', 'a/x 4']);
    expect(handover.trouble).toBe('');
    expect(handover.accepted).toBe(4);
  });

  test('for good is declared lost and acknowledged, each message for itself', async () => {
    const { read, sent } = open();
    buffer.rejects = ({ topic, records }) =>
      topic === 'a' && records.some(({ key }) => key?.toString() === 'bad')
        ? new DeliverError('too-many-streams', 'no more streams')
        : undefined;
    read(message('a/x', 1, 1), message('a/bad', 2, 2), message('a/y', 1, 3));
    await eventually(() => expect(sent).toEqual(['puback 1', 'pubrec 2', 'puback 3']));
    expect(buffer.values()).toEqual(['a/x 1', 'a/y 3']);
    const detail = 'for topic "a": no more streams';
    expect(buffer.losses).toEqual([{ topic: 'mqtt.unrouted', records: 1, detail }]);
  });

  test('goes to the ledger of a topic that exists where there is room for no other', async () => {
    const { read, sent } = open();
    read(message('a/x', 1, 1));
    await eventually(() => expect(sent).toHaveLength(1));
    buffer.rejects = ({ topic }) =>
      topic === 'a' ? undefined : new DeliverError('too-many-streams', 'no more streams');
    read(message('b/x', 1, 2), message('c/x', 1, 3));
    await eventually(() => expect(sent).toEqual(['puback 1', 'puback 2', 'puback 3']));
    expect(buffer.losses.map(({ topic, records }) => [topic, records]).toSorted()).toEqual([
      ['a', 1],
      ['a', 1],
    ]);
  });

  test('is told to a publisher that understands, and is no loss then', async () => {
    const { read, sent, session } = open({ version: 5, refuses: true });
    buffer.rejects = ({ topic }) =>
      topic === 'b' ? new DeliverError('bad-topic', 'no such topic') : undefined;
    read(message('b/x', 2, 1), message('c/x', 1, 2), message('c/x', 2, 3), message('a/x', 1, 4));
    await eventually(() =>
      expect(sent).toEqual(['pubrec 1 0x90', 'puback 2 0x90', 'pubrec 3 0x90', 'puback 4']),
    );
    expect(session.unreleased.size).toBe(0);
    expect(buffer.losses).toEqual([]);
    // Nobody can be told of QoS 0.
    read(message('c/x', 0, 0));
    await buffer.until(() => buffer.losses.length === 1);
  });

  test('because it closes is never acknowledged', async () => {
    const { read, sent, receiver } = open();
    buffer.rejects = () => new DeliverError('closed', 'closing');
    read(message('a/x', 1, 1));
    await receiver.idle();
    expect(handover.trouble).toContain('closing');
    buffer.rejects = () => undefined;
    read(message('a/x', 1, 2));
    await receiver.idle();
    expect(sent).toEqual([]);
    expect(buffer.losses).toEqual([]);
  });
});

test('messages that no route takes are acknowledged when their loss is declared', async () => {
  const { read, sent } = open();
  buffer.hold();
  read(message('c/x', 1, 1), message('c/y', 2, 2), message('c/z', 0, 0));
  await quietly();
  expect(sent).toEqual([]);
  buffer.release();
  await eventually(() => expect(sent).toEqual(['puback 1', 'pubrec 2']));
  const detail = 'no route takes MQTT topic "c/x" (the first of 3)';
  expect(buffer.losses).toEqual([{ topic: 'mqtt.unrouted', records: 3, detail }]);
  // Held like any other, so that a repeat is not declared again.
  read({ ...message('c/y', 2, 2), dup: true }, release(2));
  await eventually(() => expect(sent.slice(2)).toEqual(['pubrec 2', 'pubcomp 2']));
  expect(buffer.losses).toHaveLength(1);
});

test('a message too large to be held is declared lost in its topic, and acknowledged', async () => {
  const { read, sent } = open();
  read(message('a/x', 1, 1, 'x'.repeat(2_000_000)), message('a/x', 1, 2));
  await eventually(() => expect(sent).toEqual(['puback 1', 'puback 2']));
  expect(buffer.losses).toMatchObject([{ topic: 'a', records: 1 }]);
  expect(buffer.losses[0]!.detail).toMatch(/^skipped, 20000\d\d bytes; the limit is /);
  expect(buffer.values()).toEqual(['a/x 2']);
});

test('what is outstanding is bounded, and there is room again when it is durable', async () => {
  const { read, budget } = open();
  let room = false;
  buffer.hold();
  read(...Array.from({ length: 99 }, (_, index) => message('a/x', 1, index + 1)));
  expect(budget.full).toBe(false);
  read(message('a/x', 1, 100));
  expect(budget.full).toBe(true);
  budget.whenRoom(() => {
    room = true;
  });
  await quietly();
  expect(room).toBe(false);
  buffer.release();
  await eventually(() => expect(room).toBe(true));
  buffer.hold();
  read(message('a/x', 1, 1, 'x'.repeat(10_000)));
  expect(budget.full).toBe(true);
});
