import { readFileSync } from 'node:fs';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { EdgeConfig } from './config.ts';
import { loadCredential } from './uplink/credential.ts';
import { CredentialKeeper } from './uplink/credential-keeper.ts';
import { HttpTransport } from './uplink/http-transport.ts';
import type { Transport } from './uplink/transport.ts';

export interface LinkIdentity {
  transport: Transport;
  close(): Promise<void>;
}

const checkEveryMs = 60_000;

/**
 * The way to central as the site that we are: by the certificate of `join`, which renews itself, or
 * by files that somebody else renews. Throws a RangeError where they cannot be used.
 */
export function openLinkIdentity(
  { alias, central }: EdgeConfig,
  url: () => string | null,
  parts: { clock: Clock; log: Logger; random: () => number },
): LinkIdentity {
  if (central.tlsFiles) return byFiles(central.tlsFiles, parts);
  const { credentialPath: path } = central;
  const credential = loadCredential(path);
  if (credential && credential.alias !== alias) {
    throw new RangeError(
      `alias = "${alias}", but this gateway joined as "${credential.alias}" (${path}); ` +
        'change alias back, or join again with a token of that alias',
    );
  }
  const http = new HttpTransport(credential);
  if (!credential) return { transport: http, close: async () => http.close() };
  const keeper = new CredentialKeeper({ ...parts, path, credential, transport: http, url });
  const transport: Transport = {
    async post(request) {
      const response = await http.post(request);
      keeper.heard(response);
      return response;
    },
    close: () => http.close(),
  };
  const close = async () => {
    await keeper.close();
    http.close();
  };
  void keeper.check();
  return { transport, close };
}

function byFiles(
  files: { caFile: string; certFile: string; keyFile: string },
  { clock, log }: { clock: Clock; log: Logger },
): LinkIdentity {
  const read = () => {
    const [ca, certificate, key] = [files.caFile, files.certFile, files.keyFile].map((file) =>
      readFileSync(file, 'utf8'),
    ) as [string, string, string];
    return { ca, certificate, key };
  };
  let now: ReturnType<typeof read>;
  try {
    now = read();
  } catch (error) {
    throw new RangeError(`central.ca_file, cert_file, key_file: ${(error as Error).message}`);
  }
  const http = new HttpTransport(now);
  const stop = clock.every(checkEveryMs, () => {
    try {
      const next = read();
      if (next.certificate === now.certificate && next.ca === now.ca) return;
      now = next;
      http.become(next);
      log.info('the link has a new certificate');
    } catch (error) {
      log.warn({ error: String(error) }, 'the link keeps its old certificate');
    }
  });
  const close = async () => {
    stop();
    http.close();
  };
  return { transport: http, close };
}
