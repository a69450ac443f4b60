import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import tls from 'node:tls';

/** Whom to believe and who we are, PEM; all missing: the system's authorities, nobody. */
export interface TlsIdentity {
  ca?: string;
  key?: string;
  certificate?: string;
}

const handshakeMs = 20_000;

/**
 * Opens a TLS 1.3 connection and resolves only when the other end has proved to be central. A
 * gateway whose clock is behind finds central's certificate "not yet valid": that alone is forgiven
 * where our own authority signed it, since it cannot have been signed before it existed.
 */
export function connectTls(
  target: { host: string; port: number },
  { ca, key, certificate }: TlsIdentity,
): Promise<tls.TLSSocket> {
  const { host, port } = target;
  return new Promise((resolve, reject) => {
    const socket = tls.connect({
      ...{ host, port, ca, key, cert: certificate },
      servername: isIP(host) === 0 ? host : '',
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['http/1.1'],
      // Judged below, before anything is sent.
      rejectUnauthorized: false,
    });
    const late = AbortSignal.timeout(handshakeMs);
    const giveUp = () => socket.destroy(new Error('the handshake takes too long'));
    late.addEventListener('abort', giveUp, { once: true });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection was closed at once')));
    socket.once('secureConnect', () => {
      late.removeEventListener('abort', giveUp);
      const problem = problemOf(socket, host, ca);
      if (problem === undefined) resolve(socket);
      else socket.destroy(new Error(problem));
    });
  });
}

function problemOf(socket: tls.TLSSocket, host: string, ca: string | undefined) {
  if (socket.authorized) return undefined;
  const error = String(socket.authorizationError);
  const shown = socket.getPeerX509Certificate();
  if (error === 'CERT_NOT_YET_VALID' && shown && ca && isSignedFor(shown, host, ca)) {
    return undefined;
  }
  return `the other end does not prove to be central (${error}); ${adviceFor(error, host)}`;
}

function isSignedFor(shown: X509Certificate, host: string, ca: string): boolean {
  const isNamed = isIP(host) === 0 ? shown.checkHost(host) : shown.checkIP(host);
  const isServer = shown.keyUsage?.includes('1.3.6.1.5.5.7.3.1');
  return isNamed !== undefined && isServer === true && isSignedBy(shown, new X509Certificate(ca));
}

/** Also over a bridge: the key of an authority that ours has vouched for (authority.ts). */
function isSignedBy(shown: X509Certificate, authority: X509Certificate): boolean {
  const signed = (one: X509Certificate, by: X509Certificate) =>
    one.checkIssued(by) && one.verify(by.publicKey);
  if (signed(shown, authority)) return true;
  return chainOf(shown).some((one) => one.ca && signed(shown, one) && signed(one, authority));
}

/** What the other end has sent along. */
export function chainOf(shown: X509Certificate | undefined): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let at = shown;
  while (at && chain.length < 10) {
    chain.push(at);
    at = at.issuerCertificate;
  }
  return chain;
}

function adviceFor(error: string, host: string): string {
  if (error.includes('ALTNAME') || error.includes('altnames')) {
    return `add "${host}" to link.names at central and restart it`;
  }
  if (error === 'CERT_HAS_EXPIRED') return 'compare the clocks of this gateway and of central';
  return 'it is another central than the one that this gateway joined, or somebody in between';
}
