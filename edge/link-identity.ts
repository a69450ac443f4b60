import { readFileSync } from 'node:fs';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { EdgeConfig } from './config.ts';
import { type Credential, loadCredential } from './uplink/credential.ts';
import { CredentialKeeper } from './uplink/credential-keeper.ts';
import { watchCredential } from './uplink/credential-watch.ts';
import { HttpTransport } from './uplink/http-transport.ts';
import { Joiner } from './uplink/joiner.ts';
import { type Transport, TransportError } from './uplink/transport.ts';

interface Parts {
  clock: Clock;
  log: Logger;
  random: () => number;
}

export interface LinkIdentity {
  transport: Transport;
  close(): Promise<void>;
  /** Resolves, with the reason, when somebody has put another credential in the place of ours. */
  replaced: Promise<string>;
}

const checkEveryMs = 60_000;

/**
 * The way to central as the site that we are: by the certificate of `join`, which renews itself, or
 * by files that somebody else renews. Throws a RangeError where they cannot be used.
 */
export function openLinkIdentity(
  { alias, central }: EdgeConfig,
  url: () => string | null,
  parts: Parts,
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
  const join = { ...parts, ...central, path, alias };
  if (!credential) return notYet(join);
  const http = new HttpTransport(credential);
  const keeper = new CredentialKeeper({ ...parts, path, credential, transport: http, url });
  const transport: Transport = {
    async post(request) {
      const response = await http.post(request);
      keeper.heard(response);
      return response;
    },
    close: () => http.close(),
  };
  const { joinToken } = central;
  const isNew = joinToken !== null && joinToken.id !== credential.tokenId;
  const joining = openJoining(isNew ? join : { ...join, joinToken: null }, () => keeper.credential);
  const close = async () => {
    await joining.close();
    await keeper.close();
    http.close();
  };
  void keeper.check();
  return { transport, close, replaced: joining.replaced };
}

interface JoinParts extends Parts {
  alias: string | null;
  urls: readonly string[];
  path: string;
  joinToken: EdgeConfig['central']['joinToken'];
}

/**
 * Somebody may join at any time: by hand, or with the token of the settings, which is tried until
 * it is used or refused. `why` says how that goes; null: there is no token.
 */
export function openJoining(parts: JoinParts, current: () => Credential | undefined) {
  const { joinToken: token, path } = parts;
  const { promise: replaced, resolve } = Promise.withResolvers<string>();
  const unwatch = watchCredential(path, current, parts, ({ alias }) =>
    resolve(`this gateway has joined as "${alias}"`),
  );
  const canJoin = token !== null && parts.urls.some((url) => url.startsWith('https://'));
  const joiner = canJoin ? new Joiner({ ...parts, token }) : undefined;
  const close = async () => {
    unwatch();
    await joiner?.close();
  };
  return { replaced, close, why: () => joiner?.why ?? null };
}

/** No credential yet: nothing is asked of a central that would only refuse it. */
function notYet(parts: JoinParts): LinkIdentity {
  const http = new HttpTransport();
  const { replaced, why, close } = openJoining(parts, () => undefined);
  const transport: Transport = {
    async post(request) {
      const reason = why();
      if (reason === null || !request.url.startsWith('https://')) return http.post(request);
      throw new TransportError(`this gateway has not joined yet: ${reason}`);
    },
    close: () => http.close(),
  };
  return {
    ...{ transport, replaced },
    async close() {
      await close();
      http.close();
    },
  };
}

function byFiles(
  files: { caFile: string; certFile: string; keyFile: string },
  { clock, log }: Parts,
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
  return { transport: http, close, replaced: new Promise(() => {}) };
}
