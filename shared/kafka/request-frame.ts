import type { Api } from './api.ts';
import { ProtocolWriter } from './protocol-writer.ts';

/**
 * A whole request, ready to be written:
 *
 *   request := size i32 (bytes behind it) · apiKey i16 · apiVersion i16 · correlationId i32
 *              · clientId string (never compact) · tags, where the version is flexible · body
 */
export function requestFrame(
  api: Pick<Api<unknown>, 'key' | 'flexibleFrom' | 'encode'>,
  version: number,
  header: { correlationId: number; clientId: string },
): Buffer[] {
  const flexible = version >= api.flexibleFrom;
  const writer = new ProtocolWriter(flexible);
  const clientId = Buffer.from(header.clientId);
  writer.int32(0);
  writer.int16(api.key);
  writer.int16(version);
  writer.int32(header.correlationId);
  writer.int16(clientId.length);
  writer.raw(clientId);
  writer.tags();
  api.encode(writer, version);
  const chunks = writer.finish();
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  chunks[0]!.writeInt32BE(size - 4, 0);
  return chunks;
}
