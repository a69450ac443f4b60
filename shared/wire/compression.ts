import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { lz4Compress, lz4Decompress } from './lz4.ts';
import { snappyCompress, snappyDecompress } from './snappy.ts';

/** One of Kafka's compressions of a batch's records. */
export interface Codec {
  compress(data: Uint8Array, level?: number): Uint8Array;
  /**
   * All of `data`, which must be consumed to its last byte, into at most `maxBytes` (1 at least).
   * Throws where it is damaged or would become larger.
   */
  decompress(data: Uint8Array, maxBytes: number): Uint8Array;
}

/** `code` of the error that every `decompress` throws where the output would become too large. */
export const outputTooLarge = 'ERR_BUFFER_TOO_LARGE';

/** What `node:zlib` gives with `info: true`; its types do not know. */
interface Inflated {
  buffer: Buffer;
  engine: { bytesWritten: number };
}

/** Bytes behind the compressed ones are ignored by zlib but a Java client trips over them. */
function whole(inflated: unknown, data: Uint8Array): Uint8Array {
  const { buffer, engine } = inflated as Inflated;
  if (engine.bytesWritten !== data.length) {
    throw new RangeError(`${data.length - engine.bytesWritten} bytes behind the compressed ones`);
  }
  return buffer;
}

const gzip: Codec = {
  compress: (data, level) => gzipSync(data, level === undefined ? {} : { level }),
  decompress: (data, maxBytes) =>
    whole(gunzipSync(data, { maxOutputLength: maxBytes, info: true } as object), data),
};

/**
 * More than zstd ever makes of `length` bytes (ZSTD_compressBound and a little). Output that fills
 * Node's chunk to its last byte is followed by a second, empty frame: so it never may.
 */
const zstdBound = (length: number): number => length + (length >> 8) + 1024;

const zstd: Codec = {
  compress: (data, level = 1) =>
    zstdCompressSync(data, {
      params: { [constants.ZSTD_c_compressionLevel]: level },
      pledgedSrcSize: data.length,
      chunkSize: zstdBound(data.length),
    } as object),
  decompress: (data, maxBytes) =>
    whole(zstdDecompressSync(data, { maxOutputLength: maxBytes, info: true } as object), data),
};

/** By Kafka's names; the number in a batch's attributes is in record-batch.ts. */
export const codecs = {
  gzip,
  snappy: { compress: snappyCompress, decompress: snappyDecompress },
  lz4: { compress: lz4Compress, decompress: lz4Decompress },
  zstd,
} satisfies { [name: string]: Codec };
