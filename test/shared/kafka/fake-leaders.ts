import type { Api, Destination, SendOptions } from '#shared/kafka/api.ts';
import { ClusterView } from '#shared/kafka/cluster-view.ts';
import type { KafkaError } from '#shared/kafka/kafka.ts';
import type { Metadata } from '#shared/kafka/metadata.ts';
import { ProtocolReader } from '#shared/kafka/protocol-reader.ts';
import { ProtocolWriter } from '#shared/kafka/protocol-writer.ts';
import { LeaderReads, type ReadsDeps } from '#shared/kafka/reads.ts';
import { systemClock } from '#shared/std/clock.ts';

/** What a partition of the fake answers; 0 and nothing where left out. */
export interface FakePartition {
  leader?: number;
  error?: number;
  aborted?: { producerId: bigint; firstOffset: number }[];
  records?: Buffer;
}

export interface AskedRequest {
  node: number;
  lane: string | undefined;
  version: number;
  maxWaitMs: number;
  isolation: number;
  partitions: { topic: string; partition: number; offset: number; maxBytes: number }[];
}

/** Brokers that lead partitions, behind the seam of the connections: requests are read as bytes. */
export class FakeLeaders {
  readonly partitions = new Map<string, FakePartition>();
  readonly ids = new Map<string, string>();
  readonly asked: AskedRequest[] = [];
  /** A broker of that number fails so. */
  readonly broken = new Map<number, KafkaError>();
  version = 13;
  metadataAsked = 0;
  /** Answers wait for it. */
  gate: Promise<void> | undefined;
  readonly reads: LeaderReads;

  constructor() {
    const view = new ClusterView(systemClock, async (topics) => this.#metadata(topics));
    const connections = { view, send: this.#send } as ReadsDeps['connections'];
    this.reads = new LeaderReads({ connections, requestTimeoutMs: 1000 });
  }

  #metadata(topics: readonly string[]): Metadata {
    this.metadataAsked += 1;
    const found = topics.map((topic) => {
      const partitions = [...this.partitions]
        .filter(([key]) => key.startsWith(`${topic} `))
        .map(([key, { leader = 1 }]) => ({ partition: Number(key.split(' ')[1]), leader }))
        .map((one) => ({ ...one, replicas: [], isr: [] }));
      const error = partitions.length === 0 ? 3 : 0;
      return { topic, id: '0'.repeat(32), internal: false, partitions, error };
    });
    return { brokers: [], clusterId: 'c', controller: 1, topics: found };
  }

  #send = async <T>(to: Destination, api: Api<T>, options: SendOptions = {}): Promise<T> => {
    const { node } = to as { node: number };
    const version = Math.min(this.version, api.versions[1]);
    const flexible = version >= api.flexibleFrom;
    const writer = new ProtocolWriter(flexible);
    api.encode(writer, version);
    const request = new ProtocolReader(Buffer.concat(writer.finish()), flexible);
    const asked = readRequest(request, version, { node, lane: options.lane });
    this.asked.push(asked);
    await this.gate;
    const broken = this.broken.get(node);
    if (broken) throw broken;
    const answer = this.#answer(asked, new ProtocolWriter(flexible), version);
    return api.decode(new ProtocolReader(answer, flexible), version);
  };

  #answer(asked: AskedRequest, writer: ProtocolWriter, version: number): Buffer {
    writer.int32(0);
    writer.int16(0);
    writer.int32(0);
    writer.array(asked.partitions, ({ topic, partition }) => {
      if (version >= 13) writer.uuid(topic);
      else writer.string(topic);
      const name = version >= 13 ? [...this.ids].find(([, id]) => id === topic)![0] : topic;
      const found = this.partitions.get(`${name} ${partition}`) ?? { error: 3 };
      writer.array([found], ({ error = 0, aborted = [], records = Buffer.alloc(0) }) => {
        writer.int32(partition);
        writer.int16(error);
        for (const offset of [100, 90, 10]) writer.int64(offset);
        writer.array(aborted, ({ producerId, firstOffset }) => {
          writer.int64(producerId);
          writer.int64(firstOffset);
          writer.tags();
        });
        writer.int32(-1);
        writer.bytes(records);
        writer.tags();
      });
      writer.tags();
    });
    writer.tags();
    return Buffer.concat(writer.finish());
  }
}

function readRequest(
  reader: ProtocolReader,
  version: number,
  about: { node: number; lane: string | undefined },
): AskedRequest {
  reader.int32();
  const maxWaitMs = reader.int32();
  reader.int32();
  reader.int32();
  const isolation = reader.int8();
  reader.int32();
  reader.int32();
  const partitions = reader.array(() => {
    const topic = version >= 13 ? reader.uuid() : reader.string();
    const found = reader.array(() => {
      const partition = reader.int32();
      reader.int32();
      const offset = reader.int64();
      if (version >= 12) reader.int32();
      reader.int64();
      const maxBytes = reader.int32();
      reader.tags();
      return { topic, partition, offset, maxBytes };
    });
    reader.tags();
    return found;
  });
  reader.array(() => undefined);
  reader.string();
  reader.tags();
  if (reader.left !== 0) throw new Error(`${reader.left} bytes behind the request`);
  return { ...about, version, maxWaitMs, isolation, partitions: partitions.flat() };
}
