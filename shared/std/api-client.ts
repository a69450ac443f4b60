import { CommandError } from './command-line.ts';

/** A running program's HTTP API on this machine, as its own commands use it. */
export interface ApiClient {
  readonly url: string;
  get(path: string): Promise<unknown>;
  post(path: string): Promise<unknown>;
}

const patienceMs = 10_000;

/** `advice` follows when nobody answers: how to start the program, how to name another address. */
export function openApiClient(url: string, advice: string): ApiClient {
  const ask = async (method: 'GET' | 'POST', path: string): Promise<unknown> => {
    const response = await fetchOrExplain(`${url}${path}`, method, advice);
    const body = await response.text();
    if (!response.ok) throw new CommandError(refusal(response.status, body));
    try {
      return JSON.parse(body);
    } catch {
      throw new CommandError(`${url}${path} does not answer JSON: is it the right program?`);
    }
  };
  return { url, get: (path) => ask('GET', path), post: (path) => ask('POST', path) };
}

async function fetchOrExplain(url: string, method: string, advice: string): Promise<Response> {
  try {
    return await fetch(url, {
      method,
      signal: AbortSignal.timeout(patienceMs),
      ...(method === 'POST' && { headers: { 'content-type': 'application/json' }, body: '{}' }),
    });
  } catch (error) {
    throw new CommandError(`${url} does not answer (${reasonOf(error)}); ${advice}`);
  }
}

/** Why a fetch failed, in a few words. */
export function reasonOf(error: unknown): string {
  const { name, message, cause } = error as Error & { cause?: { code?: string; message?: string } };
  if (name === 'TimeoutError') return `nothing within ${patienceMs / 1000} s`;
  return cause?.code ?? cause?.message ?? message;
}

/** The words of an error body (link.ts, ErrorBody), or whatever came instead. */
export function refusal(status: number, body: string): string {
  try {
    const { error } = JSON.parse(body) as { error: { message: string; hint?: string } };
    return error.hint ? `${error.message}; ${error.hint}` : error.message;
  } catch {
    return `answered ${status}: ${body.slice(0, 200)}`;
  }
}
