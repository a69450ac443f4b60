/**
 * Every limit of the wire contract, in one place, asserted when encoding and when decoding
 * (DESIGN §10). Bytes unless the name says otherwise.
 */
export const limits = {
  /** Key + value + headers of one record. */
  recordBytes: 900 * 1024,
  /**
   * A sealed RecordBatch, and likewise its records uncompressed (what central's walk may inflate).
   */
  segmentBytes: 1024 * 1024,
  /** Records in one segment; keeps every consumer's one-batch decode small. */
  segmentRecords: 10_000,
  /** One `POST /link/v1/segments` body. */
  requestBytes: 8 * 1024 * 1024,
  /** More than fit: the smallest frame there is takes over 100 bytes. */
  requestFrames: 80_000,
  heartbeatBytes: 256 * 1024,
  helloBytes: 4 * 1024 * 1024,
  kafkaReportBytes: 1024 * 1024,
  /** Offsets, positions, topics and ACLs in one report, each; the rest go in the next. */
  kafkaReportRows: 2_000,
  /** Offsets of consumer groups that central keeps for one site. */
  groupOffsetsPerEdge: 100_000,
  configsPerTopic: 100,
  groupNameBytes: 1_000,
  groupMetadataBytes: 4_096,
  /** Streams in one heartbeat; the rest go in the next ones. */
  heartbeatStreams: 500,
  streamsPerEdge: 10_000,
  /** Runs that a hello lists between the last confirmed session and its own. */
  unconfirmedRuns: 16,
  partitionsPerTopic: 10_000,
  aliasLength: 63,
  /** Kafka's limit is 249 for the whole name, of which the alias and the dot take their part. */
  topicLength: 249,
  headersPerRecord: 1_000,
  sourceRuns: 10_000,
  sourcesPerEdge: 100,
  lossDetailLength: 1_000,
} as const;
