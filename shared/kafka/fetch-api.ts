import type { Api } from './api.ts';
import { brokerError } from './error-codes.ts';
import type { Isolation } from './kafka.ts';
import type { ProtocolReader } from './protocol-reader.ts';
import type { ProtocolWriter } from './protocol-writer.ts';
import type { AbortedTransaction } from './record-set.ts';

export interface FetchRequest {
  maxWaitMs: number;
  minBytes: number;
  maxBytes: number;
  isolation: Isolation;
  topics: readonly FetchTopic[];
}

export interface FetchTopic {
  topic: string;
  /** 32 hexadecimal digits: the topic is asked for by its id, so that another life of it is not. */
  id: string | undefined;
  partitions: readonly { partition: number; offset: number; maxBytes: number }[];
}

export interface FetchAnswer {
  partitions: FetchAnswerPartition[];
}

export interface FetchAnswerPartition {
  /** The topic's name, or its id where it was asked for so. */
  topic: string;
  partition: number;
  /** Kafka's; 0 is none. */
  errorCode: number;
  highWatermark: number;
  lastStableOffset: number;
  logStartOffset: number;
  aborted: AbortedTransaction[];
  records: Buffer;
}

/** From this version on topics go by id (KIP-516, Kafka 3.1). */
export const fetchByIdVersion = 13;

/**
 * Fetch (FetchRequest.json, FetchResponse.json in Kafka's sources), without a fetch session and as
 * no replica. 11 is in every broker since 2.3; 12 is the first flexible one.
 *
 *   request  := replicaId i32 · maxWaitMs i32 · minBytes i32 · maxBytes i32 · isolation i8
 *               · sessionId i32 · sessionEpoch i32 · [ topic | id · [ partition i32
 *               · leaderEpoch i32 · offset i64 · (12: lastFetchedEpoch i32) · logStart i64
 *               · maxBytes i32 ] ] · [ forgotten ] · rack
 *   response := throttleMs i32 · error i16 · sessionId i32 · [ topic | id · [ partition i32
 *               · error i16 · highWatermark i64 · lastStable i64 · logStart i64
 *               · [ producerId i64 · firstOffset i64 ] · preferredReplica i32 · records bytes ] ]
 */
export function fetchApi(request: FetchRequest): Api<FetchAnswer> {
  const byId = request.topics.every(({ id }) => id !== undefined);
  return {
    key: 1,
    name: 'Fetch',
    versions: [11, byId ? fetchByIdVersion : 12],
    flexibleFrom: 12,
    encode: (writer, version) => writeRequest(request, writer, version),
    decode: (reader, version) => readAnswer(reader, version),
  };
}

function writeRequest(request: FetchRequest, writer: ProtocolWriter, version: number): void {
  writer.int32(-1);
  writer.int32(request.maxWaitMs);
  writer.int32(request.minBytes);
  writer.int32(request.maxBytes);
  writer.int8(request.isolation === 'committed' ? 1 : 0);
  writer.int32(0);
  writer.int32(-1);
  writer.array(request.topics, (topic) => {
    if (version >= fetchByIdVersion) writer.uuid(topic.id!);
    else writer.string(topic.topic);
    writer.array(topic.partitions, ({ partition, offset, maxBytes }) => {
      writer.int32(partition);
      writer.int32(-1);
      writer.int64(offset);
      if (version >= 12) writer.int32(-1);
      writer.int64(-1);
      writer.int32(maxBytes);
      writer.tags();
    });
    writer.tags();
  });
  writer.array([], () => undefined);
  writer.string('');
  writer.tags();
}

function readAnswer(reader: ProtocolReader, version: number): FetchAnswer {
  reader.int32();
  const error = reader.int16();
  if (error !== 0) throw brokerError(error, 'fetching');
  reader.int32();
  const partitions = reader.array(() => {
    const topic = version >= fetchByIdVersion ? reader.uuid() : reader.string();
    const answered = reader.array(() => readPartition(reader, topic));
    reader.tags();
    return answered;
  });
  reader.tags();
  return { partitions: partitions.flat() };
}

function readPartition(reader: ProtocolReader, topic: string): FetchAnswerPartition {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.int64();
  const lastStableOffset = reader.int64();
  const logStartOffset = reader.int64();
  const aborted = reader.array(() => {
    const transaction = { producerId: reader.bigint64(), firstOffset: reader.int64() };
    reader.tags();
    return transaction;
  });
  // the replica that a rack would rather read from: we name no rack
  reader.int32();
  const records = reader.blob();
  reader.tags();
  return {
    topic,
    partition,
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    aborted,
    records,
  };
}
