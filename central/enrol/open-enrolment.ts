import type { X509Certificate } from 'node:crypto';
import { type Clock, isoTime } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { type EnrolAnswer, type EnrolRequest, parseToken } from '#shared/wire/enrol.ts';
import { Audit } from '../audit.ts';
import type { Landing } from '../landing/landing.ts';
import type { Authority, Issued } from './authority.ts';
import { keyPin } from './authority-keys.ts';
import { type AuthorityState, EnrolError, type Enrolment } from './enrol.ts';
import { type EnrolmentRow, Enrolments } from './enrolments.ts';
import { siteNameOf } from './site-name.ts';
import { isSecretOf, newToken, type TokenRow } from './tokens.ts';

export interface EnrolmentOptions {
  landing: Landing;
  authority: Authority;
  clock: Clock;
  log: Logger;
  /** Life of a site's certificate. */
  lifeMs: number;
  /** An expired certificate may still renew for this long. */
  graceMs: number;
  /** Another authority signs: whatever shows its certificates has to follow. */
  onAuthority: () => Promise<void>;
}

/** Requests under way with the old certificate may end after the new one was first seen. */
const handoverMs = 10 * 60_000;

/** Enrolment by central's own authority. */
export async function openEnrolment(options: EnrolmentOptions): Promise<Enrolment> {
  return new OwnEnrolment(options, await Enrolments.open(options.landing));
}

class OwnEnrolment implements Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #book: Enrolments;
  readonly #audit: Audit;

  constructor(options: EnrolmentOptions, book: Enrolments) {
    this.#options = options;
    this.#book = book;
    this.#audit = new Audit(options.log, () => options.clock.now());
  }

  issueToken(alias: string, ttlMs: number) {
    const { authority, clock } = this.#options;
    return this.#book.decide(async () => {
      const now = clock.now();
      const { row, token } = newToken(alias, authority.pin, now, ttlMs);
      const gone = [...this.#book.openTokensOf(alias), ...this.#book.outdatedTokens(now)];
      await this.#book.write({
        tokens: [...gone.map(({ id }) => ({ id, forget: true as const })), row],
      });
      const { id: tokenId, expiresAt } = row;
      this.#audit.done('token-issued', { alias, tokenId, notAfter: isoTime(expiresAt)! });
      return { alias, token, expiresAt };
    });
  }

  enrol(request: EnrolRequest, address: string | undefined): Promise<EnrolAnswer> {
    const { authority, clock, lifeMs } = this.#options;
    return this.#book.decide(async () => {
      const now = clock.now();
      const row = this.#redeem(request, now, address);
      const { alias, id: tokenId } = row;
      const issued = await authority.issueClient(request.csr, alias, now, lifeMs);
      if (row.usedFor !== null && row.usedFor !== issued.key) {
        const why = `the join token ${tokenId} was used already, by another machine`;
        throw this.#refuse('token-used', why, newTokenHint(alias), { alias, tokenId, address });
      }
      const enrolment: EnrolmentRow = {
        ...{ alias, key: issued.key, previousKey: null, previousUntil: null },
        ...{ enrolledAt: now, renewedAt: null, notAfter: issued.notAfter, disabled: false },
        authority: authority.pin,
      };
      // Until the gateway has heard the answer it may ask again: only its own key is served then.
      await this.#book.write({ tokens: [{ ...row, usedFor: issued.key }], enrolment });
      this.#audit.done('enrolled', { ...factsOf(alias, issued), tokenId, address });
      return this.#answer(alias, issued);
    });
  }

  /** The token's row, when it is good. Throws an EnrolError. */
  #redeem({ token, alias }: EnrolRequest, now: number, address: string | undefined): TokenRow {
    const said = parseToken(token);
    const row = said && this.#book.token(said.id);
    if (!row || !isSecretOf(row, said)) {
      const why = 'the join token is not one of this central, or was replaced by a newer one';
      throw this.#refuse('token-unknown', why, newTokenHint('ALIAS'), {
        tokenId: said?.id,
        address,
      });
    }
    const facts = { alias: row.alias, tokenId: row.id, address };
    if (row.expiresAt <= now) {
      const why = `the join token expired at ${isoTime(row.expiresAt)}`;
      throw this.#refuse('token-expired', why, newTokenHint(row.alias), facts);
    }
    if (alias !== null && alias !== row.alias) {
      const why = `the join token is for "${row.alias}", and the settings say "${alias}"`;
      throw this.#refuse('not-your-alias', why, 'set that alias, or ask for another token', facts);
    }
    const known = this.#book.of(row.alias);
    if (row.usedFor !== null && known?.key !== row.usedFor && known?.previousKey !== row.usedFor) {
      const why = `the join token ${row.id} was used already, and what came of it was revoked`;
      throw this.#refuse('token-used', why, newTokenHint(row.alias), facts);
    }
    return row;
  }

  renew(certificate: X509Certificate, { csr }: { csr: string }): Promise<EnrolAnswer> {
    const { authority, clock, lifeMs, graceMs } = this.#options;
    return this.#book.decide(async () => {
      const now = clock.now();
      const row = this.#rowOf(certificate);
      const { alias } = row;
      const expiredMs = now - certificate.validToDate.getTime();
      if (expiredMs > graceMs) {
        throw this.#refuse(
          'expired-beyond-grace',
          `the certificate of "${alias}" expired at ${isoTime(now - expiredMs)}, too long ago`,
          `on the gateway: tributary-edge join TOKEN, of "tributary-central enrol ${alias}"`,
          { alias, serial: certificate.serialNumber },
        );
      }
      const issued = await authority.issueClient(csr, alias, now, lifeMs);
      const shown = keyPin(certificate.publicKey);
      const previousKey = issued.key === shown ? null : shown;
      await this.#book.write({
        enrolment: {
          ...row,
          ...{ key: issued.key, previousKey, previousUntil: null },
          ...{ renewedAt: now, notAfter: issued.notAfter, authority: authority.pin },
        },
      });
      this.#audit.done('renewed', factsOf(alias, issued));
      return this.#answer(alias, issued);
    });
  }

  identify(certificate: X509Certificate): string {
    const { clock } = this.#options;
    const row = this.#rowOf(certificate);
    const notAfter = certificate.validToDate.getTime();
    if (clock.now() > notAfter) {
      throw this.#refuse(
        'certificate-expired',
        `the certificate of "${row.alias}" expired at ${isoTime(notAfter)}`,
        'the agent renews it by itself; its log says why it could not',
        { alias: row.alias, serial: certificate.serialNumber },
      );
    }
    const usesNewest = row.previousKey !== null && row.previousUntil === null;
    if (usesNewest && keyPin(certificate.publicKey) === row.key) this.#endHandover(row.alias);
    return row.alias;
  }

  /** The enrolment that this certificate belongs to, whatever its time. Throws an EnrolError. */
  #rowOf(certificate: X509Certificate): EnrolmentRow {
    const { authority, clock } = this.#options;
    const alias = siteNameOf(certificate);
    const facts = { alias, serial: certificate.serialNumber };
    const isClient = certificate.keyUsage?.includes('1.3.6.1.5.5.7.3.2') && !certificate.ca;
    if (alias === undefined || !isClient || !authority.signer(certificate)) {
      const why = 'the certificate was not issued to a site by this central';
      throw this.#refuse('foreign-certificate', why, newTokenHint('ALIAS'), facts);
    }
    const row = this.#book.of(alias);
    const key = keyPin(certificate.publicKey);
    const predecessor =
      key === row?.previousKey && (row.previousUntil === null || clock.now() < row.previousUntil);
    if (row === undefined || (key !== row.key && !predecessor)) {
      const why = `the certificate of "${alias}" was revoked or replaced`;
      throw this.#refuse('revoked', why, newTokenHint(alias), facts);
    }
    if (row.disabled) {
      const hint = `tributary-central edges enable ${alias}`;
      throw this.#refuse('disabled', `"${alias}" was disabled at central`, hint, facts);
    }
    return row;
  }

  /** The newest key is in use: a copy of the gateway with the one before is shut out soon. */
  #endHandover(alias: string): void {
    const { clock, log } = this.#options;
    const row = this.#book.of(alias)!;
    const previousUntil = clock.now() + handoverMs;
    row.previousUntil = previousUntil;
    this.#change(alias, (now) => ({ ...now, previousUntil })).catch((error: unknown) => {
      log.error({ error: String(error), alias }, 'the end of a handover was not written');
      row.previousUntil = null;
    });
  }

  enrolled(): string[] {
    return this.#book.aliases();
  }

  disable(alias: string, disabled: boolean): Promise<boolean> {
    return this.#change(alias, (row) => ({ ...row, disabled }), disabled ? 'disabled' : 'enabled');
  }

  async dropPredecessor(alias: string): Promise<void> {
    const alone = { previousKey: null, previousUntil: null };
    await this.#change(alias, (row) => ({ ...row, ...alone }), 'predecessor-dropped');
  }

  remove(alias: string): Promise<boolean> {
    return this.#book.decide(async () => {
      const open = this.#book.openTokensOf(alias);
      const known = this.#book.of(alias) !== undefined;
      if (!known && open.length === 0) return false;
      await this.#book.write({
        tokens: open.map(({ id }) => ({ id, forget: true as const })),
        enrolment: { alias, forget: true },
      });
      this.#audit.done('removed', { alias });
      return true;
    });
  }

  isOutdated(certificate: X509Certificate): boolean {
    const { authority } = this.#options;
    return authority.pinBefore !== null && authority.signer(certificate) === authority.pinBefore;
  }

  authority(): AuthorityState {
    const { pin, pinBefore } = this.#options.authority;
    const isBefore = (alias: string) => this.#book.of(alias)?.authority !== pin;
    const sitesBefore = pinBefore === null ? [] : this.#book.aliases().filter(isBefore).sort();
    return { pin, pinBefore, sitesBefore };
  }

  rotateAuthority(): Promise<AuthorityState> {
    const { authority, clock, onAuthority } = this.#options;
    return this.#book.decide(async () => {
      await authority.rotate(clock.now());
      this.#audit.done('authority-rotated', { by: authority.pin });
      await onAuthority();
      return this.authority();
    });
  }

  retireAuthority(evenSo: boolean): Promise<AuthorityState> {
    const { authority, onAuthority } = this.#options;
    return this.#book.decide(async () => {
      const { pinBefore, sitesBefore } = this.authority();
      if (pinBefore === null) throw new RangeError('there is no authority before this one');
      if (sitesBefore.length > 0 && !evenSo) {
        const named = sitesBefore.slice(0, 10).join(', ') + (sitesBefore.length > 10 ? ', …' : '');
        throw new RangeError(
          `${sitesBefore.length} sites have not renewed since and would have to join again: ${named}`,
        );
      }
      authority.retire();
      this.#audit.done('authority-retired', { by: pinBefore });
      await onAuthority();
      return this.authority();
    });
  }

  #change(alias: string, to: (row: EnrolmentRow) => EnrolmentRow, event?: string) {
    return this.#book.decide(async () => {
      const row = this.#book.of(alias);
      if (!row) return false;
      await this.#book.write({ enrolment: to(row) });
      if (event !== undefined) this.#audit.done(event, { alias });
      return true;
    });
  }

  #refuse(code: string, message: string, hint: string, facts: Parameters<Audit['refused']>[1]) {
    return this.#audit.refused(new EnrolError(403, code, message, hint), facts);
  }

  #answer(alias: string, { certificate }: Issued): EnrolAnswer {
    return { alias, certificate, ca: this.#options.authority.certificate };
  }
}

const newTokenHint = (alias: string): string =>
  `ask for a new one: tributary-central enrol ${alias}`;

const factsOf = (alias: string, { serial, notAfter }: Issued) => ({
  alias,
  serial,
  notAfter: isoTime(notAfter)!,
});
