import { aliasProblem } from './alias.ts';
import { LinkFormatError } from './json-shape.ts';

/**
 * How a gateway becomes a site (PROTOCOL.md): it shows a one-time token and a certificate request,
 * and gets a certificate whose alias central chose. Renewal is the same over mutual TLS, without
 * the token. Both over TLS 1.3 only.
 */
export const enrolPath = {
  enrol: '/link/v1/enrol',
  renew: '/link/v1/renew',
} as const;

/** Body of both requests, bytes. */
export const enrolBytesMax = 16 * 1024;

export interface EnrolRequest {
  /** `id.secret.pin`, see {@link parseToken}. */
  token: string;
  /** PKCS#10, PEM; P-256. Only its key counts: subject and extensions are central's to choose. */
  csr: string;
  /** What the gateway's settings call it already; null: it takes what it gets. */
  alias: string | null;
}

export interface RenewRequest {
  csr: string;
}

export interface EnrolAnswer {
  alias: string;
  /** PEM. */
  certificate: string;
  /** Whoever signed central's certificate, PEM. */
  ca: string;
}

/** Name of a site in a certificate: the only URI among its alternative names. */
export const aliasUri = (alias: string): string => `tributary:edge:${alias}`;

export interface JoinToken {
  /** 16 hexadecimal digits; no secret. */
  id: string;
  /** 32 bytes, base64url. */
  secret: string;
  /** SHA-256 of the authority's public key (SPKI, DER), base64url: whom to believe at first. */
  pin: string;
}

const tokenPattern = /^([0-9a-f]{16})\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/;

/** undefined when `text` is no token. */
export function parseToken(text: string): JoinToken | undefined {
  const [, id, secret, pin] = tokenPattern.exec(text.trim()) ?? [];
  return id && secret && pin ? { id, secret, pin } : undefined;
}

export const formatToken = ({ id, secret, pin }: JoinToken): string => `${id}.${secret}.${pin}`;

/** Throws a LinkFormatError. */
export function checkEnrolRequest(json: unknown): EnrolRequest {
  const { token, csr, alias = null } = fieldsOf(json);
  return {
    token: textOf('token', token, 200),
    csr: csrOf(csr),
    alias: alias === null ? null : aliasOf(alias),
  };
}

/** Throws a LinkFormatError. */
export const checkRenewRequest = (json: unknown): RenewRequest => ({
  csr: csrOf(fieldsOf(json).csr),
});

/** Throws a LinkFormatError. */
export function checkEnrolAnswer(json: unknown): EnrolAnswer {
  const { alias, certificate, ca } = fieldsOf(json);
  return {
    alias: aliasOf(alias),
    certificate: textOf('certificate', certificate, 64 * 1024),
    ca: textOf('ca', ca, 64 * 1024),
  };
}

const csrOf = (value: unknown): string => textOf('csr', value, 8 * 1024);

function aliasOf(value: unknown): string {
  const problem = aliasProblem(value);
  if (problem === undefined) return value as string;
  throw new LinkFormatError('alias', value, problem);
}

function fieldsOf(json: unknown): { [name: string]: unknown } {
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) {
    return json as { [name: string]: unknown };
  }
  throw new LinkFormatError('', typeof json, 'must be an object');
}

/** Values are never told: some are secret. */
function textOf(name: string, value: unknown, lengthMax: number): string {
  if (typeof value === 'string' && value !== '' && value.length <= lengthMax) return value;
  const told = typeof value === 'string' ? `${value.length} characters` : typeof value;
  throw new LinkFormatError(name, told, `must be a text of 1 to ${lengthMax} characters`);
}
