/**
 * Kafka's RecordBatch v2 (magic 2; KIP-98, org.apache.kafka.common.record.DefaultRecordBatch).
 * Big-endian; varints are zigzag.
 *
 *   batch  := baseOffset i64 · batchLength i32 (bytes behind it) · partitionLeaderEpoch i32
 *             · magic i8 · crc u32 (CRC-32C of all behind it) · attributes i16
 *             · lastOffsetDelta i32 · baseTimestamp i64 · maxTimestamp i64 · producerId i64
 *             · producerEpoch i16 · baseSequence i32 · count i32
 *             · records (compressed as the attributes say)
 *   record := length varint (bytes behind it) · attributes i8 · timestampDelta varlong
 *             · offsetDelta varint · keyLength varint (-1 null) · key · valueLength varint · value
 *             · headerCount varint · { nameLength varint · name · valueLength varint · value }
 *
 * Sealed batches have baseOffset 0, partitionLeaderEpoch -1 (the broker sets it, as it does for
 * Kafka's own producer, which writes -1 too; the CRC does not cover it) and no producer (-1).
 */
export const batchHeaderBytes = 61;

/** Where the header's fields begin. */
export const batchField = {
  baseOffset: 0,
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  count: 57,
} as const;

/** Bits of the attributes; all others must be 0 in what we take. */
export const batchAttribute = {
  compression: 0b00_0111,
  logAppendTime: 0b00_1000,
  transactional: 0b01_0000,
  control: 0b10_0000,
} as const;
