import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority, dayMs } from '#central/enrol/authority.ts';
import type { EnrolError, Enrolment } from '#central/enrol/enrol.ts';
import { openEnrolment } from '#central/enrol/open-enrolment.ts';
import { openInlineLanding } from '#central/landing/embedded.ts';
import { openMemoryDatabase } from '#central/landing/embedded-open.ts';
import { newKey, requestFor } from '#edge/uplink/credential-request.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { silentLog } from '#shared/std/log.ts';

/** Enrolment over a landing in memory, with a clock of its own and its log kept. */
export class EnrolmentBench {
  readonly folder = mkdtempSync(join(tmpdir(), 'enrolment-'));
  #now = Date.UTC(2026, 0, 1);
  readonly clock: Clock = {
    now: () => this.#now,
    monotonic: () => 0,
    sleep: () => new Promise(() => {}),
    every: () => () => {},
  };
  readonly database = openMemoryDatabase();
  readonly lines: { [field: string]: unknown }[] = [];
  enrolment!: Enrolment;
  authority!: Authority;

  async open(): Promise<void> {
    const { clock } = this;
    const landing = openInlineLanding(
      this.database,
      { retentionMs: Number.POSITIVE_INFINITY, maxBytes: 2 ** 40 },
      { clock, log: silentLog, newId: () => 'c'.repeat(32) },
    );
    this.authority = await Authority.open(this.authorityPath, 'c'.repeat(32), clock.now());
    this.enrolment = await openEnrolment({
      ...{ landing, authority: this.authority, clock, log: this.log },
      ...{ lifeMs: 30 * dayMs, graceMs: 180 * dayMs, onAuthority: async () => {} },
    });
  }

  get authorityPath(): string {
    return join(this.folder, 'authority.pem');
  }

  readonly log: Logger = {
    ...silentLog,
    info: (fields: object) => void this.lines.push({ ...fields }),
    warn: (fields: object) => void this.lines.push({ ...fields }),
  } as Logger;

  /** Audit events so far: `refused` with its code. */
  audit(): string[] {
    return this.lines
      .filter(({ audit }) => audit === true)
      .map(({ event, code }) => (code ? `${event} ${code}` : String(event)));
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }

  async token(alias = 'factory-a', ttlMs = dayMs): Promise<string> {
    return (await this.enrolment.issueToken(alias, ttlMs)).token;
  }

  async enrol(token: string, key?: string, alias: string | null = null) {
    const csr = await requestFor(key ?? (await newKey()));
    const answer = await this.enrolment.enrol({ token, csr, alias }, '192.0.2.7');
    return { ...answer, x509: new X509Certificate(answer.certificate) };
  }

  async renew(certificate: X509Certificate, key?: string): Promise<X509Certificate> {
    const csr = await requestFor(key ?? (await newKey()));
    return new X509Certificate((await this.enrolment.renew(certificate, { csr })).certificate);
  }
}

/** The code of the EnrolError that comes; fails when none does. */
export async function codeOf(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    if ((error as Error).name !== 'EnrolError') throw error;
    return (error as EnrolError).code;
  }
  throw new Error('it was let through');
}
