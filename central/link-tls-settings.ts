import { hostname, networkInterfaces } from 'node:os';
import { isLoopback, splitHostPort } from '#shared/std/listen-address.ts';

/** `[link]` and `[enrol]` as read. */
interface Written {
  listen: string;
  tls: 'auto' | 'own' | 'off';
  names: string[] | undefined;
  cert_file: string | undefined;
  key_file: string | undefined;
  ca_file: string | undefined;
  crl_file: string | undefined;
}

/** How the link proves who is who. */
export type LinkTls =
  | { mode: 'off' }
  | { mode: 'own'; names: string[] }
  | { mode: 'files'; certFile: string; keyFile: string; caFile: string; crlFile: string | null };

/** Tells what does not fit together, then answers what can be made of it. */
export function linkTlsOf(link: Written, problem: (key: string, message: string) => void): LinkTls {
  const { listen, cert_file: certFile, key_file: keyFile, ca_file: caFile } = link;
  const isLocal = isLoopback(splitHostPort(listen)?.host ?? '');
  const hasFiles = [certFile, keyFile, caFile].some((file) => file !== undefined);
  const auto = hasFiles ? 'files' : isLocal ? 'off' : 'own';
  const mode = link.tls === 'auto' ? auto : link.tls;
  if (mode === 'off' && !isLocal) {
    problem(
      'link.tls',
      'is "off", and link.listen can be reached from other machines: any program could call ' +
        'itself any site; use "auto"',
    );
  }
  if (hasFiles && mode !== 'files') {
    problem('link.tls', 'does not go with cert_file, key_file and ca_file; use "auto"');
  }
  if (link.crl_file !== undefined && mode !== 'files') {
    problem(
      'link.crl_file',
      'goes with ca_file, of an outside authority; sites of our own are shut out with ' +
        '"tributary-central edges disable"',
    );
  }
  if (mode === 'own') return { mode, names: [...new Set([...(link.names ?? []), ...ownNames()])] };
  if (mode === 'off') return { mode };
  for (const [key, file] of Object.entries({ certFile, keyFile, caFile })) {
    const name = `link.${key.replace('File', '_file')}`;
    if (file === undefined)
      problem(name, 'is needed too: cert_file, key_file and ca_file go together');
  }
  const crlFile = link.crl_file ?? null;
  return { mode, certFile: certFile ?? '', keyFile: keyFile ?? '', caFile: caFile ?? '', crlFile };
}

/** What this machine is reached by, as far as it knows. */
function ownNames(): string[] {
  const name = hostname();
  return [
    ...(/^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/.test(name) ? [name] : []),
    ...addresses().filter((address) => !address.startsWith('fe80')),
    ...['localhost', '127.0.0.1', '::1'],
  ];
}

/** A hardened service may not look at the network's interfaces. */
function addresses(): string[] {
  try {
    return Object.values(networkInterfaces()).flatMap((all) =>
      (all ?? []).filter(({ internal }) => !internal).map(({ address }) => address),
    );
  } catch {
    return [];
  }
}
