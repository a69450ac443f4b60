import type { ErrorBody } from '#shared/wire/link.ts';

/** An answer that is not 2xx: thrown anywhere below the app, told by it. */
export class Refusal extends Error {
  override name = 'Refusal';
  readonly status: 400 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 421 | 429 | 500 | 503;
  readonly code: string;
  readonly hint: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  /** 421: who to ask instead. */
  readonly location: string | undefined;

  constructor(
    status: Refusal['status'],
    code: string,
    message: string,
    more: { hint?: string; retryAfterSeconds?: number; location?: string } & ErrorOptions = {},
  ) {
    super(message, more);
    this.status = status;
    this.code = code;
    this.hint = more.hint;
    this.retryAfterSeconds = more.retryAfterSeconds;
    this.location = more.location;
  }

  response(): Response {
    const { code, message, hint, retryAfterSeconds } = this;
    const body: ErrorBody = { error: { code, message, ...(hint === undefined ? {} : { hint }) } };
    const headers = new Headers();
    if (retryAfterSeconds !== undefined) headers.set('retry-after', String(retryAfterSeconds));
    if (this.location !== undefined) headers.set('location', this.location);
    return Response.json(body, { status: this.status, headers });
  }
}

/** The edge is to open its session (again); then what it holds is sent once more. */
export const sayHello = (message: string): Refusal => new Refusal(409, 'hello', message);

/** What a failure of the landing means to who asks: it keeps what it has, and tries again. */
export function ofLanding(cause: unknown): unknown {
  // By name: rooms take types only from each other.
  if (!(cause instanceof Error) || cause.name !== 'LandingError') return cause;
  const { code, message } = cause as Error & { code: string };
  if (code === 'fenced') return sayHello(message);
  const retryAfterSeconds = code === 'full' || code === 'refused' ? 30 : 1;
  return new Refusal(503, `landing-${code}`, message, { retryAfterSeconds, cause });
}
