import { CommandError } from './command-line.ts';
import { askHttp, NoAnswer } from './http-request.ts';

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
    const { status, text } = await askOrExplain(`${url}${path}`, method, advice);
    if (status < 200 || status > 299) throw new CommandError(refusal(status, text));
    try {
      return JSON.parse(text);
    } catch {
      throw new CommandError(`${url}${path} does not answer JSON: is it the right program?`);
    }
  };
  return { url, get: (path) => ask('GET', path), post: (path) => ask('POST', path) };
}

async function askOrExplain(url: string, method: 'GET' | 'POST', advice: string) {
  const change = { headers: { 'content-type': 'application/json' }, body: '{}' };
  try {
    return await askHttp(url, { method, timeoutMs: patienceMs, ...(method === 'POST' && change) });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    throw new CommandError(`${error.message}; ${advice}`);
  }
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
