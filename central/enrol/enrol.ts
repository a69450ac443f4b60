import type { X509Certificate } from 'node:crypto';
import type { EnrolAnswer, EnrolRequest, RenewRequest } from '#shared/wire/enrol.ts';

/** What the link asks of a certificate. */
export interface Credentials {
  /**
   * The site that this certificate stands for, now; the peer has proved to hold its key. Throws an
   * EnrolError. `trusted`: TLS has checked chain and time against the authority it was given.
   */
  identify(certificate: X509Certificate, trusted: boolean): string;
  /** Whether the site should renew at once: its certificate is of an authority that goes. */
  isOutdated(certificate: X509Certificate): boolean;
}

/**
 * The door of enrolment: who may call itself which site. Tokens, enrolments and revocations are
 * facts in the landing's registry; the authority's key stays in a file of this machine.
 */
export interface Enrolment extends Credentials {
  /** Makes a one-time token for `alias`; it replaces one that was not used yet. */
  issueToken(alias: string, ttlMs: number): Promise<IssuedToken>;
  /** Throws an EnrolError. Asked again with the same key, it answers the same way. */
  enrol(request: EnrolRequest, address: string | undefined): Promise<EnrolAnswer>;
  /** Throws an EnrolError. An expired certificate may renew within the grace. */
  renew(certificate: X509Certificate, request: RenewRequest): Promise<EnrolAnswer>;
  /** Every alias that may come in with a certificate. */
  enrolled(): string[];
  /** From this moment on none of the site's certificates is taken; null: it was not enrolled. */
  disable(alias: string, disabled: boolean): Promise<boolean>;
  /** Only the newest key of the site is taken from now on. */
  dropPredecessor(alias: string): Promise<void>;
  /** Forgets the site's keys and tokens. */
  remove(alias: string): Promise<boolean>;
  authority(): AuthorityState;
  /** Another key signs from now on. Throws a RangeError while the one before is believed. */
  rotateAuthority(): Promise<AuthorityState>;
  /**
   * The authority before is believed no longer. Throws a RangeError that names the sites which
   * would have to join again, unless that is what is wanted.
   */
  retireAuthority(evenSo: boolean): Promise<AuthorityState>;
}

export interface AuthorityState {
  /** SHA-256 of the key that signs, base64url: what tokens pin. */
  pin: string;
  /** The one before, while it is believed; null: there is none. */
  pinBefore: string | null;
  /** Sites whose newest certificate is of the one before. */
  sitesBefore: string[];
}

export interface IssuedToken {
  alias: string;
  /** Shown once, to the person who asked; kept nowhere. */
  token: string;
  /** Central's clock, ms. */
  expiresAt: number;
}

/** Refused, and why; every one is in the audit log. */
export class EnrolError extends Error {
  override name = 'EnrolError';
  readonly status: 400 | 403 | 409;
  readonly code: string;
  readonly hint: string | undefined;

  constructor(status: EnrolError['status'], code: string, message: string, hint?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}
