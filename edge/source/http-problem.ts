import type { ErrorBody } from '#shared/wire/link.ts';
import { DeliverError } from '../deliver-error.ts';

/**
 * A request that is not answered with 200: what was wrong and what to do, as the sender sees it.
 */
export class HttpProblem extends Error {
  override name = 'HttpProblem';
  readonly status: number;
  readonly code: string;
  readonly hint: string | undefined;
  readonly headers: { readonly [name: string]: string };

  constructor(
    status: number,
    code: string,
    message: string,
    hint?: string,
    headers: { readonly [name: string]: string } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
    this.headers = headers;
  }
}

export function problemResponse({ status, code, message, hint, headers }: HttpProblem): Response {
  const body: ErrorBody = { error: { code, message, ...(hint === undefined ? {} : { hint }) } };
  return Response.json(body, { status, headers });
}

/** A value in an error message: quoted, and cut, since it may be hostile and long. */
export const quoted = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
};

const retryAfter = (seconds: number) => ({ 'retry-after': String(seconds) });

/** Why the buffer did not take the records. Nothing of the request was kept. */
export function problemOf(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (!(error instanceof DeliverError)) {
    return new HttpProblem(500, 'internal', `unexpected: ${String(error)}`, 'please report this');
  }
  const { code, message } = error;
  switch (code) {
    case 'buffer-full':
      return new HttpProblem(
        429,
        code,
        message,
        'the backlog has to drain to central first: send the same request again later, or raise ' +
          'buffer.max_bytes',
        retryAfter(5),
      );
    case 'disk-full':
      return new HttpProblem(
        503,
        code,
        message,
        "free space on the gateway's disk, then send the same request again",
        retryAfter(30),
      );
    case 'io':
      return new HttpProblem(503, code, message, 'send the same request again', retryAfter(5));
    case 'closed':
      return closing();
    case 'bad-topic':
      return new HttpProblem(400, code, message, 'use letters, digits, ".", "_" and "-"');
    case 'too-many-streams':
      return new HttpProblem(
        422,
        code,
        message,
        'put what tells devices apart into the key, not into the topic name',
      );
  }
}

export const closing = (): HttpProblem =>
  new HttpProblem(
    503,
    'closing',
    'the agent is stopping and takes no new records',
    'send the same request again when it is back',
    retryAfter(5),
  );
