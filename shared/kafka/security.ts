import net from 'node:net';
import tls from 'node:tls';
import type { BrokerAddress } from './broker-address.ts';
import { KafkaError, type KafkaSasl, type KafkaTls } from './kafka.ts';

/** How often TCP asks an idle peer whether it is there. */
const keepAliveMs = 60_000;

/** TCP, or TLS on it; `onConnect` when it stands, handshake included. */
export function openSocket(
  { host, port }: BrokerAddress,
  settings: KafkaTls | undefined,
  onConnect: () => void,
): net.Socket {
  const socket = settings
    ? tls.connect({ host, port, ...tlsOptions(settings, host) }, onConnect)
    : net.connect({ host, port }, onConnect);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveMs);
  return socket;
}

function tlsOptions(settings: KafkaTls, host: string): tls.ConnectionOptions {
  const { ca, cert, key, serverName } = settings;
  const name = serverName ?? host;
  return {
    ca,
    cert,
    key,
    // An address is no name to send (RFC 6066), but it is what the certificate must be for.
    ...(net.isIP(name) ? {} : { servername: name }),
    ...(serverName === undefined
      ? {}
      : { checkServerIdentity: (_: string, found) => tls.checkServerIdentity(serverName, found) }),
  };
}

/** As kafkajs' authenticators want it. They keep state in it: each connection gets its own. */
export function saslFor(sasl: KafkaSasl): object {
  if (sasl.mechanism !== 'oauthbearer') return { ...sasl };
  return {
    mechanism: sasl.mechanism,
    oauthBearerProvider: async () => {
      try {
        return { value: await sasl.token() };
      } catch (cause) {
        throw new KafkaError('unavailable', `no token for Kafka: ${(cause as Error).message}`, {
          cause,
        });
      }
    },
  };
}

/** kafkajs calls whatever ends a login failed authentication, a lost connection too. */
export function loginError(cause: Error, connectionGone: boolean, address: string): KafkaError {
  if (cause instanceof KafkaError) return cause;
  return connectionGone
    ? new KafkaError('unavailable', `${address} closed the connection during login`, { cause })
    : new KafkaError('denied', `login at ${address}: ${cause.message}`, {
        cause,
        kafkaCode: 'SASL_AUTHENTICATION_FAILED',
      });
}

/** Every error reaches the caller; none is worth a line of its own. */
export const quietLogger = {
  namespace: () => quietLogger,
  debug() {},
  info() {},
  warn() {},
  error() {},
};
