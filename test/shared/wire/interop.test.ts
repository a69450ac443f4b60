import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { createRecordsBatch, Reader, readRecordsBatch, type Writer } from '@platformatic/kafka';
import { describe, expect, test } from 'vitest';
import { checkBatch } from '#shared/wire/batch-check.ts';
import type { Provenance, WireRecord } from '#shared/wire/record.ts';
import {
  type Compression,
  openBatch,
  readBatchHeader,
  sealBatch,
} from '#shared/wire/record-batch.ts';

/** The codec against Kafka's own (fixed bytes), kafkajs and @platformatic/kafka. */

const compressions = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
const start = 1_700_000_000_000;
const site: Provenance = {
  alias: 'factory-a',
  topic: 'sensor-data',
  epoch: '00112233445566778899aabbccddeeff',
  firstSequence: 995,
};

/** Null header values and repeated names, which kafkajs cannot hold, are left to Kafka's own. */
const records: WireRecord[] = Array.from({ length: 200 }, (_, i) => ({
  key: i % 5 === 0 ? null : Buffer.from(`sensor-${i % 7}`),
  value: i % 11 === 3 ? null : Buffer.from(`{"line":${i % 3},"temperature":${(i * 37) % 100}}`),
  headers: i % 4 ? [['unit', Buffer.from('°C')]] : [],
  timestamp: start + ((i * 7919) % 100) * 86_400_000,
}));
const maxTimestamp = Math.max(...records.map(({ timestamp }) => timestamp));

describe('org.apache.kafka:kafka-clients 4.0.0', () => {
  /** Written once by its MemoryRecordsBuilder, 40 records; magic 2, CreateTime, hexadecimal. */
  const batches: Record<Compression, string> = JSON.parse(
    readFileSync(new URL('kafka-java-batches.json', import.meta.url), 'utf8'),
  );
  const headers = (i: number): WireRecord['headers'] =>
    [
      [],
      [['unit', Buffer.from('°C')] as const],
      [['a', null] as const, ['a', Buffer.alloc(0)] as const],
      [['größe', Buffer.from('1')] as const],
    ][i % 4]!;
  const written: WireRecord[] = Array.from({ length: 40 }, (_, i) => ({
    key: i % 5 === 0 ? null : Buffer.from(`sensor-${i % 7}`),
    value:
      i % 11 === 3
        ? null
        : Buffer.from(`{"line":${i % 3},"temperature":${(i * 37) % 100},"state":"running"}`),
    headers: headers(i),
    timestamp: start + ((i * 7919) % 100) * 86_400_000 * ((i % 3) - 1),
  }));

  test.each(compressions)('its %s batch is opened, and passes central’s check', (compression) => {
    const batch = Buffer.from(batches[compression], 'hex');
    expect(readBatchHeader(batch).compression).toBe(compression);
    expect(openBatch(batch)).toEqual(written);
    expect(checkBatch(batch, { count: 40, provenance: null }).count).toBe(40);
  });

  test('without compression, what we seal are its very bytes', () => {
    expect(sealBatch(written, { compression: 'none' }).toString('hex')).toBe(batches.none);
  });
});

/** Rust's lz4 and snappy as WebAssembly, through which @platformatic/kafka compresses. */
const require = createRequire(import.meta.url);
const wasm: { [name: string]: (data: Uint8Array) => Buffer } = createRequire(
  require.resolve('@platformatic/kafka'),
)('@platformatic/wasm-utils');

describe('@platformatic/kafka', () => {
  test.each(compressions)('opens what we seal (%s)', (compression) => {
    const sealed = sealBatch(records, { compression, provenance: site });
    expect(readBatchHeader(sealed).compression).toBe(compression);
    const batch = readRecordsBatch(Reader.from(sealed));
    expect(batch).toMatchObject({
      firstOffset: 0n,
      magic: 2,
      producerId: -1n,
      lastOffsetDelta: 199,
    });
    const opened = batch.records.map((record) => ({
      key: record.key,
      value: record.value,
      headers: record.headers.map(([name, value]) => [name!.toString(), value]),
      timestamp: Number(batch.firstTimestamp + record.timestampDelta),
    }));
    expect(opened).toEqual(openBatch(sealed));
    expect(batch.records.map(({ offsetDelta }) => offsetDelta)).toEqual(records.map((_, i) => i));
  });

  test.each(compressions)('what it writes, we open (%s)', (compression) => {
    // Its writer (dynamic-buffer 0.3) loses timestamp deltas beyond 2^31 ms: stay below.
    const close = records.map((one, i) => ({ ...one, timestamp: start + (i % 7) * 86_400_000 }));
    const messages = close.map(({ key, value, headers, timestamp }) => ({
      topic: 't',
      key: key ?? undefined,
      value: value ?? undefined,
      headers: new Map(headers.map(([name, content]) => [Buffer.from(name), content!])),
      timestamp: BigInt(timestamp),
    }));
    const writer = createRecordsBatch(messages as never, { compression }) as Writer;
    const batch = Buffer.from(writer.buffer);
    expect(readBatchHeader(batch)).toMatchObject({ compression, count: 200 });
    expect(openBatch(batch)).toEqual(close);
  });
});

describe('kafkajs', () => {
  const { CompressionCodecs, CompressionTypes } = require('kafkajs');
  const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0');
  const decode = require('kafkajs/src/protocol/recordBatch/v0/decoder');
  const Decoder = require('kafkajs/src/protocol/decoder');
  const Record = require('kafkajs/src/protocol/recordBatch/record/v0');
  const types: Record<Compression, number> = {
    none: CompressionTypes.None,
    gzip: CompressionTypes.GZIP,
    snappy: CompressionTypes.Snappy,
    lz4: CompressionTypes.LZ4,
    zstd: CompressionTypes.ZSTD,
  };
  const register = (
    type: number,
    compress: (data: Buffer) => Buffer,
    decompress: (data: Buffer) => Buffer,
  ) => {
    CompressionCodecs[type] = () => ({
      compress: async (encoder: { buffer: Buffer }) => compress(encoder.buffer),
      decompress: async (data: Buffer) => decompress(data),
    });
  };
  register(types.snappy, wasm.snappyCompress!, wasm.snappyDecompress!);
  register(types.lz4, wasm.lz4Compress!, wasm.lz4Decompress!);
  register(types.zstd, zstdCompressSync, zstdDecompressSync);

  test.each(compressions)('opens what we seal (%s)', async (compression) => {
    const sealed = sealBatch(records, { compression, provenance: site });
    const batch = await decode(new Decoder(sealed));
    expect(batch).toMatchObject({ lastOffsetDelta: 199, producerId: '-1', inTransaction: false });
    const opened = batch.records.map((record: WireRecord & { headers: object }) => ({
      key: record.key,
      value: record.value,
      headers: Object.entries(record.headers),
      timestamp: Number(record.timestamp),
    }));
    expect(opened).toEqual(openBatch(sealed));
  });

  test.each(compressions)('what it writes, we open (%s)', async (compression) => {
    const encoder = await RecordBatch({
      compression: types[compression],
      firstTimestamp: start,
      maxTimestamp,
      lastOffsetDelta: records.length - 1,
      records: records.map(({ key, value, headers, timestamp }, offsetDelta) =>
        Record({
          offsetDelta,
          timestampDelta: timestamp - start,
          key,
          value,
          headers: Object.fromEntries(headers),
        }),
      ),
    });
    const batch = encoder.buffer as Buffer;
    expect(readBatchHeader(batch)).toMatchObject({ compression, count: 200, maxTimestamp });
    expect(openBatch(batch)).toEqual(records);
  });
});
