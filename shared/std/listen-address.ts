import { BlockList, isIP } from 'node:net';

/** `host:port` as settings have it. */
export interface ListenAddress {
  host: string;
  port: number;
}

const example = 'for example "127.0.0.1:8081" or "[::1]:0"';

/** Why `listen` is no address to listen on; undefined when it is one. */
export function listenProblem(listen: unknown): string | undefined {
  if (typeof listen !== 'string' || listen === '') return `must be "host:port", ${example}`;
  const split = splitHostPort(listen);
  if (split === undefined || split.port === undefined) return `must be "host:port", ${example}`;
  if (!/^\d{1,5}$/.test(split.port) || Number(split.port) > 65_535) {
    return `has the port "${split.port}"; a port is a number from 0 (picks a free one) to 65535`;
  }
  return undefined;
}

/** Throws a RangeError that names the setting where `listen` is no address. */
export function parseListen(listen: string, setting = 'listen'): ListenAddress {
  const problem = listenProblem(listen);
  if (problem !== undefined) throw new RangeError(`${setting} = "${listen}" ${problem}`);
  const { host, port } = splitHostPort(listen)!;
  return { host, port: Number(port) };
}

/**
 * Takes `host`, `host:port`, `[v6]` and `[v6]:port` apart, brackets off; a Host header is like
 * this too.
 */
export function splitHostPort(text: string): { host: string; port?: string } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]/\s@]+))(?::([^:]*))?$/.exec(text);
  if (match === null) return undefined;
  const host = match[1] ?? match[2]!;
  if (match[1] !== undefined && isIP(host) !== 6) return undefined;
  return { host, port: match[3] };
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Whether `host` (an address or `localhost`, brackets allowed, no port) never leaves this
 * machine.
 */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (bare === 'localhost') return true;
  const family = isIP(bare);
  return family !== 0 && loopback.check(bare, family === 6 ? 'ipv6' : 'ipv4');
}

/**
 * The address as a URL on this machine has it: "any" addresses become loopback, IPv6 gets
 * brackets.
 */
export function urlHost(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  if (address === '::') return '[::1]';
  return isIP(address) === 6 ? `[${address}]` : address;
}
