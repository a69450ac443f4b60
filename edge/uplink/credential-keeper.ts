import { Backoff } from '#shared/std/backoff.ts';
import { type Clock, isoTime } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { checkEnrolAnswer, enrolPath } from '#shared/wire/enrol.ts';
import { linkHeader } from '#shared/wire/link.ts';
import { type Credential, saveCredential, validityOf } from './credential.ts';
import type { TlsIdentity } from './tls-connect.ts';
import type { Transport, TransportResponse } from './transport.ts';

export interface CredentialKeeperOptions {
  path: string;
  credential: Credential;
  transport: Transport & { become(identity: TlsIdentity): void };
  /** The central that is used now. */
  url: () => string | null;
  clock: Clock;
  log: Logger;
  random: () => number;
}

/** How often it is looked whether renewal is due: a clock that is set, a machine that slept. */
const lookEveryMs = 60_000;
const timeoutMs = 30_000;
const spreadMs = 10 * 60_000;

/**
 * Renews the certificate over the link: at two thirds of its life, give or take a twentieth, so
 * that sites that joined together do not come together; at once when it has expired or central
 * says so, whatever our clock says. Each renewal makes a new key.
 */
export class CredentialKeeper {
  readonly #options: CredentialKeeperOptions;
  readonly #backoff: Backoff;
  readonly #jitter: number;
  readonly #stop: () => void;
  readonly #abort = new AbortController();
  #credential: Credential;
  #notBeforeAttempt = 0;
  #running: Promise<void> | undefined;
  #told = false;

  constructor(options: CredentialKeeperOptions) {
    this.#options = options;
    this.#credential = options.credential;
    this.#jitter = (options.random() - 0.5) * 0.1;
    const { random, clock } = options;
    this.#backoff = new Backoff({ baseMs: 10_000, maxMs: 3_600_000, random });
    this.#stop = clock.every(lookEveryMs, () => void this.check());
  }

  get credential(): Credential {
    return this.#credential;
  }

  /** When renewal falls due by our clock, ms. */
  get dueAt(): number {
    const { notBefore, notAfter } = validityOf(this.#credential);
    return notBefore + (notAfter - notBefore) * (2 / 3 + this.#jitter);
  }

  /** Renews when that is due and the last failure is long enough ago. Never rejects. */
  check(): Promise<void> {
    const { clock } = this.#options;
    const isDue = this.#told || clock.now() >= this.dueAt;
    if (!isDue || clock.monotonic() < this.#notBeforeAttempt) return this.#running ?? DONE;
    this.#running ??= this.#renew().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /**
   * Central's answers pass by here: one may say that the certificate has expired, or that it is of
   * an authority that goes. The latter is told to all sites at once: they spread themselves.
   */
  heard(response: TransportResponse): void {
    if (response.headers[linkHeader.renew] !== undefined && !this.#told) {
      const { clock, random } = this.#options;
      this.#told = true;
      this.#notBeforeAttempt = clock.monotonic() + random() * spreadMs;
      void this.check();
      return;
    }
    if (response.status !== 403) return;
    const text = Buffer.from(response.body).toString('utf8');
    if (!text.includes('"certificate-expired"')) return;
    this.#told = true;
    void this.check();
  }

  async close(): Promise<void> {
    this.#stop();
    this.#abort.abort(new Error('the agent stops'));
    await this.#running;
  }

  async #renew(): Promise<void> {
    const { clock, log, path, transport } = this.#options;
    try {
      const next = await this.#ask();
      saveCredential(path, next);
      this.#credential = next;
      this.#told = false;
      this.#backoff.reset();
      transport.become(next);
      const until = isoTime(validityOf(next).notAfter);
      log.info({ audit: true, event: 'renewed', alias: next.alias, until }, 'certificate renewed');
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      const pauseMs = this.#backoff.next();
      this.#notBeforeAttempt = clock.monotonic() + pauseMs;
      log.warn({ error: (error as Error).message }, 'the certificate could not be renewed yet');
    }
  }

  async #ask(): Promise<Credential> {
    const { transport, url } = this.#options;
    // Only here: nothing else of a running agent needs the library behind it.
    const { newKey, requestFor } = await import('./credential-request.ts');
    const key = await newKey();
    const base = url();
    if (base === null) throw new Error('no central.url is set');
    const response = await transport.post({
      url: base,
      path: enrolPath.renew,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ csr: await requestFor(key) })),
      timeoutMs,
      signal: this.#abort.signal,
    });
    const text = Buffer.from(response.body).toString('utf8');
    if (response.status !== 200) throw new Error(`central: ${text.slice(0, 500)}`);
    const { alias, certificate, ca } = checkEnrolAnswer(JSON.parse(text));
    if (alias !== this.#credential.alias) throw new Error(`central calls us "${alias}" now`);
    return { ...this.#credential, key, certificate, ca };
  }
}

const DONE = Promise.resolve();
