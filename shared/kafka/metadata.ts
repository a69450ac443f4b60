import type { Api } from './api.ts';
import { brokerError } from './error-codes.ts';
import type { Broker, PartitionInfo, TopicInfo } from './kafka.ts';
import type { ProtocolReader } from './protocol-reader.ts';

export interface Metadata {
  brokers: Broker[];
  clusterId: string;
  controller: number;
  topics: TopicMetadata[];
}

export interface TopicMetadata extends TopicInfo {
  /** Kafka's code of the whole topic; 0 where it is there. */
  error: number;
}

const noId = '0'.repeat(32);

/**
 * What the cluster looks like to one broker; `null`: all topics. Never creates any.
 *
 *   request  := [name] · allowAutoTopicCreation bool · v8-10 clusterOperations bool
 *               · v8+ topicOperations bool;   name := v10+ topicId uuid · name string
 *   response := throttle i32 · [nodeId i32 · host · port i32 · rack?] · clusterId? · controller i32
 *               · [error i16 · name · v10+ topicId · internal bool · [partition]
 *                 · v8+ operations i32]
 *               · v8-10 clusterOperations i32 · v13+ error i16
 *   partition := error i16 · index i32 · leader i32 · v7+ leaderEpoch i32 · [replica] · [isr]
 *               · v5+ [offline]
 */
export const metadata = (topics: readonly string[] | null): Api<Metadata> => ({
  key: 3,
  name: 'Metadata',
  versions: [4, 13],
  flexibleFrom: 9,
  encode: (writer, version) => {
    writer.array(topics, (name) => {
      if (version >= 10) writer.uuid(noId);
      writer.string(name);
      writer.tags();
    });
    writer.boolean(false);
    if (version >= 8 && version <= 10) writer.boolean(false);
    if (version >= 8) writer.boolean(false);
    writer.tags();
  },
  decode: (reader, version) => {
    reader.int32();
    const brokers = reader.array(() => readBroker(reader));
    const clusterId = reader.nullableString() ?? '';
    const controller = reader.int32();
    const found = reader.array(() => readTopic(reader, version));
    if (version >= 8 && version <= 10) reader.int32();
    const code = version >= 13 ? reader.int16() : 0;
    if (code !== 0) throw brokerError(code, 'reading metadata');
    return { brokers, clusterId, controller, topics: found };
  },
});

function readBroker(reader: ProtocolReader): Broker {
  const broker = { id: reader.int32(), host: reader.string(), port: reader.int32() };
  reader.nullableString();
  reader.tags();
  return broker;
}

function readTopic(reader: ProtocolReader, version: number): TopicMetadata {
  const error = reader.int16();
  const topic = reader.nullableString() ?? '';
  const id = version >= 10 ? reader.uuid() : noId;
  const internal = reader.boolean();
  const partitions = reader.array(() => readPartition(reader, version));
  if (version >= 8) reader.int32();
  reader.tags();
  partitions.sort((a, b) => a.partition - b.partition);
  return { error, topic, id, internal, partitions };
}

function readPartition(reader: ProtocolReader, version: number): PartitionInfo {
  reader.int16();
  const partition = reader.int32();
  const leader = reader.int32();
  if (version >= 7) reader.int32();
  const replicas = reader.array(() => reader.int32());
  const isr = reader.array(() => reader.int32());
  if (version >= 5) reader.array(() => reader.int32());
  reader.tags();
  return { partition, leader, replicas, isr };
}
