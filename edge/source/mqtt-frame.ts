/**
 * MQTT control packets as they stand on the wire, for all versions:
 *
 *     packet := type:4 flags:4  length  body[length]
 *     length := 1 to 4 bytes of 7 bits, least first; the top bit says that another follows
 *
 * Only the envelope is read here; bodies are slices of what was received, never copies, unless a
 * packet came in several reads.
 */
export const packetType = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  unsubscribe: 10,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
} as const;

export interface MqttFrame {
  type: number;
  flags: number;
  /** The whole packet. */
  bytes: Buffer;
  /** Where its body begins. */
  body: number;
  /** Set when the packet was too large to be kept: its whole size; `bytes` is its beginning. */
  skippedBytes?: number;
}

/** The peer broke the protocol; `reason` is the MQTT 5 code to tell it. */
export class MqttProtocolError extends Error {
  override name = 'MqttProtocolError';
  readonly reason: number;

  constructor(reason: number, message: string) {
    super(message);
    this.reason = reason;
  }
}

export const reason = {
  malformed: 0x81,
  protocolError: 0x82,
  implementation: 0x83,
  unsupportedVersion: 0x84,
  badClientId: 0x85,
  badCredentials: 0x86,
  serverBusy: 0x89,
  shuttingDown: 0x8b,
  badAuthMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicInvalid: 0x90,
  packetIdNotFound: 0x92,
  receiveMaximum: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  quotaExceeded: 0x97,
} as const;

/** Enough of a PUBLISH to know its topic and packet id: envelope, topic with its length, id. */
const headBytes = 5 + 2 + 65_535 + 2;

/** Cuts a byte stream into packets. */
export class FrameReader {
  maxBytes: number;
  /** A PUBLISH over `maxBytes` comes out as its beginning only; else it is an error. */
  skips: boolean;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Received behind `#buffer`, joined when a packet is complete. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  /** Bytes that must be there before it is worth looking again. */
  #need = 1;
  #skip: { frame: MqttFrame; left: number } | undefined;

  constructor(maxBytes: number, skips: boolean) {
    this.maxBytes = maxBytes;
    this.skips = skips;
  }

  push(chunk: Buffer): void {
    this.#parts.push(chunk);
    this.#partBytes += chunk.length;
  }

  /** Bytes held that are no complete packet yet. */
  get pendingBytes(): number {
    return this.#buffer.length - this.#at + this.#partBytes;
  }

  /** The next complete packet, if there is one. Throws a {@link MqttProtocolError}. */
  next(): MqttFrame | undefined {
    if (this.#skip) return this.#skipOn(this.#skip);
    if (this.pendingBytes < this.#need) return undefined;
    if (this.#parts.length > 0) this.#join();
    const { bodyLength, headLength } = readLength(this.#buffer, this.#at);
    if (bodyLength < 0) return this.#wait(this.pendingBytes + 1);
    const length = headLength + bodyLength;
    if (length > this.maxBytes) return this.#tooLarge(headLength, length);
    if (this.pendingBytes < length) return this.#wait(length);
    return this.#take(headLength, length);
  }

  #wait(need: number): undefined {
    this.#need = need;
    return undefined;
  }

  #take(headLength: number, length: number): MqttFrame {
    const first = this.#buffer[this.#at]!;
    const bytes = this.#buffer.subarray(this.#at, this.#at + length);
    this.#at += length;
    this.#need = 1;
    return { type: first >> 4, flags: first & 0x0f, bytes, body: headLength };
  }

  #tooLarge(headLength: number, length: number): MqttFrame | undefined {
    if (this.#buffer[this.#at]! >> 4 !== packetType.publish || !this.skips) {
      throw new MqttProtocolError(
        reason.packetTooLarge,
        `a packet of ${length} bytes; the limit is ${this.maxBytes}`,
      );
    }
    if (this.pendingBytes < headBytes) return this.#wait(headBytes);
    const frame = this.#take(headLength, headBytes);
    frame.skippedBytes = length;
    this.#skip = { frame, left: length - headBytes };
    return this.next();
  }

  #skipOn(skip: { frame: MqttFrame; left: number }): MqttFrame | undefined {
    if (this.#parts.length > 0) this.#join();
    const bytes = Math.min(skip.left, this.pendingBytes);
    this.#at += bytes;
    skip.left -= bytes;
    if (skip.left > 0) return undefined;
    this.#skip = undefined;
    return skip.frame;
  }

  #join(): void {
    const rest = this.#buffer.subarray(this.#at);
    this.#buffer =
      rest.length === 0 && this.#parts.length === 1
        ? this.#parts[0]!
        : Buffer.concat([rest, ...this.#parts]);
    this.#at = 0;
    this.#parts = [];
    this.#partBytes = 0;
  }
}

/** Lengths of envelope and body; a body of -1 when the length is not there in full. */
function readLength(bytes: Buffer, at: number): { bodyLength: number; headLength: number } {
  let bodyLength = 0;
  for (let index = 1; index <= 4; index += 1) {
    const byte = bytes[at + index];
    if (byte === undefined) return { bodyLength: -1, headLength: 0 };
    bodyLength += (byte & 0x7f) * 2 ** (7 * (index - 1));
    if (byte < 0x80) return { bodyLength, headLength: index + 1 };
  }
  throw new MqttProtocolError(reason.malformed, 'a packet length of more than four bytes');
}

/** PUBACK, PUBREC and PUBCOMP back to back; codes other than 0 only for peers that speak MQTT 5. */
export function encodeAcks(acks: readonly { type: number; id: number; code: number }[]): Buffer {
  const bytes = Buffer.allocUnsafe(acks.length * 5);
  let at = 0;
  for (const { type, id, code } of acks) {
    bytes[at++] = type << 4;
    bytes[at++] = code === 0 ? 2 : 3;
    bytes[at++] = id >> 8;
    bytes[at++] = id & 0xff;
    if (code !== 0) bytes[at++] = code;
  }
  return bytes.subarray(0, at);
}
