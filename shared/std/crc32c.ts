import { crc32c as native } from '@node-rs/crc32';

/**
 * CRC-32C (Castagnoli), the checksum of Kafka's RecordBatch v2 and of our frames. Unsigned 32 bits.
 * Native, because plain JavaScript is ten times slower; `seed` continues an earlier checksum.
 */
export const crc32c = (data: Uint8Array, seed = 0): number => native(data, seed) >>> 0;
