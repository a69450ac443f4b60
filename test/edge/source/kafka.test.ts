import { afterEach, expect, test } from 'vitest';
import type { KafkaSource } from '#edge/source/kafka.ts';
import type { KafkaSettings } from '#edge/source/kafka-settings.ts';
import { KafkaError } from '#shared/kafka/kafka.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import { eventually, quietly } from '../../contract/eventually.ts';
import { diskFull, FakeBuffer } from '../../contract/fake-buffer.ts';
import { FakeKafka } from '../../shared/kafka/fake-kafka.ts';
import { compactedBatch, textRecord } from '../../shared/kafka/log-batches.ts';
import { batchOf, openOver } from './kafka-world.ts';

const sources: KafkaSource[] = [];
afterEach(async () => {
  await Promise.all(sources.splice(0).map((one) => one.stop()));
});

async function begin(
  kafka: FakeKafka,
  more: Partial<KafkaSettings> = {},
  buffer = new FakeBuffer(),
) {
  const source = openOver(kafka, buffer, more);
  sources.push(source);
  await source.start();
  return { source, buffer };
}

function kafkaWith(topic: string, partitions = 1): FakeKafka {
  const kafka = new FakeKafka();
  kafka.create(topic, partitions);
  return kafka;
}

const nextOf = (source: KafkaSource, topic: string) =>
  Object.fromEntries(
    (source.cluster()?.positions() ?? [])
      .filter((one) => one.topic === topic)
      .map(({ partition, next }) => [partition, next]),
  );

const settled = (source: KafkaSource, topic: string, next: { [partition: number]: number }) =>
  eventually(() => expect(nextOf(source, topic)).toEqual(next));

test('records keep all that they are, and where they stood', async () => {
  const kafka = kafkaWith('t', 2);
  const record: WireRecord = {
    key: Buffer.from([0, 255]),
    value: null,
    headers: [
      ['b', Buffer.from('1')],
      ['a', null],
      ['b', Buffer.from('1')],
      ['', Buffer.alloc(0)],
    ],
    timestamp: 12_345,
  };
  kafka.append('t', 1, batchOf('first', record));
  const { source, buffer } = await begin(kafka);
  await settled(source, 't', { 0: 0, 1: 2 });
  const taken = buffer.deliveries.find(({ records }) => records.length > 0)!;
  expect(taken).toMatchObject({
    topic: 't',
    partitions: 2,
    incarnation: kafka.topics.get('t')!.id,
  });
  expect(taken.records).toEqual([
    { ...textRecord('first'), partition: 1, sourceOffset: 0 },
    { ...record, partition: 1, sourceOffset: 1 },
  ]);
});

test('goes on behind what is on disk, whatever was under way', async () => {
  const kafka = kafkaWith('t', 3);
  const buffer = new FakeBuffer();
  const sent: string[] = [];
  for (let run = 0; run < 4; run++) {
    for (let i = 0; i < 30; i++) {
      kafka.append('t', i % 3, batchOf(`${run}-${i}`, `${run}-${i}+`));
      sent.push(`${run}-${i}`, `${run}-${i}+`);
    }
    const { source } = await begin(kafka, {}, buffer);
    await buffer.until(() => buffer.records.length >= sent.length - 40);
    await source.stop();
  }
  const { source } = await begin(kafka, {}, buffer);
  await settled(source, 't', { 0: 80, 1: 80, 2: 80 });
  expect(buffer.values().toSorted()).toEqual(sent.toSorted());
});

test('what is stopped or refused is asked for again, and comes once', async () => {
  const kafka = kafkaWith('t', 2);
  const { buffer, source } = await begin(kafka);
  let refusals = 5;
  buffer.rejects = ({ records }) => (records.length > 0 && refusals-- > 0 ? diskFull() : undefined);
  for (let i = 0; i < 20; i++) kafka.append('t', i % 2, batchOf(`${i}`));
  await settled(source, 't', { 0: 10, 1: 10 });
  expect(buffer.values().toSorted()).toEqual(
    Array.from({ length: 20 }, (_, i) => `${i}`).toSorted(),
  );
});

test('a full buffer holds up its topic alone, says so, and is asked by one partition', async () => {
  const kafka = kafkaWith('full', 20);
  kafka.create('other');
  const { buffer, source } = await begin(kafka);
  let isFull = true;
  buffer.rejects = ({ topic, records }) =>
    isFull && topic === 'full' && records.length > 0 ? diskFull() : undefined;
  for (let i = 0; i < 20; i++) kafka.append('full', i, batchOf(`${i}`));
  await eventually(() => expect(source.state().detail).toContain('the disk is full'));
  expect(source.state().state).toBe('degraded');
  kafka.append('other', 0, batchOf('flows'));
  await buffer.until(() => buffer.values('other').length === 1);
  isFull = false;
  await buffer.until(() => buffer.values('full').length === 20);
  await eventually(() => expect(source.state().state).toBe('running'));
});

test('topics and partitions that come to be are found, from their beginning', async () => {
  const kafka = kafkaWith('t');
  const { source, buffer } = await begin(kafka, { start: 'latest' });
  await settled(source, 't', { 0: 0 });
  kafka.create('later', 2);
  kafka.append('later', 1, batchOf('a', 'b'));
  kafka.grow('t', 2);
  kafka.append('t', 1, batchOf('c'));
  await buffer.until(() => buffer.records.length === 3);
  expect(buffer.values().toSorted()).toEqual(['a', 'b', 'c']);
  expect(buffer.deliveries.at(-1)!.partitions).toBe(2);
  expect(
    source
      .cluster()!
      .topics()
      .map(({ topic, partitions }) => [topic, partitions]),
  ).toEqual([
    ['t', 2],
    ['later', 2],
  ]);
});

test('"latest" is the end at the first look, and stays so over restarts', async () => {
  const kafka = kafkaWith('t');
  kafka.append('t', 0, batchOf('old'));
  const first = await begin(kafka, { start: 'latest' });
  await settled(first.source, 't', { 0: 1 });
  await first.source.stop();
  kafka.append('t', 0, batchOf('while we were away'));
  kafka.create('new');
  kafka.append('new', 0, batchOf('new'));
  const { buffer } = await begin(kafka, { start: 'latest' }, first.buffer);
  await buffer.until(() => buffer.records.length === 2);
  expect(buffer.values().toSorted()).toEqual(['new', 'while we were away']);
});

test('start offsets say where to begin, once', async () => {
  const kafka = kafkaWith('t', 2);
  for (const partition of [0, 1]) kafka.append('t', partition, batchOf('a', 'b', 'c'));
  const startOffsets = [{ topic: 't', partition: 1, next: 2 }];
  const { buffer, source } = await begin(kafka, { startOffsets });
  await settled(source, 't', { 0: 3, 1: 3 });
  await source.stop();
  await begin(kafka, { startOffsets: [{ topic: 't', partition: 1, next: 0 }] }, buffer);
  await quietly();
  expect(buffer.values()).toEqual(['a', 'b', 'c', 'c']);
});

test('what retention took before we came is declared lost, and the rest is read', async () => {
  const kafka = kafkaWith('t');
  kafka.append('t', 0, batchOf('a'));
  const first = await begin(kafka);
  await settled(first.source, 't', { 0: 1 });
  await first.source.stop();
  kafka.append('t', 0, batchOf('b', 'c', 'd'));
  kafka.append('t', 0, batchOf('e'));
  kafka.trim('t', 0, 4);
  const { buffer, source } = await begin(kafka, {}, first.buffer);
  await settled(source, 't', { 0: 5 });
  expect(buffer.values()).toEqual(['a', 'e']);
  expect(buffer.losses).toEqual([
    { topic: 't', records: 3, partition: 0, detail: expect.stringContaining('offsets 1 to 3') },
  ]);
});

/** As central tells a buffer that was put back, or is new. */
function landedBefore(kafka: FakeKafka, buffer: FakeBuffer, next: number): void {
  buffer.landedBefore.set(`t/0/${kafka.topics.get('t')!.id}`, next);
}

test('what another buffer of the site has landed is passed, wherever its own position stands', async () => {
  const kafka = kafkaWith('t');
  kafka.append('t', 0, batchOf('a'));
  const first = await begin(kafka);
  await settled(first.source, 't', { 0: 1 });
  kafka.append('t', 0, batchOf('b', 'c', 'd'));
  landedBefore(kafka, first.buffer, 3);
  await settled(first.source, 't', { 0: 4 });
  expect(first.buffer.values()).toEqual(['a', 'd']);
  kafka.append('t', 0, batchOf('e'));
  await settled(first.source, 't', { 0: 5 });
  expect(first.buffer.values()).toEqual(['a', 'd', 'e']);
});

test('… is no loss where retention took it, and what is behind it is one', async () => {
  const kafka = kafkaWith('t');
  kafka.append('t', 0, batchOf('a'));
  const first = await begin(kafka);
  await settled(first.source, 't', { 0: 1 });
  await first.source.stop();
  kafka.append('t', 0, batchOf('b', 'c', 'd', 'e'));
  kafka.append('t', 0, batchOf('f'));
  kafka.trim('t', 0, 5);
  landedBefore(kafka, first.buffer, 3);
  const { buffer, source } = await begin(kafka, {}, first.buffer);
  await settled(source, 't', { 0: 6 });
  expect(buffer.values()).toEqual(['a', 'f']);
  expect(buffer.losses).toMatchObject([{ records: 2, detail: expect.stringContaining('3 to 4') }]);
});

test.each(['earliest', 'latest'] as const)(
  'a new buffer begins where the one before it had landed, without a gap: start %s',
  async (start) => {
    const kafka = kafkaWith('t', 2);
    kafka.append('t', 0, batchOf('a', 'b', 'c', 'd', 'e'));
    kafka.append('t', 1, batchOf('x', 'y'));
    const fresh = new FakeBuffer();
    landedBefore(kafka, fresh, 3);
    const { buffer, source } = await begin(kafka, { start }, fresh);
    await settled(source, 't', { 0: 5, 1: 2 });
    // Of partition 1 nothing had landed: there it begins as the setting says.
    const rest = start === 'latest' ? [] : ['x', 'y'];
    expect(buffer.values().sort()).toEqual(['d', 'e', ...rest]);
  },
);

test('what is written where a log was cut back is new, though its offsets had landed', async () => {
  const kafka = kafkaWith('t');
  for (const value of ['a', 'b', 'c']) kafka.append('t', 0, batchOf(value));
  const { buffer, source } = await begin(kafka);
  await settled(source, 't', { 0: 3 });
  landedBefore(kafka, buffer, 3);
  kafka.cutBack('t', 0, 1);
  await settled(source, 't', { 0: 1 });
  expect(source.state().detail).toContain('t/0 was cut back from 3 to 1');
  kafka.append('t', 0, batchOf('x', 'y', 'z'));
  await settled(source, 't', { 0: 4 });
  expect(buffer.values()).toEqual(['a', 'b', 'c', 'x', 'y', 'z']);
});

test('what is written where a log was cut back is read, though the buffer refused the place at first', async () => {
  const kafka = kafkaWith('t');
  kafka.append('t', 0, batchOf('a', 'b'));
  for (const value of ['c', 'd']) kafka.append('t', 0, batchOf(value));
  const { buffer, source } = await begin(kafka);
  await settled(source, 't', { 0: 4 });
  let refused = 0;
  buffer.rejects = ({ cutBack }) => (cutBack && ++refused ? diskFull() : undefined);
  kafka.cutBack('t', 0, 2);
  await eventually(() => expect(refused).toBeGreaterThan(0));
  buffer.rejects = () => undefined;
  await settled(source, 't', { 0: 2 });
  for (const value of ['x', 'y', 'z']) kafka.append('t', 0, batchOf(value));
  await settled(source, 't', { 0: 5 });
  expect(buffer.values()).toEqual(['a', 'b', 'c', 'd', 'x', 'y', 'z']);
});

test('a topic created anew is another life: read from its beginning, old positions void', async () => {
  const kafka = kafkaWith('t', 2);
  for (const partition of [0, 1]) kafka.append('t', partition, batchOf('a', 'b', 'c'));
  const { buffer, source } = await begin(kafka);
  await settled(source, 't', { 0: 3, 1: 3 });
  kafka.delete('t');
  kafka.create('t', 1);
  const { id } = kafka.topics.get('t')!;
  kafka.append('t', 0, batchOf('x', 'y'));
  await settled(source, 't', { 0: 2 });
  expect(buffer.deliveries.at(-1)).toMatchObject({ incarnation: id, records: [{}, {}] });
  expect(buffer.deliveries.at(-1)!.records[0]!.sourceOffset).toBe(0);
  expect([...buffer.stored.keys()].filter((key) => key.includes('/at/'))).toEqual(['kafka/at/t/0']);
  expect(source.state().detail).toContain('t was deleted and created anew');
  await source.stop();
  const { source: again } = await begin(kafka, {}, buffer);
  await settled(again, 't', { 0: 2 });
  expect(buffer.values().slice(6)).toEqual(['x', 'y']);
});

test('… seen after a restart too, where offsets alone would not show it', async () => {
  const kafka = kafkaWith('t');
  kafka.append('t', 0, batchOf('a'));
  const first = await begin(kafka);
  await settled(first.source, 't', { 0: 1 });
  await first.source.stop();
  kafka.delete('t');
  kafka.create('t');
  kafka.append('t', 0, batchOf('x', 'y', 'z'));
  const { buffer, source } = await begin(kafka, {}, first.buffer);
  await settled(source, 't', { 0: 3 });
  expect(buffer.values()).toEqual(['a', 'x', 'y', 'z']);
});

test('what was seen of a life that is over, and not read, is declared lost', async () => {
  const kafka = kafkaWith('t');
  const { buffer, source } = await begin(kafka);
  await settled(source, 't', { 0: 0 });
  buffer.rejects = ({ records }) => (records.length > 0 ? diskFull() : undefined);
  kafka.append('t', 0, batchOf('a', 'b'));
  await eventually(() => expect(source.state().detail).toContain('2 records behind'));
  kafka.delete('t');
  kafka.create('t');
  await eventually(() => expect(buffer.losses).toHaveLength(1));
  const detail = 'the topic was deleted with offsets unread (partition 0: 0 to 1)';
  expect(buffer.losses).toEqual([{ topic: 't', partition: 0, records: 2, detail }]);
});

test('what of that life is under way is taken, and not lost', async () => {
  const kafka = kafkaWith('t');
  const { buffer, source } = await begin(kafka);
  await settled(source, 't', { 0: 0 });
  buffer.hold();
  kafka.append('t', 0, batchOf('a', 'b'));
  await buffer.until(() => buffer.offered === 2);
  kafka.delete('t');
  kafka.create('t');
  kafka.append('t', 0, batchOf('x'));
  await quietly();
  buffer.release();
  await settled(source, 't', { 0: 1 });
  expect(buffer.values()).toEqual(['a', 'b', 'x']);
  expect(buffer.losses).toEqual([]);
});

test('"halt" stops at a topic created anew, until the setting says to go on', async () => {
  const kafka = kafkaWith('t');
  kafka.create('other');
  kafka.append('t', 0, batchOf('a'));
  const { buffer, source } = await begin(kafka, { onRecreate: 'halt' });
  await settled(source, 't', { 0: 1 });
  kafka.delete('t');
  kafka.create('t');
  kafka.append('t', 0, batchOf('x'));
  await eventually(() => expect(source.state().detail).toContain('on_recreate = "append"'));
  expect(source.state().state).toBe('degraded');
  kafka.append('other', 0, batchOf('flows'));
  await buffer.until(() => buffer.values('other').length === 1);
  expect(buffer.values('t')).toEqual(['a']);
  await source.stop();
  const { source: again } = await begin(kafka, { onRecreate: 'append' }, buffer);
  await settled(again, 't', { 0: 1 });
  expect(buffer.values('t')).toEqual(['a', 'x']);
  await again.stop();
  const { source: halted } = await begin(kafka, { onRecreate: 'halt' }, buffer);
  kafka.append('t', 0, batchOf('y'));
  await settled(halted, 't', { 0: 2 });
});

test('a partition that fails is paused alone, with its reason, and goes on by itself', async () => {
  const kafka = kafkaWith('t', 2);
  const { buffer, source } = await begin(kafka);
  kafka.fail('t', 1, new KafkaError('denied', 'not for you', { kafkaCode: 'X' }));
  for (const partition of [0, 1]) kafka.append('t', partition, batchOf(`of ${partition}`));
  await buffer.until(() => buffer.values().includes('of 0'));
  await eventually(() => expect(source.state().detail).toContain('paused: t/1 not for you'));
  kafka.fail('t', 1, undefined);
  await buffer.until(() => buffer.values().includes('of 1'));
  await eventually(() => expect(source.state().state).toBe('running'));
});

test('compacted logs and transactions leave holes, which the position passes', async () => {
  const kafka = kafkaWith('t');
  const record = textRecord('left');
  const batch = compactedBatch({
    ...{ baseOffset: 0, lastOffsetDelta: 9, compression: 'zstd' },
    records: [
      { offsetDelta: 2, record },
      { offsetDelta: 7, record },
    ],
  });
  kafka.append('t', 0, batch);
  const { buffer, source } = await begin(kafka);
  await settled(source, 't', { 0: 10 });
  expect(buffer.records.map(({ sourceOffset }) => sourceOffset)).toEqual([2, 7]);
  kafka.skip('t', 0, 2);
  await settled(source, 't', { 0: 12 });
  // No record carries that position; it is kept all the same.
  await eventually(() => {
    expect(JSON.parse(String(buffer.stored.get('kafka/at/t/0')))).toMatchObject({ next: 12 });
  });
});

test('what came from here is not sent again: by its name, and by its provenance', async () => {
  const kafka = kafkaWith('t');
  kafka.create('central.orders');
  kafka.create('heartbeats');
  kafka.create('mm2-offset-syncs.x.internal');
  kafka.append('central.orders', 0, batchOf('looped'));
  const from = (alias: string): WireRecord => ({
    ...textRecord(`of ${alias}`),
    headers: [['tributary.alias', Buffer.from(alias)]],
  });
  const records = [textRecord('a'), from('factory-a'), textRecord('b'), from('factory-b')];
  const numbered = records.map((record, offsetDelta) => ({ record, offsetDelta }));
  kafka.append('t', 0, compactedBatch({ baseOffset: 0, lastOffsetDelta: 3, records: numbered }));
  const { buffer, source } = await begin(kafka);
  await settled(source, 't', { 0: 4 });
  expect(buffer.values()).toEqual(['a', 'b', 'of factory-b']);
  const { detail, state } = source.state();
  expect(state).toBe('running');
  expect(detail).toContain('left out: central.orders came from central or factory-a');
  expect(detail).toContain('1 records of our own not taken again');
});

test('a batch that nobody can read is a declared loss, and the partition goes on', async () => {
  const kafka = kafkaWith('t');
  const bad = batchOf('x', 'y');
  bad.writeInt32BE(7, 57);
  kafka.append('t', 0, batchOf('a'));
  kafka.append('t', 0, bad);
  kafka.append('t', 0, batchOf('b'));
  const { buffer } = await begin(kafka);
  await buffer.until(() => buffer.values().includes('b'));
  expect(buffer.values()).toEqual(['a', 'x', 'y', 'b']);
  expect(buffer.losses).toMatchObject([{ topic: 't', partition: 0 }]);
});
