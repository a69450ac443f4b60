import type { Logger } from '#shared/std/log.ts';

/**
 * Kafka as both programs see it: batches go in and come out sealed, unopened. The only folder that
 * knows a client library. Offsets are safe integers (a partition would need 285 years at a million
 * records a second to leave them). Every call rejects with a KafkaError and nothing else.
 */
export interface Kafka {
  /** Made by what `openKafka` was given; connects at first use, and again whenever it has to. */
  readonly admin: KafkaAdmin;
  /** Reads from partitions' leaders; see `KafkaReads`. */
  readonly reads: KafkaReads;
  /** A producer of sealed batches in transactions; fences whoever had the same id, at `init`. */
  producer(options: ProducerOptions): TransactionalProducer;
  /** Group membership without consuming: who of us owns what. */
  join(options: MembershipOptions): Membership;
  /** Ends connections; what is under way rejects with `closed`. */
  close(): Promise<void>;
}

export interface KafkaSettings {
  /** `host:port`; one that answers is enough. */
  brokers: readonly string[];
  clientId: string;
  tls?: KafkaTls;
  sasl?: KafkaSasl;
  /** An answer that takes longer is given up, and its connection closed. Default 30 000 ms. */
  requestTimeoutMs?: number;
  /** Default 10 000 ms. */
  connectionTimeoutMs?: number;
}

export interface KafkaTls {
  /** PEM. */
  ca?: string;
  cert?: string;
  key?: string;
  /** Default: the host of `brokers`. */
  serverName?: string;
}

export type KafkaSasl =
  | { mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'; username: string; password: string }
  | { mechanism: 'oauthbearer'; token: () => Promise<string> };

export interface KafkaDeps {
  log: Logger;
}

/**
 * `unavailable`: no leader, no answer, not enough replicas; the same may succeed later. `closed`.
 * `fenced`: another producer has this transactional id now, or the coordinator ended our
 * transaction for its age; it does not say which. `refused`: Kafka will not take these bytes, with
 * the reason in `kafkaCode` (MESSAGE_TOO_LARGE, INVALID_TIMESTAMP, …). `denied`: ACL or login.
 * `uncertain`: the commit's answer is missing; it may or may not have happened. `out-of-range`: the
 * offset is not (any more) there. `missing`: no such topic or partition. `exists`. `invalid`: the
 * request itself (bad config, bad factor). `fatal`: this producer or member is spent (out of order
 * sequence, unknown producer id …): make a new one.
 */
export type KafkaErrorCode =
  | 'unavailable'
  | 'closed'
  | 'fenced'
  | 'refused'
  | 'denied'
  | 'uncertain'
  | 'out-of-range'
  | 'missing'
  | 'exists'
  | 'invalid'
  | 'fatal';

export class KafkaError extends Error {
  override name = 'KafkaError';
  readonly code: KafkaErrorCode;
  /** Kafka's own name of the error (`NOT_LEADER_OR_FOLLOWER`), where a broker gave one. */
  readonly kafkaCode: string | null;
  /** What it is about, where that is one topic or partition. */
  readonly topic: string | undefined;
  readonly partition: number | undefined;

  constructor(
    code: KafkaErrorCode,
    message: string,
    options: ErrorOptions & { kafkaCode?: string; topic?: string; partition?: number } = {},
  ) {
    super(message, options);
    this.code = code;
    this.kafkaCode = options.kafkaCode ?? null;
    this.topic = options.topic;
    this.partition = options.partition;
  }

  /** Whether doing the same again may help. */
  get canRetry(): boolean {
    return this.code === 'unavailable';
  }
}

export interface TopicPartition {
  topic: string;
  partition: number;
}

export interface TopicInfo {
  topic: string;
  /** 32 hexadecimal digits: Kafka's topic id, the topic's incarnation; zeros before Kafka 2.8. */
  id: string;
  internal: boolean;
  partitions: PartitionInfo[];
}

export interface PartitionInfo {
  partition: number;
  /** -1: none now. */
  leader: number;
  replicas: number[];
  isr: number[];
}

export interface NewTopic {
  topic: string;
  partitions: number;
  /** -1: the broker's default. */
  replicationFactor: number;
  configs: { readonly [name: string]: string };
}

export interface ConfigEntry {
  name: string;
  value: string | null;
  source: 'topic' | 'broker' | 'default' | 'other';
  readOnly: boolean;
  sensitive: boolean;
}

export interface GroupOffset extends TopicPartition {
  offset: number;
  metadata: string;
}

export interface AclBinding {
  resourceType: 'topic' | 'group' | 'cluster' | 'transactional-id' | 'other';
  resourceName: string;
  patternType: 'literal' | 'prefixed' | 'other';
  principal: string;
  host: string;
  /** Kafka's names: READ, WRITE, ALL, DESCRIBE, … */
  operation: string;
  permission: 'ALLOW' | 'DENY';
}

export interface KafkaAdmin {
  cluster(): Promise<{ clusterId: string; controller: number; brokers: Broker[] }>;
  /** Never creates any. All topics, or those named; a name that does not exist is left out. */
  topics(names?: readonly string[]): Promise<TopicInfo[]>;
  /** Resolves when every partition has a leader. `exists` when it does. */
  createTopic(topic: NewTopic): Promise<void>;
  /** Resolves when the cluster does not tell of it any more. `missing` where there is none. */
  deleteTopic(topic: string): Promise<void>;
  /** Never down. Resolves when every new partition has a leader. */
  growTopic(topic: string, partitions: number): Promise<void>;
  configs(topic: string): Promise<ConfigEntry[]>;
  /** Sets these and leaves all others (IncrementalAlterConfigs); null resets to the default. */
  alterConfigs(topic: string, configs: { readonly [name: string]: string | null }): Promise<void>;
  /**
   * Offsets of each, in its order. `earliest`: log start. `latest`: the end as the isolation shows
   * it (`committed`: last stable offset). A number: of the first record with that timestamp or a
   * later one, else the end.
   */
  offsets(
    of: readonly TopicPartition[],
    at: 'earliest' | 'latest' | number,
    isolation?: Isolation,
  ): Promise<number[]>;
  deleteRecords(before: readonly (TopicPartition & { offset: number })[]): Promise<void>;
  groups(): Promise<{ groupId: string; protocolType: string }[]>;
  describeGroups(ids: readonly string[]): Promise<GroupInfo[]>;
  /** All committed offsets of the group. */
  groupOffsets(groupId: string): Promise<GroupOffset[]>;
  /** As an administrator: the group must have no members (`refused` otherwise). */
  setGroupOffsets(groupId: string, offsets: readonly GroupOffset[]): Promise<void>;
  deleteGroup(groupId: string): Promise<void>;
  acls(): Promise<AclBinding[]>;
  createAcls(bindings: readonly AclBinding[]): Promise<void>;
}

export interface Broker {
  id: number;
  host: string;
  port: number;
}

export interface GroupInfo {
  groupId: string;
  /** Kafka's: Empty, Stable, PreparingRebalance, CompletingRebalance, Dead. */
  state: string;
  protocolType: string;
  members: { memberId: string; clientId: string; host: string }[];
}

export type Isolation = 'committed' | 'uncommitted';

export interface FetchPosition extends TopicPartition {
  offset: number;
  /**
   * `TopicInfo.id`, where another life of the topic must not answer: from Kafka 3.1 on it is then
   * `unavailable` (UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID). All of a round or none.
   */
  topicId?: string;
  /** Of this partition in one answer; a larger first batch comes whole all the same. */
  maxBytes?: number;
}

export interface FetchOptions {
  /** How long a broker may wait for `minBytes` (default 1). */
  maxWaitMs: number;
  minBytes?: number;
  /** Of one broker's whole answer. */
  maxBytes?: number;
  isolation: Isolation;
  signal?: AbortSignal;
}

/** What one partition answered. */
export interface Fetched extends TopicPartition {
  /** This partition alone failed; the others are fine. `unavailable` heals by asking again. */
  error: KafkaError | null;
  highWatermark: number;
  lastStableOffset: number;
  logStartOffset: number;
  /**
   * In order, CRC verified, control batches and (isolation `committed`) aborted ones left out. The
   * first may begin before the offset asked for (batches come whole); all bytes are views of one
   * answer: copy what is kept.
   */
  batches: FetchedBatch[];
  /** Where to go on: behind everything in the answer, left out batches included. */
  nextOffset: number;
}

export interface FetchedBatch {
  baseOffset: number;
  /** baseOffset + last offset delta; compaction may leave fewer records than offsets. */
  lastOffset: number;
  /** The RecordBatch v2 as the log holds it; magic 0 and 1 are refused as `invalid`. */
  bytes: Buffer;
}

export interface KafkaReads {
  /**
   * One round: one request to each leader concerned, side by side, on a connection of its own so
   * that nothing else waits behind it. One answer per position, in its order. Metadata is refreshed
   * where a leader moved.
   */
  fetch(positions: readonly FetchPosition[], options: FetchOptions): Promise<Fetched[]>;
}

export interface ProducerOptions {
  transactionalId: string;
  /** The coordinator ends a transaction that is open longer. */
  transactionTimeoutMs: number;
}

/** A sealed RecordBatch (producer fields -1) and where it goes. */
export interface OutgoingBatch extends TopicPartition {
  batch: Uint8Array;
}

/**
 * Sealed batches in transactions. Only the header's producer fields, the transactional bit and the
 * CRC are written, on a copy. One batch per partition per request, in the order given; several
 * requests in flight. Every answer is checked for every partition sent; nothing is retried within a
 * transaction: whatever fails, the producer is spent (`init` again: aborts what is open) and the
 * caller does the whole transaction anew.
 */
export interface TransactionalProducer {
  /**
   * Fences predecessors and ends what they left open: resolves when their transaction is committed
   * or aborted for good. Again after any failure.
   */
  init(): Promise<void>;
  /**
   * Into the open transaction, begun at need. Resolves with the offset of each batch's first
   * record, in the order given. Rejects when one of them failed; the transaction is then lost.
   * `soon`: where later sends of this transaction go, as far as it is known: the coordinator, who
   * must hear of each partition first, then hears of all at once.
   */
  send(batches: readonly OutgoingBatch[], soon?: readonly TopicPartition[]): Promise<number[]>;
  /** Resolves when committed. `uncertain` when that is not known: `init`, then read to see. */
  commit(): Promise<void>;
  /** Gives up what is open; never rejects but with `fenced` or `closed`. */
  abort(): Promise<void>;
}

export interface MembershipOptions {
  groupId: string;
  /** Told to the leader, and by it to all. */
  metadata: string;
  /** Without a heartbeat for so long a member is out. Brokers take 6 s at least by default. */
  sessionTimeoutMs: number;
  heartbeatIntervalMs: number;
  /** For members to come back in a rebalance. */
  rebalanceTimeoutMs: number;
  /** On the leader: each member's assignment. `memberId` is new with each run of a program. */
  assign(members: readonly { memberId: string; metadata: string }[]): Map<string, string>;
  /** A new assignment of ours; null: we are out of the group for now, and joining again. */
  onAssignment(assignment: string | null): void;
}

export interface Membership {
  /** Joins again, so that the leader assigns anew, with other metadata where given. */
  rejoin(metadata?: string): void;
  /** Says so to the group, which assigns at once. */
  leave(): Promise<void>;
}
