import type { Logger } from '#shared/std/log.ts';
/** Who did what to whom; never a secret. */
export interface AuditFacts {
  alias?: string;
  tokenId?: string;
  /** Serial number of the certificate, hexadecimal. */
  serial?: string;
  address?: string;
  notAfter?: string;
  /** Whose tools or name it was: a user, an authority. */
  by?: string;
  path?: string;
}

/** Refusals of the same kind for the same site in the log at most this often. */
const quietMs = 60_000;
const rememberedMax = 1000;

/** Node's codes, as ours and in words. */
const connectionRefusals: { readonly [code: string]: [code: string, why: string] } = {
  ERR_SSL_UNSUPPORTED_PROTOCOL: ['tls-version', 'only TLS 1.3 is spoken here'],
  ERR_SSL_HTTP_REQUEST: ['plain-http', 'plain HTTP where TLS is spoken'],
  ERR_HTTP_REQUEST_TIMEOUT: ['too-slow', 'a request did not come in time'],
  ERR_TLS_HANDSHAKE_TIMEOUT: ['too-slow', 'the handshake was not finished in time'],
  HPE_HEADER_OVERFLOW: ['too-large', 'the headers are too large'],
};

/** Lines of the log that tell who was let in: `audit: true` and an `event` of their own. No secret. */
export class Audit {
  readonly #log: Logger;
  readonly #now: () => number;
  /** When a kind of refusal was last told; a site knocks again and again. */
  readonly #told = new Map<string, number>();

  constructor(log: Logger, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  done(event: string, facts: AuditFacts): void {
    this.#log.info({ audit: true, event, ...facts }, `audit: ${event}`);
  }

  /** A listener that refuses before there is a request. */
  readonly connection = (code: string, address: string | undefined): void => {
    const [own, why] = connectionRefusals[code] ?? ['bad-connection', 'this is not spoken here'];
    this.refused(Object.assign(new Error(`${why} (${code})`), { code: own }), { address });
  };

  /** Tells the refusal and gives it back, to be thrown. */
  refused<E extends Error & { code: string }>(error: E, facts: AuditFacts): E {
    const key = `${error.code} ${facts.alias ?? facts.tokenId ?? facts.address ?? ''}`;
    const now = this.#now();
    const last = this.#told.get(key);
    if (last !== undefined && now >= last && now - last < quietMs) return error;
    if (this.#told.size >= rememberedMax) this.#told.clear();
    this.#told.set(key, now);
    const what = { audit: true, event: 'refused', code: error.code, ...facts };
    this.#log.warn(what, `audit: refused: ${error.message}`);
    return error;
  }
}
