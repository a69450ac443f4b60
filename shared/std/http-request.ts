import http from 'node:http';
import https from 'node:https';

/**
 * One HTTP exchange, as commands make them: a connection of its own, any port (`fetch` refuses
 * some, 6000 and 10080 among them), and a failure told in a word.
 */
export interface HttpAnswer {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}

/** Nobody answered: `reason` is a code such as ECONNREFUSED, or a few words. */
export class NoAnswer extends Error {
  override name = 'NoAnswer';
  readonly reason: string;

  constructor(url: string, reason: string, options?: ErrorOptions) {
    super(`${url} does not answer (${reason})`, options);
    this.reason = reason;
  }
}

export interface HttpQuestion {
  method?: 'GET' | 'POST';
  headers?: { [name: string]: string };
  body?: Uint8Array | string;
  timeoutMs: number;
}

/** Resolves for every status; rejects with a {@link NoAnswer}. */
export function askHttp(url: string, question: HttpQuestion): Promise<HttpAnswer> {
  const { method = 'GET', headers = {}, body, timeoutMs } = question;
  const signal = AbortSignal.timeout(timeoutMs);
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      const reason = signal.aborted ? `nothing within ${timeoutMs / 1000} s` : reasonOf(error);
      reject(new NoAnswer(url, reason, { cause: error }));
    };
    if (!URL.canParse(url) || !/^https?:/.test(url)) {
      fail(new Error('not an http:// or https:// address'));
      return;
    }
    const { request } = url.startsWith('https:') ? https : http;
    const outgoing = request(url, { method, headers, signal, agent: false }, (incoming) => {
      const parts: Buffer[] = [];
      incoming.on('data', (part: Buffer) => parts.push(part));
      incoming.on('error', fail);
      incoming.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        resolve({ status: incoming.statusCode!, headers: incoming.headers, text });
      });
    });
    outgoing.on('error', fail);
    outgoing.end(body);
  });
}

/** Node's AggregateError (both addresses of a name refused) has no message of its own. */
function reasonOf(error: Error): string {
  const { code, message, errors } = error as NodeJS.ErrnoException & { errors?: Error[] };
  return code ?? (errors?.[0] ? reasonOf(errors[0]) : message);
}
