import { limits } from '#shared/wire/limits.ts';

/** Topic, packet id and properties of a PUBLISH beside its payload, generously. */
const publishSlackBytes = 128 * 1024;

/** Every bound of the MQTT source in one place. */
export const mqttLimits = {
  /** A larger PUBLISH is skipped and declared lost, or refused where the publisher can be told. */
  packetBytes: limits.recordBytes + publishSlackBytes,
  /** Before a client is admitted: a CONNECT with a will of 64 KiB fits. */
  connectBytes: 160 * 1024,
  /** Read and not yet durable, over one source. Then its sockets are no longer read. */
  outstandingBytes: 16 * 1024 * 1024,
  outstandingMessages: 32_768,
  /** The same for one client of a listener, so that one cannot take all. */
  clientBytes: 1024 * 1024,
  clientMessages: 8_192,
  /** Told to MQTT 5 peers: QoS 1 and 2 messages between PUBLISH and PUBACK or PUBCOMP. */
  receiveMaximum: 16_384,
  /** Connections to one listener. */
  clients: 1_000,
  /** From the TCP connection to an accepted CONNECT. */
  connectTimeoutMs: 10_000,
  /** From our last byte to the peer's end of the connection, when we close in order. */
  lingerMs: 2_000,
  /** Sessions that a listener keeps; the oldest without a connection goes first. */
  sessions: 10_000,
  /** MQTT topics whose route is remembered, and how long one may be for that, in characters. */
  cachedTopics: 10_000,
  cachedTopicLength: 512,
  /** What a timer can wait, 24 days. */
  willDelayMsMax: 2 ** 31 - 1,
  reconnectBaseMs: 500,
  reconnectMaxMs: 30_000,
  /** A connection that lived so long was a good one: the backoff begins anew. */
  stableMs: 10_000,
  retryBaseMs: 200,
  retryMaxMs: 10_000,
} as const;
