import { existsSync, readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import type { LinkTls } from './link-tls-settings.ts';

/** `[status]` as read, as far as other machines are concerned. */
interface Written {
  remote: string | undefined;
  names: string[];
  token_file: string | undefined;
  client_ca_file: string | undefined;
  client_names: string[] | undefined;
  proxy_header: string | undefined;
  proxy_addresses: string[] | undefined;
}

/** Who may come in at `status.remote`; at least one of the ways is set. */
export interface RemoteStatusSettings {
  listen: string;
  names: string[];
  tokenFile: string | null;
  /** Certificates of this authority; `names`: only these common names, null: all of them. */
  client: { caFile: string; names: string[] | null } | null;
  /** A header of a reverse proxy that has signed people in, believed from these addresses alone. */
  proxy: { header: string; addresses: string[] } | null;
}

/**
 * Tells what does not fit together. null: no listener for other machines. `credentials` is where
 * systemd puts ours.
 */
export function remoteStatusOf(
  status: Written,
  tls: LinkTls,
  credentials: string | undefined,
  problem: (key: string, message: string) => void,
): RemoteStatusSettings | null {
  const { remote: listen, client_ca_file: caFile } = status;
  const tokenFile = status.token_file ?? credentialToken(credentials);
  const { proxy_header: header, proxy_addresses: addresses = [] } = status;
  const { client_names: names = null } = status;
  if (header !== undefined && !/^[A-Za-z][A-Za-z0-9-]{0,63}$/.test(header)) {
    problem('status.proxy_header', 'must be the name of a header, such as "X-Forwarded-User"');
  } else if (header !== undefined && standard.has(header.toLowerCase())) {
    problem('status.proxy_header', 'is a header that every client sends; name one of its own');
  }
  if (header !== undefined && addresses.length === 0) {
    problem('status.proxy_header', 'needs status.proxy_addresses: whose word it is');
  }
  if (header === undefined && addresses.length > 0) {
    problem('status.proxy_addresses', 'needs status.proxy_header: what these say');
  }
  for (const address of addresses) {
    if (!addAddress(new BlockList(), address)) {
      problem(
        'status.proxy_addresses',
        `"${address}" is no address like "10.0.0.5" or "10.0.0.0/30"`,
      );
    }
  }
  if (names !== null && caFile === undefined) {
    problem('status.client_names', 'needs status.client_ca_file: who vouches for these names');
  }
  if (listen === undefined) return null;
  if (tokenFile === null && caFile === undefined && header === undefined) {
    problem(
      'status.remote',
      'needs status.token_file, client_ca_file or proxy_header: who may see and change sites',
    );
  }
  if (tls.mode === 'off') {
    problem('status.remote', 'needs the certificate of the link; set link.tls = "own"');
  }
  const client = caFile === undefined ? null : { caFile, names };
  const proxy = header === undefined ? null : { header: header.toLowerCase(), addresses };
  return { ...{ listen, tokenFile, client, proxy }, names: status.names };
}

const rootsToken = '/etc/tributary/status-token';

/**
 * Root's file, which systemd hands over (the word `none` where there is none). Whoever only asks the
 * running central sees that it is there.
 */
function credentialToken(directory: string | undefined): string | null {
  if (directory === undefined) return existsSync(rootsToken) ? rootsToken : null;
  const path = `${directory}/status-token`;
  if (!existsSync(path)) return null;
  return readFileSync(path, 'utf8').trim() === 'none' ? null : path;
}

const standard = new Set(['host', 'origin', 'accept', 'cookie', 'authorization', 'user-agent']);

/** `list` takes an address or a range; false: it is none. */
export function addAddress(list: BlockList, text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  const type = family === 6 ? 'ipv6' : 'ipv4';
  if (bits === undefined) list.addAddress(address, type);
  else if (!/^\d{1,3}$/.test(bits) || Number(bits) > (family === 6 ? 128 : 32)) return false;
  else list.addSubnet(address, Number(bits), type);
  return true;
}
