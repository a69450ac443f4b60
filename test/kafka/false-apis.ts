import { ProtocolReader } from '#shared/kafka/protocol-reader.ts';
import type { PassingRequest } from './false-broker.ts';

/**
 * Where in an answer things stand, as far as a false broker changes them: by the field lists of
 * clients/src/main/resources/common/message in Kafka's sources, and not by our own decoders.
 */
export const apis = {
  Produce: { key: 0, flexibleFrom: 9 },
  Fetch: { key: 1, flexibleFrom: 12 },
  ListOffsets: { key: 2, flexibleFrom: 6 },
  Metadata: { key: 3, flexibleFrom: 9 },
  OffsetCommit: { key: 8, flexibleFrom: 8 },
  OffsetFetch: { key: 9, flexibleFrom: 6 },
  FindCoordinator: { key: 10, flexibleFrom: 3 },
  JoinGroup: { key: 11, flexibleFrom: 6 },
  Heartbeat: { key: 12, flexibleFrom: 4 },
  LeaveGroup: { key: 13, flexibleFrom: 4 },
  SyncGroup: { key: 14, flexibleFrom: 4 },
  ApiVersions: { key: 18, flexibleFrom: 3 },
  CreateTopics: { key: 19, flexibleFrom: 5 },
  InitProducerId: { key: 22, flexibleFrom: 2 },
  AddPartitionsToTxn: { key: 24, flexibleFrom: 3 },
  AddOffsetsToTxn: { key: 25, flexibleFrom: 3 },
  EndTxn: { key: 26, flexibleFrom: 3 },
  TxnOffsetCommit: { key: 28, flexibleFrom: 3 },
} as const satisfies { [name: string]: { key: number; flexibleFrom: number } };

export type ApiName = keyof typeof apis;

/** Kafka's numbers of the errors that tests answer with. */
export const errorCodes = {
  OFFSET_OUT_OF_RANGE: 1,
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  NOT_LEADER_OR_FOLLOWER: 6,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
  NOT_ENOUGH_REPLICAS: 19,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 20,
  REBALANCE_IN_PROGRESS: 27,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 45,
  INVALID_PRODUCER_EPOCH: 47,
  CONCURRENT_TRANSACTIONS: 51,
  KAFKA_STORAGE_ERROR: 56,
  UNKNOWN_PRODUCER_ID: 59,
} as const;

export type ErrorName = keyof typeof errorCodes;

type Change = (body: Buffer, request: PassingRequest) => Buffer;

/** Walks over a copy of an answer; what it visits may be written over. */
function edited(body: Buffer, request: PassingRequest, walk: (at: Walk) => void): Buffer {
  const copy = Buffer.from(body);
  const flexible = request.api !== undefined && request.version >= apis[request.api].flexibleFrom;
  walk(new Walk(copy, flexible, request.version));
  return copy;
}

class Walk extends ProtocolReader {
  readonly version: number;

  constructor(bytes: Buffer, flexible: boolean, version: number) {
    super(bytes, flexible);
    this.version = version;
  }

  /** Where the next field stands. */
  get position(): number {
    return this.bytes.length - this.left;
  }

  /** Writes over the int16 that comes, and passes it. */
  overwriteInt16(value: number): void {
    this.bytes.writeInt16BE(value, this.position);
    this.int16();
  }
}

/** InitProducerId, EndTxn, Heartbeat, SyncGroup: an error behind the throttle time. */
export const answers =
  (error: ErrorName): Change =>
  (body, request) =>
    edited(body, request, (at) => {
      at.int32();
      at.overwriteInt16(errorCodes[error]);
    });

/** All begin with it, but Produce, which ends with it. */
export const throttles =
  (ms: number): Change =>
  (body, request) =>
    edited(body, request, (at) => {
      const end = at.bytes.length - (at.flexible ? 5 : 4);
      at.bytes.writeInt32BE(ms, request.api === 'Produce' ? end : 0);
    });

/** AddPartitionsToTxn up to version 3: that error for every partition. */
export const addPartitionsAnswers =
  (error: ErrorName): Change =>
  (body, request) =>
    edited(body, request, (at) => {
      at.int32();
      at.array(() => {
        at.string();
        at.array(() => {
          at.int32();
          at.overwriteInt16(errorCodes[error]);
          at.tags();
        });
        at.tags();
      });
    });

/** Produce: that error for one partition, or all; whatever it says, the batch was appended. */
export const produceAnswers =
  (error: ErrorName, partition?: number): Change =>
  (body, request) =>
    edited(body, request, (at) =>
      at.array(() => {
        at.string();
        at.array(() => {
          const here = at.int32();
          if (partition === undefined || here === partition) {
            at.overwriteInt16(errorCodes[error]);
            at.bytes.writeBigInt64BE(-1n, at.position);
          } else at.int16();
          passProduced(at);
        });
        at.tags();
      }),
    );

function passProduced(at: Walk): void {
  at.bigint64();
  at.bigint64();
  at.bigint64();
  if (at.version >= 8) {
    at.array(() => {
      at.int32();
      at.nullableString();
      at.tags();
    });
    at.nullableString();
  }
  at.tags();
}

/** Produce: the answer as if that partition had never been asked for. */
export const produceLeavesOut =
  (partition: number): Change =>
  (body, request) => {
    const cuts: { from: number; to: number; countAt: number; count: number }[] = [];
    const copy = edited(body, request, (at) =>
      at.array(() => {
        at.string();
        const countAt = at.position;
        let count = 0;
        at.array(() => {
          const from = at.position;
          count += 1;
          const here = at.int32();
          at.int16();
          passProduced(at);
          if (here === partition) cuts.push({ from, to: at.position, countAt, count: 0 });
        });
        for (const cut of cuts) if (cut.countAt === countAt) cut.count = count - 1;
        at.tags();
      }),
    );
    const [cut] = cuts;
    if (!cut) return copy;
    if (isFlexible(request)) copy[cut.countAt] = cut.count + 1;
    else copy.writeInt32BE(cut.count, cut.countAt);
    return Buffer.concat([copy.subarray(0, cut.from), copy.subarray(cut.to)]);
  };

const isFlexible = ({ api, version }: PassingRequest): boolean =>
  api !== undefined && version >= apis[api].flexibleFrom;

/** Fetch: each partition's error and records, to write over in place. */
export const fetchAnswers =
  (
    change: (part: { partition: number; fail(error: ErrorName): void; records: Buffer }) => void,
  ): Change =>
  (body, request) =>
    edited(body, request, (at) => {
      at.int32();
      at.int16();
      at.int32();
      at.array(() => {
        if (at.version >= 13) at.uuid();
        else at.string();
        at.array(() => {
          const partition = at.int32();
          const errorAt = at.position;
          at.int16();
          for (let i = 0; i < 3; i++) at.bigint64();
          at.array(() => {
            at.bigint64();
            at.bigint64();
            at.tags();
          });
          at.int32();
          const records = at.blob();
          at.tags();
          const fail = (error: ErrorName) => void at.bytes.writeInt16BE(errorCodes[error], errorAt);
          change({ partition, fail, records });
        });
        at.tags();
      });
    });

/** Metadata: that node as the leader of everything, whoever it is. */
export const metadataLedBy =
  (node: number): Change =>
  (body, request) =>
    edited(body, request, (at) => {
      passBrokers(at);
      at.array(() =>
        passTopic(at, () => {
          at.bytes.writeInt32BE(node, at.position);
        }),
      );
    });

/** Metadata: a broker that has not heard of the topic yet. */
export const metadataWithout =
  (topic: string): Change =>
  (body, request) => {
    let cut = { from: 0, to: 0, countAt: 0 };
    const copy = edited(body, request, (at) => {
      passBrokers(at);
      at.array(() => {
        const errorAt = at.position;
        const { name, ...partitions } = passTopic(at, () => {});
        if (name !== topic) return;
        at.bytes.writeInt16BE(errorCodes.UNKNOWN_TOPIC_OR_PARTITION, errorAt);
        cut = partitions;
      });
    });
    if (cut.to === 0) return copy;
    if (isFlexible(request)) copy[cut.countAt] = 1;
    else copy.writeInt32BE(0, cut.countAt);
    return Buffer.concat([copy.subarray(0, cut.from), copy.subarray(cut.to)]);
  };

/** Topics that a Metadata request names. */
export function askedAbout({ body, version }: PassingRequest): string[] {
  const at = new Walk(body, version >= apis.Metadata.flexibleFrom, version);
  return at.array(() => {
    if (version >= 10) at.uuid();
    const name = at.nullableString();
    at.tags();
    return name ?? '';
  });
}

function passBrokers(at: Walk): void {
  at.int32();
  at.array(() => {
    at.int32();
    at.string();
    at.int32();
    at.nullableString();
    at.tags();
  });
  at.nullableString();
  at.int32();
}

function passTopic(at: Walk, atLeader: () => void) {
  at.int16();
  const name = at.nullableString();
  if (at.version >= 10) at.uuid();
  at.boolean();
  const countAt = at.position;
  let from = 0;
  at.array(() => {
    from ||= at.position;
    at.int16();
    at.int32();
    atLeader();
    at.int32();
    if (at.version >= 7) at.int32();
    at.array(() => at.int32());
    at.array(() => at.int32());
    if (at.version >= 5) at.array(() => at.int32());
    at.tags();
  });
  const to = at.position;
  if (at.version >= 8) at.int32();
  at.tags();
  return { name, countAt, from: from || to, to };
}

/** Partitions that a Produce request writes to, as `topic-partition`. */
export function producedTo({ body, version }: PassingRequest): string[] {
  const at = new Walk(body, version >= apis.Produce.flexibleFrom, version);
  at.nullableString();
  at.int16();
  at.int32();
  return at
    .array(() => {
      const topic = at.string();
      const partitions = at.array(() => {
        const partition = at.int32();
        at.blob();
        at.tags();
        return `${topic}-${partition}`;
      });
      at.tags();
      return partitions;
    })
    .flat();
}
