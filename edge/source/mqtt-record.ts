import { type RecordHeader, reservedHeaderPrefix, type WireRecord } from '#shared/wire/record.ts';
import type { Publish, PublishProperties } from './mqtt-publish.ts';
import type { Target } from './mqtt-route.ts';

const yes = Buffer.from('true');
const retained: RecordHeader = ['mqtt.retain', yes];
const repeated: RecordHeader = ['mqtt.dup', yes];
/** Marks the message that a client left behind for the case of its death. */
export const willHeader: RecordHeader = ['mqtt.will', yes];

/** The record of a message; `timestamp` is when we took it, ms. */
export function recordOf(publish: Publish, target: Target, timestamp: number): WireRecord {
  let headers = target.headers[publish.qos];
  if (publish.retain) headers = [...headers, retained];
  if (publish.dup) headers = [...headers, repeated];
  if (publish.properties) headers = [...headers, ...headersOf(publish.properties)];
  return { key: target.key, value: publish.payload, headers, timestamp };
}

/**
 * MQTT 5 properties as headers. A user property with a name of ours is renamed, so that a device
 * can neither forge `mqtt.topic` nor spoil a stream with a reserved `tributary.` name.
 */
function headersOf(properties: PublishProperties): RecordHeader[] {
  const headers: RecordHeader[] = [];
  const { contentType, payloadFormat, responseTopic, correlationData } = properties;
  if (contentType) headers.push(['content-type', contentType]);
  if (payloadFormat !== undefined) {
    headers.push(['mqtt.payload-format', Buffer.from(payloadFormat === 1 ? 'utf-8' : 'bytes')]);
  }
  if (responseTopic) headers.push(['mqtt.response-topic', responseTopic]);
  if (correlationData) headers.push(['mqtt.correlation-data', correlationData]);
  for (const [name, value] of properties.user) {
    const ours = name.startsWith(reservedHeaderPrefix) || name.startsWith('mqtt.');
    headers.push([ours ? `mqtt.user.${name}` : name, value]);
  }
  return headers;
}
