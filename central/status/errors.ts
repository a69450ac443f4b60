import type { ErrorBody } from '#shared/wire/link.ts';

/** An answer that is not 2xx: `{"error":{code, message, hint}}`. Thrown anywhere below the app. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly headers: { readonly [name: string]: string };

  constructor(
    status: number,
    code: string,
    message: string,
    hint: string,
    headers: { readonly [name: string]: string } = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
    this.headers = headers;
  }
}

/** Names the parameter and the value, cut short: the value may be hostile and long. */
export const badParameter = (name: string, value: string, problem: string, hint: string) =>
  new ApiError(400, 'bad-parameter', `${name} = ${JSON.stringify(cut(value))} ${problem}`, hint);

const cut = (text: string) => (text.length > 120 ? `${text.slice(0, 120)}…` : text);

export const notFound = (message: string, hint: string) =>
  new ApiError(404, 'not-found', message, hint);

export function errorResponse(error: ApiError): Response {
  const body: ErrorBody = {
    error: { code: error.code, message: error.message, hint: error.hint },
  };
  return Response.json(body, { status: error.status, headers: error.headers });
}
