import { isUtf8 } from 'node:buffer';
import { type MqttFrame, MqttProtocolError, reason } from './mqtt-frame.ts';

export type MqttVersion = 3 | 4 | 5;
export type Qos = 0 | 1 | 2;

/**
 * The body of a PUBLISH:
 *
 *     publish    := topic  packet-id:16 (QoS 1, 2)  properties (MQTT 5)  payload
 *     topic      := length:16 UTF-8
 *     properties := length (as a packet's)  (id:8 value)*
 *
 * The codec of MQTT.js keeps user properties in an object, which loses their order and empty
 * repeats, and costs several times as much; this is the hot path, so it is read here.
 */
export interface Publish {
  topic: string;
  qos: Qos;
  /** 0 for QoS 0. */
  id: number;
  dup: boolean;
  retain: boolean;
  payload: Buffer;
  properties: PublishProperties | undefined;
}

export interface PublishProperties {
  contentType?: Buffer;
  responseTopic?: Buffer;
  correlationData?: Buffer;
  payloadFormat?: number;
  /** In the order in which they were sent, repeats included. */
  user: (readonly [name: string, value: Buffer])[];
}

const malformed = (what: string) => new MqttProtocolError(reason.malformed, what);

/** Throws a MqttProtocolError. For a packet that was skipped the payload is empty. */
export function decodePublish(frame: MqttFrame, version: MqttVersion): Publish {
  const { bytes, flags } = frame;
  const qos = (flags >> 1) & 3;
  if (qos === 3) throw malformed('a PUBLISH with QoS 3');
  const topicEnd = frame.body + 2 + u16(bytes, frame.body);
  if (topicEnd + (qos > 0 ? 2 : 0) > bytes.length) throw malformed('a PUBLISH that is cut off');
  const topic = bytes.toString('utf8', frame.body + 2, topicEnd);
  const publish: Publish = {
    topic,
    qos: qos as Qos,
    id: qos > 0 ? u16(bytes, topicEnd) : 0,
    dup: (flags & 8) !== 0,
    retain: (flags & 1) !== 0,
    payload: noBytes,
    properties: undefined,
  };
  if (qos > 0 && publish.id === 0) throw malformed('a PUBLISH with packet id 0');
  let at = topicEnd + (qos > 0 ? 2 : 0);
  if (frame.skippedBytes === undefined) {
    if (version === 5) at = readProperties(bytes, at, publish);
    publish.payload = bytes.subarray(at);
  }
  return publish;
}

const noBytes = Buffer.alloc(0);

/** Why a topic cannot be published to. It is decoded, so broken UTF-8 shows as U+FFFD. */
export function topicNameProblem(topic: string): string | undefined {
  if (topic === '') return 'is empty';
  if (topic.includes('\ufffd')) return 'is not UTF-8';
  if (/[+#]/.test(topic)) return 'holds a wildcard';
  if (topic.includes('\0')) return 'holds the character U+0000';
  return undefined;
}

function readProperties(bytes: Buffer, start: number, publish: Publish): number {
  const { value: length, end: first } = varint(bytes, start);
  if (length === 0) return first;
  const end = first + length;
  if (end > bytes.length) throw malformed('PUBLISH properties that are cut off');
  const properties: PublishProperties = { user: [] };
  let at = first;
  while (at < end) at = readProperty(bytes, at, end, properties);
  publish.properties = properties;
  return end;
}

/** Reads one property and answers where the next begins. */
function readProperty(bytes: Buffer, at: number, end: number, into: PublishProperties): number {
  const id = bytes[at]!;
  const from = at + 1;
  switch (id) {
    case 0x01:
      into.payloadFormat = bytes[inside(from, 1, end)]!;
      return from + 1;
    case 0x02: // message expiry: the broker's business
      return inside(from, 4, end) + 4;
    case 0x03:
      into.contentType = binary(bytes, from, end);
      return from + 2 + into.contentType.length;
    case 0x08:
      into.responseTopic = binary(bytes, from, end);
      return from + 2 + into.responseTopic.length;
    case 0x09:
      into.correlationData = binary(bytes, from, end);
      return from + 2 + into.correlationData.length;
    case 0x0b: // subscription identifier: we ask for none
      return varint(bytes, from).end;
    case 0x23:
      throw new MqttProtocolError(
        reason.topicAliasInvalid,
        'a topic alias, though none is allowed',
      );
    case 0x26: {
      const name = binary(bytes, from, end);
      const value = binary(bytes, from + 2 + name.length, end);
      if (!isUtf8(name) || !isUtf8(value)) throw malformed('a user property that is not UTF-8');
      into.user.push([name.toString(), value]);
      return from + 4 + name.length + value.length;
    }
    default:
      throw malformed(`property 0x${id.toString(16)} in a PUBLISH`);
  }
}

const u16 = (bytes: Buffer, at: number): number => {
  if (at + 2 > bytes.length) throw malformed('a packet that is cut off');
  return (bytes[at]! << 8) | bytes[at + 1]!;
};

/** `at`, once it is sure that `length` bytes follow it before `end`. */
function inside(at: number, length: number, end: number): number {
  if (at + length > end) throw malformed('a property that is cut off');
  return at;
}

function binary(bytes: Buffer, at: number, end: number): Buffer {
  const length = u16(bytes, inside(at, 2, end));
  return bytes.subarray(at + 2, inside(at + 2, length, end) + length);
}

function varint(bytes: Buffer, at: number): { value: number; end: number } {
  let value = 0;
  for (let index = 0; index < 4; index += 1) {
    const byte = bytes[at + index];
    if (byte === undefined) throw malformed('a packet that is cut off');
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { value, end: at + index + 1 };
  }
  throw malformed('a length of more than four bytes');
}
