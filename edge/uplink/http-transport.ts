import http from 'node:http';
import https from 'node:https';
import { PeerAgent } from './peer-agent.ts';
import type { TlsIdentity } from './tls-connect.ts';
import {
  type Transport,
  TransportError,
  type TransportRequest,
  type TransportResponse,
} from './transport.ts';

/** Answers are small JSON; anything larger does not come from a central. */
const responseBytesMax = 8 * 1024 * 1024;

/** The real network: HTTP/1.1 over kept-alive connections. */
export class HttpTransport implements Transport {
  readonly #plain = new http.Agent({ keepAlive: true, maxSockets: 4 });
  #secure: PeerAgent;

  constructor(identity: TlsIdentity = {}) {
    this.#secure = new PeerAgent(identity);
  }

  /** Requests from now on show this; those under way end as they are. */
  become(identity: TlsIdentity): void {
    const before = this.#secure;
    this.#secure = new PeerAgent(identity);
    before.retire();
  }

  post(request: TransportRequest): Promise<TransportResponse> {
    const url = new URL(request.path, request.url);
    const secure = url.protocol === 'https:';
    const timeout = AbortSignal.timeout(Math.ceil(request.timeoutMs));
    const signal = request.signal ? AbortSignal.any([request.signal, timeout]) : timeout;
    return new Promise((resolve, reject) => {
      const fail = (error: Error) =>
        reject(
          new TransportError(
            timeout.aborted
              ? `no answer from ${request.url} within ${Math.round(request.timeoutMs)} ms`
              : `${request.url}: ${describe(error)}`,
            { cause: error },
          ),
        );
      const outgoing = (secure ? https : http).request(
        url,
        {
          method: 'POST',
          agent: secure ? this.#secure : this.#plain,
          headers: { ...request.headers, 'content-length': String(request.body.length) },
          signal,
        },
        (incoming) => {
          collect(incoming).then(
            (body) =>
              resolve({
                status: incoming.statusCode ?? 0,
                headers: flatten(incoming.headers),
                body,
              }),
            fail,
          );
        },
      );
      outgoing.on('error', fail);
      outgoing.end(request.body);
    });
  }

  close(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }
}

async function collect(incoming: http.IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of incoming) {
    bytes += part.length;
    if (bytes > responseBytesMax) throw new Error('the answer is too large to be a central’s');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function flatten(headers: http.IncomingHttpHeaders): { [name: string]: string } {
  const flat: { [name: string]: string } = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
}

/** Node's AggregateError (both addresses refused) has an empty message. */
function describe(error: Error): string {
  if (error instanceof AggregateError && error.errors[0]) return String(error.errors[0].message);
  return error.message || error.name;
}
