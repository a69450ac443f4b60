import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions, TlsOptions } from 'node:tls';
import { systemClock } from './clock.ts';
import { parseListen, urlHost } from './listen-address.ts';

/**
 * A plain HTTP/1.1 listener with the edges that every room needs: a taken port is an error that
 * names the setting, slow senders are cut off, and closing finishes what is in flight before a
 * deadline.
 */
export interface HttpServer {
  /** The address bound, never a name: `127.0.0.1`, `::`. */
  address: string;
  port: number;
  /**
   * For a person or a client on this machine: `http://127.0.0.1:8081`, without a slash at the
   * end.
   */
  url: string;
  /**
   * Takes no new connection, lets requests finish, and cuts them off after `deadlineMs`.
   * Idempotent.
   */
  close(deadlineMs: number): Promise<void>;
  /** With TLS: connections from now on get this certificate. */
  secure(context: SecureContext): void;
}

/** Key, certificate chain and whom to believe, PEM. */
export type SecureContext = Pick<SecureContextOptions, 'key' | 'cert' | 'ca'>;

export interface HttpServerOptions {
  /** `host:port` or `[::1]:port`; port 0 picks a free one. */
  listen: string;
  /** Name of the setting that `listen` came from, for error messages: `status.listen`. */
  setting: string;
  listener: (request: IncomingMessage, response: ServerResponse) => void;
  /**
   * A request has to arrive whole, body included, within this time (408 otherwise). Default 60 s.
   */
  requestTimeoutMs?: number;
  /** Its headers within this time. Default 10 s, never more than `requestTimeoutMs`. */
  headersTimeoutMs?: number;
  /** Connections at once; those beyond are closed at once. Default 1024. */
  maxConnections?: number;
  /**
   * TLS 1.3 only. `askPeer`: clients are asked for a certificate; one that is missing or unknown is
   * told by the socket's `authorized`, not refused here.
   */
  tls?: { context: SecureContext; askPeer: boolean };
  /**
   * Told of connections that were refused before there was a request: an older TLS, headers that
   * are too large, no HTTP, or do not come in time. `code` is Node's.
   */
  onRefused?: (code: string, address: string | undefined) => void;
}

const handshakeTimeoutMs = 10_000;
const tlsFloor = { minVersion: 'TLSv1.3' } as const;

/** `listen` cannot be listened on; the message names the setting, the value and what to do. */
export class ListenError extends Error {
  override name = 'ListenError';
  readonly setting: string;

  constructor(setting: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.setting = setting;
  }
}

/** Listens, or rejects with a {@link ListenError}. */
export async function listenHttp(options: HttpServerOptions): Promise<HttpServer> {
  const target = parseListen(options.listen, options.setting);
  const requestTimeout = options.requestTimeoutMs ?? 60_000;
  const headersTimeout = Math.min(options.headersTimeoutMs ?? 10_000, requestTimeout);
  const { tls } = options;
  const pace = {
    requestTimeout,
    headersTimeout,
    // Node looks for late requests at this pace, so it bounds how late a timeout may come.
    connectionsCheckingInterval: Math.max(50, Math.min(5_000, headersTimeout / 2)),
  };
  const server = tls ? https.createServer({ ...pace, ...secureOptions(tls) }) : createServer(pace);
  server.maxConnections = options.maxConnections ?? 1024;
  if (options.onRefused) tellRefused(server, options.onRefused);
  let closing: Promise<void> | undefined;
  const open = new Set<ServerResponse>();
  server.on('request', (request, response) => {
    open.add(response);
    if (closing) response.shouldKeepAlive = false;
    response.once('close', () => {
      open.delete(response);
      if (closing) setImmediate(() => server.closeIdleConnections());
    });
    options.listener(request, response);
  });
  await bind(server, target, options);
  const { address, port } = server.address() as AddressInfo;
  return {
    address,
    port,
    url: `http${tls ? 's' : ''}://${urlHost(address)}:${port}`,
    secure(context) {
      if (server instanceof https.Server) server.setSecureContext({ ...context, ...tlsFloor });
    },
    close(deadlineMs) {
      closing ??= closeServer(server, open, deadlineMs);
      return closing;
    },
  };
}

/** What ends because the peer is gone is nothing to tell. */
const isGone = /^(ECONNRESET|EPIPE|ECONNABORTED|ERR_STREAM_PREMATURE_CLOSE)$/;

function tellRefused(server: Server, onRefused: NonNullable<HttpServerOptions['onRefused']>): void {
  const tell = ({ code = 'unknown' }: NodeJS.ErrnoException, socket: Socket) => {
    if (!isGone.test(code)) onRefused(code, addresses.get(socket) ?? socket.remoteAddress);
  };
  // A socket that is closed has forgotten whose it was.
  const addresses = new WeakMap<Socket, string>();
  server.on('connection', (socket: Socket) => {
    if (socket.remoteAddress !== undefined) addresses.set(socket, socket.remoteAddress);
  });
  server.on('tlsClientError', tell);
  // Whoever listens has to answer, too.
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    tell(error, socket);
    if (!socket.writable || isGone.test(error.code ?? '')) socket.destroy();
    else socket.end(`HTTP/1.1 ${statusOf(error.code)}\r\nConnection: close\r\n\r\n`);
  });
}

function statusOf(code: string | undefined): string {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout';
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  return '400 Bad Request';
}

const secureOptions = ({
  context,
  askPeer,
}: NonNullable<HttpServerOptions['tls']>): TlsOptions => ({
  ...context,
  ...tlsFloor,
  requestCert: askPeer,
  rejectUnauthorized: false,
  handshakeTimeout: handshakeTimeoutMs,
});

function bind(
  server: Server,
  target: { host: string; port: number },
  options: HttpServerOptions,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const { setting, listen } = options;
      const message = `${setting} = "${listen}": ${bindAdvice(error, setting)}`;
      reject(new ListenError(setting, message, { cause: error }));
    });
    server.listen(target, resolve);
  });
}

function bindAdvice(error: NodeJS.ErrnoException, setting: string): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return (
        'another program listens there already; ' +
        `stop it, or give ${setting} a free port (0 picks one)`
      );
    case 'EACCES':
      return `not allowed to listen there; ports below 1024 need a privilege, choose a higher one`;
    case 'EADDRNOTAVAIL':
      return `this machine has no such address; use "127.0.0.1" or one that "ip address" shows`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the host name cannot be resolved; use an address such as "127.0.0.1"`;
    default:
      return `cannot listen there: ${error.message}`;
  }
}

async function closeServer(
  server: Server,
  open: ReadonlySet<ServerResponse>,
  deadlineMs: number,
): Promise<void> {
  const deadline = new AbortController();
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // A client that keeps its connection alive would hold the server open: this was its last.
  for (const response of open) if (!response.headersSent) response.shouldKeepAlive = false;
  server.closeIdleConnections();
  const late = systemClock.sleep(deadlineMs, deadline.signal).then(
    () => server.closeAllConnections(),
    () => {},
  );
  await closed;
  deadline.abort();
  await late;
}
