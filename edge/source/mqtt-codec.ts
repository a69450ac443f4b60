import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet';
import { type MqttFrame, MqttProtocolError, reason } from './mqtt-frame.ts';
import { mqttLimits } from './mqtt-limits.ts';
import type { MqttVersion, Publish, PublishProperties, Qos } from './mqtt-publish.ts';

/** The packets that are rare, read and written by MQTT.js's own codec. */

/** Throws a MqttProtocolError. `version` is what the connection speaks; CONNECT has its own. */
export function decodePacket(frame: MqttFrame, version: MqttVersion): Packet {
  let packet: Packet | undefined;
  let failure: Error | undefined;
  const reader = parser({ protocolVersion: version });
  reader.on('packet', (found) => {
    packet = found;
  });
  reader.on('error', (error: Error) => {
    failure ??= error;
  });
  try {
    reader.parse(frame.bytes);
  } catch (error) {
    failure ??= error as Error;
  }
  if (packet && !failure) return packet;
  const message = failure?.message ?? 'cut off';
  const code =
    message === 'Invalid protocol version' ? reason.unsupportedVersion : reason.malformed;
  throw new MqttProtocolError(code, `packet type ${frame.type}: ${message}`);
}

export const encodePacket = (packet: Packet, version: MqttVersion): Buffer =>
  generate(packet, { protocolVersion: version });

/** What a client asks for when it connects. */
export interface Connect {
  version: MqttVersion;
  /** Empty: the server gives one. */
  clientId: string;
  /** Begin without the session of last time. */
  clean: boolean;
  /** The session outlives the connection. */
  keeps: boolean;
  keepaliveSeconds: number;
  username: string | undefined;
  password: Buffer | undefined;
  will: Will | undefined;
}

/** A message to be published when the client goes without saying goodbye. */
export interface Will {
  publish: Publish;
  delaySeconds: number;
}

/** Throws a MqttProtocolError. */
export function decodeConnect(frame: MqttFrame): Connect {
  const packet = decodePacket(frame, 4);
  if (packet.cmd !== 'connect') throw new MqttProtocolError(reason.protocolError, 'no CONNECT');
  const version = packet.protocolVersion ?? 4;
  const clean = packet.clean ?? false;
  const properties = packet.properties ?? {};
  if (properties.authenticationMethod !== undefined) {
    throw new MqttProtocolError(reason.badAuthMethod, 'extended authentication is not known here');
  }
  return {
    version,
    clientId: packet.clientId,
    clean,
    keeps: version === 5 ? (properties.sessionExpiryInterval ?? 0) > 0 : !clean,
    keepaliveSeconds: packet.keepalive ?? 0,
    username: packet.username,
    password: packet.password,
    will: packet.will && willOf(packet.will),
  };
}

function willOf(will: NonNullable<IConnectPacket['will']>): Will {
  const qos = (will.qos ?? 0) as Qos | 3;
  if (qos === 3) throw new MqttProtocolError(reason.malformed, 'a will with QoS 3');
  return {
    publish: {
      topic: will.topic,
      qos,
      id: 0,
      dup: false,
      retain: will.retain ?? false,
      payload: Buffer.from(will.payload),
      properties: will.properties && propertiesOf(will.properties),
    },
    delaySeconds: will.properties?.willDelayInterval ?? 0,
  };
}

type WillProperties = NonNullable<NonNullable<IConnectPacket['will']>['properties']>;

function propertiesOf(of: WillProperties): PublishProperties {
  const properties: PublishProperties = { user: [] };
  if (of.contentType !== undefined) properties.contentType = Buffer.from(of.contentType);
  if (of.responseTopic !== undefined) properties.responseTopic = Buffer.from(of.responseTopic);
  if (of.correlationData !== undefined) properties.correlationData = of.correlationData;
  if (of.payloadFormatIndicator !== undefined) {
    properties.payloadFormat = of.payloadFormatIndicator ? 1 : 0;
  }
  for (const [name, values] of Object.entries(of.userProperties ?? {})) {
    for (const value of [values].flat()) properties.user.push([name, Buffer.from(value)]);
  }
  return properties;
}

/** What a SUBSCRIBE or UNSUBSCRIBE is answered where there is nothing to subscribe to. */
export function encodeNoSubscription(frame: MqttFrame, version: MqttVersion): Buffer {
  const packet = decodePacket(frame, version);
  const { messageId } = packet;
  if (packet.cmd === 'subscribe') {
    const code = version === 5 ? reason.implementation : 0x80;
    const granted = packet.subscriptions.map(() => code);
    const properties = { reasonString: 'this server takes messages in and gives none out' };
    return encodePacket({ cmd: 'suback', messageId, granted, properties }, version);
  }
  const granted = 'unsubscriptions' in packet ? packet.unsubscriptions.map(() => 0x11) : [];
  return encodePacket({ cmd: 'unsuback', messageId, granted }, version);
}

/** What a DISCONNECT says. */
export function decodeDisconnect(
  frame: MqttFrame,
  version: MqttVersion,
): { withWill: boolean; endsSession: boolean } {
  const packet = decodePacket(frame, version);
  const { reasonCode, properties } = packet.cmd === 'disconnect' ? packet : {};
  return { withWill: reasonCode === 4, endsSession: properties?.sessionExpiryInterval === 0 };
}

/** Older versions know five refusals only. */
const returnCodes = new Map<number, number>([
  [reason.unsupportedVersion, 1],
  [reason.badClientId, 2],
  [reason.serverBusy, 3],
  [reason.badCredentials, 4],
]);

export function encodeConnack(
  version: MqttVersion,
  answer: { code: number; present: boolean; keeps?: boolean; assignedId?: string | undefined },
): Buffer {
  const { code, present: sessionPresent, keeps, assignedId } = answer;
  if (version < 5) {
    const returnCode = code === 0 ? 0 : (returnCodes.get(code) ?? 5);
    return encodePacket({ cmd: 'connack', returnCode, sessionPresent }, version);
  }
  const properties = {
    receiveMaximum: mqttLimits.receiveMaximum,
    maximumPacketSize: mqttLimits.packetBytes,
    retainAvailable: true,
    wildcardSubscriptionAvailable: false,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: false,
    // Kept until it is in the way, however long the client asked for.
    ...(keeps && { sessionExpiryInterval: 0xffff_ffff }),
    ...(assignedId !== undefined && { assignedClientIdentifier: assignedId }),
  };
  return encodePacket(
    { cmd: 'connack', reasonCode: code, sessionPresent, ...(code === 0 && { properties }) },
    version,
  );
}
