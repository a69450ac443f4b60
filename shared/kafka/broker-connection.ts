import type { Socket } from 'node:net';
import type Connection from 'kafkajs/src/network/connection.js';
import type { Clock } from '#shared/std/clock.ts';
import type { Api } from './api.ts';
import { apiVersions, type BrokerVersions, versionFor } from './api-versions.ts';
import { addressText, type BrokerAddress } from './broker-address.ts';
import { KafkaError, type KafkaSettings } from './kafka.ts';
import { loadConnection } from './kafkajs-connection.ts';
import { ProtocolReader } from './protocol-reader.ts';
import { requestFrame } from './request-frame.ts';
import { loginError, openSocket, quietLogger, saslFor } from './security.ts';

export interface BrokerConnectionOptions {
  address: BrokerAddress;
  settings: KafkaSettings;
  clock: Clock;
  /** Waited before connecting. */
  delayMs: number;
  /** Exactly once, for whatever reason. */
  onClosed(error: KafkaError): void;
}

/**
 * One connection to one broker, opened when made and used until it closes; there is no reopening.
 * Requests go out in the order of the `send` calls and are answered in that order, any number at a
 * time. The first answer that is missing for too long closes it: a half-open connection looks like
 * that, and behind an answer that may still come nothing could be told apart.
 */
export class BrokerConnection {
  readonly address: string;
  /** Resolves when requests can go out; logged in. */
  readonly ready: Promise<void>;
  readonly #options: BrokerConnectionOptions;
  #connection: Connection | undefined;
  #socket: Socket | undefined;
  #versions: BrokerVersions = new Map();
  #closed: KafkaError | undefined;
  #inFlight = 0;
  /** Nothing goes out before it resolves: at first `ready`, later the latest login. */
  #passable: Promise<void>;
  #loggingIn = false;
  #wake = new AbortController();

  constructor(options: BrokerConnectionOptions) {
    this.#options = options;
    this.address = addressText(options.address);
    this.ready = this.#open();
    this.ready.catch(() => {});
    this.#passable = this.ready;
  }

  /** Why it is closed, once it is. */
  get closed(): KafkaError | undefined {
    return this.#closed;
  }

  /** Nobody waits for anything from it. */
  get idle(): boolean {
    return this.#inFlight === 0;
  }

  get opened(): boolean {
    return this.#versions.size > 0 && !this.#closed;
  }

  async send<T>(
    api: Api<T>,
    { timeoutMs, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<T> {
    this.#inFlight += 1;
    try {
      await this.#gate();
      if (signal?.aborted) throw givenUp(api);
      const version = versionFor(api, this.#versions, this.address);
      const answer = this.#exchange(api, version, timeoutMs);
      const payload = await (signal ? orAborted(answer, signal, api) : answer);
      return decodeAnswer(this, api, version, payload);
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** What is in flight rejects with `error`; so does all that follows. */
  close(error: KafkaError): void {
    if (this.#closed) return;
    this.#closed = error;
    this.#wake.abort();
    this.#connection?.rejectRequests(error);
    this.#socket?.destroy(error);
    this.#options.onClosed(error);
  }

  async #open(): Promise<void> {
    const { clock, settings, delayMs } = this.#options;
    if (delayMs > 0) await clock.sleep(delayMs, this.#wake.signal).catch(() => {});
    await this.#inTime('connection', async () => {
      await this.#connect(settings.connectionTimeoutMs ?? connectionTimeoutMsDefault);
      const versions = await this.#hello();
      await this.#login();
      this.#versions = versions;
    });
    if (this.#closed) throw this.#closed;
  }

  async #inTime(what: string, work: () => Promise<void>): Promise<void> {
    const { clock, settings } = this.#options;
    const timeoutMs = settings.connectionTimeoutMs ?? connectionTimeoutMsDefault;
    const stop = clock.every(timeoutMs, () =>
      this.#lost(`no ${what} to ${this.address} in ${timeoutMs} ms`),
    );
    try {
      await work();
    } catch (cause) {
      throw this.#lost(`${this.address}: ${(cause as Error).message}`, cause);
    } finally {
      stop();
    }
  }

  /**
   * Logs in again when the session is about to end (KIP-368). Until that is done requests wait, all
   * for the same promise, so that they keep their order: the broker takes anything else for a part
   * of the login.
   */
  #gate(): Promise<void> {
    const isDue =
      this.#options.settings.sasl &&
      this.opened &&
      !this.#loggingIn &&
      !this.#connection!.isAuthenticated();
    if (isDue) {
      this.#loggingIn = true;
      this.#passable = this.#inTime('login', () => this.#login()).finally(() => {
        this.#loggingIn = false;
      });
    }
    return this.#passable;
  }

  async #connect(timeoutMs: number): Promise<void> {
    const { settings, address } = this.#options;
    const Connection = await loadConnection();
    if (this.#closed) throw this.#closed;
    this.#connection = new Connection({
      ...address,
      clientId: settings.clientId,
      logger: quietLogger,
      ssl: null,
      sasl: settings.sasl ? saslFor(settings.sasl) : null,
      // Both are ours to keep: kafkajs' own leave connecting and answered sockets behind.
      connectionTimeout: timeoutMs + 60_000,
      requestTimeout: timeoutMs,
      enforceRequestTimeout: false,
      socketFactory: ({ onConnect }) => {
        this.#socket = openSocket(address, settings.tls, onConnect);
        this.#watch(this.#socket);
        return this.#socket;
      },
    });
    await this.#connection.connect();
  }

  /**
   * We hear of the end before kafkajs does, which would reject one request after the other and trip
   * over those that our `close` has rejected meanwhile.
   */
  #watch(socket: Socket): void {
    const ended = () => this.#lost(`${this.address} closed the connection`);
    socket.once('error', (cause) => this.#lost(`${this.address}: ${cause.message}`, cause));
    socket.once('end', ended);
    socket.once('close', ended);
  }

  async #hello(): Promise<BrokerVersions> {
    const versions = decodeAnswer(this, apiVersions, 0, await this.#exchange(apiVersions, 0));
    const entries = [...versions].map(([key, { min, max }]) => [
      key,
      { minVersion: min, maxVersion: max },
    ]);
    this.#connection!.setVersions(Object.fromEntries(entries));
    this.#connection!.setSupportAuthenticationProtocol(versions.has(saslAuthenticateKey));
    return versions;
  }

  async #login(): Promise<void> {
    if (!this.#options.settings.sasl) return;
    try {
      await this.#connection!.authenticate();
    } catch (cause) {
      const gone = this.#socket!.readableEnded || this.#socket!.destroyed;
      throw this.#lost(`login at ${this.address}`, loginError(cause as Error, gone, this.address));
    }
  }

  #exchange(api: Api<unknown>, version: number, timeoutMs?: number): Promise<Buffer> {
    const { clock, settings } = this.#options;
    const connection = this.#connection!;
    const limitMs = timeoutMs ?? settings.requestTimeoutMs ?? 30_000;
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed);
      const correlationId = connection.nextCorrelationId();
      const frame = requestFrame(api, version, { correlationId, clientId: settings.clientId });
      const stop = clock.every(limitMs, () =>
        this.#lost(`${this.address} gave no answer to ${api.name} in ${limitMs} ms`),
      );
      connection.requestQueue.push({
        entry: {
          apiKey: api.key,
          apiName: api.name,
          apiVersion: version,
          correlationId,
          resolve: ({ payload }) => {
            stop();
            resolve(payload);
          },
          reject: (cause) => {
            stop();
            const error =
              this.#closed ?? new KafkaError('unavailable', `${this.address}: ${cause.message}`);
            reject(api.changesOnce ? unknownOutcome(api, error) : error);
          },
        },
        expectResponse: true,
        requestTimeout: null,
        sendRequest: () => writeAll(this.#socket!, frame),
      });
    });
  }

  /** Closes for that reason, if it is not closed for another. */
  #lost(message: string, cause?: unknown): KafkaError {
    const error =
      this.#closed ??
      (cause instanceof KafkaError ? cause : new KafkaError('unavailable', message, { cause }));
    this.close(error);
    return error;
  }
}

const saslAuthenticateKey = 36;
const connectionTimeoutMsDefault = 10_000;

function writeAll(socket: Socket, chunks: readonly Buffer[]): void {
  socket.cork();
  for (const chunk of chunks) socket.write(chunk);
  socket.uncork();
}

function decodeAnswer<T>(
  connection: BrokerConnection,
  api: Api<T>,
  version: number,
  payload: Buffer,
): T {
  const flexible = version >= api.flexibleFrom;
  const reader = new ProtocolReader(payload, flexible);
  try {
    // The answer's header has tags too, but for ApiVersions, which a broker of any age must read.
    if (api.key !== apiVersions.key) reader.tags();
    return api.decode(reader, version);
  } catch (cause) {
    if (cause instanceof KafkaError) throw cause;
    const error = new KafkaError(
      'unavailable',
      `${connection.address}: the answer to ${api.name} v${version} cannot be read`,
      { cause },
    );
    connection.close(error);
    throw api.changesOnce ? unknownOutcome(api, error) : error;
  }
}

const unknownOutcome = (api: Api<unknown>, cause: KafkaError): KafkaError =>
  new KafkaError('uncertain', `${api.name} may or may not have happened: ${cause.message}`, {
    cause,
  });

const givenUp = (api: Api<unknown>): KafkaError =>
  new KafkaError('closed', `${api.name} was given up`);

function orAborted<T>(answer: Promise<T>, signal: AbortSignal, api: Api<unknown>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(givenUp(api));
    signal.addEventListener('abort', onAbort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
