import type { ProtocolReader } from './protocol-reader.ts';
import type { ProtocolWriter } from './protocol-writer.ts';

/**
 * One request of Kafka's protocol, ready to be sent in any of `versions`; the highest that the
 * broker speaks too is taken. Numbers and grammar: kafka.apache.org/protocol, and
 * clients/src/main/resources/common/message in Kafka's sources.
 */
export interface Api<T> {
  key: number;
  name: string;
  /** Lowest and highest that `encode` and `decode` know. */
  versions: readonly [min: number, max: number];
  /** The first version with compact fields and tags (KIP-482). */
  flexibleFrom: number;
  /** The writer is flexible if the version is. Everything, the body's own tags included. */
  encode(writer: ProtocolWriter, version: number): void;
  /**
   * What was asked for. Throws `brokerError(…)` where the whole request failed: on NOT_COORDINATOR
   * and the like the address is then looked up anew. Failures of a part belong into `T`.
   */
  decode(reader: ProtocolReader, version: number): T;
  /** Sent and not answered is then `uncertain` instead of `unavailable`. */
  changesOnce?: boolean;
}

/** Who shall answer. `any`: asks others where one fails, so only for what may be asked twice. */
export type Destination =
  | { node: number }
  | { group: string }
  | { transaction: string }
  | 'any'
  | 'controller';

export interface SendOptions {
  /** Until the answer; past it the connection is closed. Default: the settings'. */
  timeoutMs?: number;
  /** Gives up waiting; the connection stays, and the request's effect with it. */
  signal?: AbortSignal;
  /** A connection of that name of its own, so that nothing else waits behind. Default `main`. */
  lane?: string;
}
