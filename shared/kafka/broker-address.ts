import { KafkaError } from './kafka.ts';

export interface BrokerAddress {
  host: string;
  port: number;
}

export const addressText = ({ host, port }: BrokerAddress): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** `host:port`, `[::1]:port`; 9092 where no port is given. Throws `invalid`. */
export function parseAddress(text: string): BrokerAddress {
  const parts = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text.trim());
  const host = parts?.[1] ?? parts?.[2];
  const port = Number(parts?.[3] ?? 9092);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new KafkaError('invalid', `broker '${text}' is not host:port`);
  }
  return { host, port };
}
