import type { KafkaAnswer, KafkaReport } from '#shared/wire/kafka-report.ts';
import { checkKafkaAnswer } from '#shared/wire/kafka-report-check.ts';
import {
  type ErrorBody,
  type Heartbeat,
  type Hello,
  type HelloAnswer,
  linkHeader,
  linkPath,
  type SegmentsAnswer,
  segmentsContentType,
} from '#shared/wire/link.ts';
import { checkHelloAnswer, checkSegmentsAnswer } from '#shared/wire/link-check.ts';
import { type Transport, TransportError, type TransportResponse } from './transport.ts';

/** Why central did not do what was asked. */
export class LinkError extends Error {
  override name = 'LinkError';
  /**
   * `unreachable`: no answer, or not a central's. `hello`: the session is not (or no longer) the
   * one that central lets in. `misdirected`: another collector serves us (`owner`). `busy`: later,
   * after
   * `retryAfterMs`. `too-large`: a smaller request. `denied`: a person has to act at central.
   * `rejected`: central could not read the request; sending it again may help when the link garbled
   * it.
   */
  readonly code:
    | 'unreachable'
    | 'hello'
    | 'misdirected'
    | 'busy'
    | 'too-large'
    | 'denied'
    | 'rejected';
  readonly retryAfterMs: number | undefined;
  readonly owner: string | undefined;

  constructor(
    code: LinkError['code'],
    message: string,
    options: ErrorOptions & { retryAfterMs?: number; owner?: string } = {},
  ) {
    super(message, options);
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
    this.owner = options.owner;
  }
}

const codes: { readonly [status: number]: LinkError['code'] } = {
  401: 'denied',
  403: 'denied',
  408: 'too-large',
  409: 'hello',
  413: 'too-large',
  421: 'misdirected',
  429: 'busy',
  503: 'busy',
};

/**
 * Central's side of the link, asked in its words (PROTOCOL.md). Knows addresses, not what is sent.
 */
export class LinkClient {
  readonly #transport: Transport;
  readonly #urls: readonly string[];
  readonly #alias: string;
  #current = 0;
  #owner: string | undefined;
  /** Asked last, and did not answer: others are asked before it is again. */
  #unanswered: string | undefined;

  constructor(options: { transport: Transport; urls: readonly string[]; alias: string }) {
    this.#transport = options.transport;
    this.#urls = options.urls;
    this.#alias = options.alias;
  }

  get url(): string | null {
    return this.#owner ?? this.#urls[this.#current] ?? null;
  }

  /** How many the settings name. */
  get addresses(): number {
    return this.#urls.length;
  }

  /** Another collector sent us to where we ask now. */
  get isHandedOn(): boolean {
    return this.#owner !== undefined;
  }

  /** Goes on to the next address of the settings. */
  tryNext(): void {
    this.#owner = undefined;
    const step = () => {
      this.#current = (this.#current + 1) % Math.max(1, this.#urls.length);
    };
    step();
    if (this.#urls[this.#current] === this.#unanswered) step();
  }

  async hello(hello: Hello, timeoutMs: number, signal?: AbortSignal): Promise<HelloAnswer> {
    const response = await this.#post(linkPath.hello, json(hello), {}, timeoutMs, signal);
    return parse(response, checkHelloAnswer);
  }

  async segments(
    session: string,
    body: Uint8Array,
    acceptClock: number,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<SegmentsAnswer> {
    const headers = {
      'content-type': segmentsContentType,
      [linkHeader.session]: session,
      [linkHeader.clock]: String(Math.round(acceptClock)),
    };
    const response = await this.#post(linkPath.segments, body, headers, timeoutMs, signal);
    return parse(response, checkSegmentsAnswer);
  }

  async heartbeat(heartbeat: Heartbeat, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const headers = { [linkHeader.session]: heartbeat.session };
    await this.#post(linkPath.heartbeat, json(heartbeat), headers, timeoutMs, signal);
  }

  /** What the site's own Kafka is like; answers the number that central expects next. */
  async kafka(report: KafkaReport, timeoutMs: number, signal?: AbortSignal): Promise<KafkaAnswer> {
    const headers = { [linkHeader.session]: report.session };
    const response = await this.#post(linkPath.kafka, json(report), headers, timeoutMs, signal);
    return parse(response, checkKafkaAnswer);
  }

  async #post(
    path: string,
    body: Uint8Array,
    headers: { readonly [name: string]: string },
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<TransportResponse> {
    const url = this.url;
    if (url === null) throw new LinkError('unreachable', 'no central.url is set');
    const response = await this.#transport
      .post({
        url,
        path,
        headers: {
          'content-type': 'application/json',
          [linkHeader.alias]: this.#alias,
          ...headers,
        },
        body,
        timeoutMs,
        signal,
      })
      .catch((error: unknown) => {
        if (error instanceof TransportError) {
          // What we gave up ourselves says nothing about who was asked.
          if (!signal?.aborted) this.#unanswered = url;
          throw new LinkError('unreachable', error.message, { cause: error });
        }
        throw error;
      });
    if (response.status === 200 || url === this.#unanswered) this.#unanswered = undefined;
    if (response.status === 200) return response;
    const failure = failureOf(response);
    // Of several requests that hear it, the first moves us on; the others come from where we were.
    if (failure.code === 'misdirected' && url === this.url) this.#handOn(failure.owner);
    throw failure;
  }

  /**
   * A collector may hand us on to another, but never from TLS to plain HTTP: where it would, we
   * look for the owner among those that we know. So, too, where it has not heard yet that the owner
   * is gone; the next one who says the same is believed, since it may be back.
   */
  #handOn(owner: string | undefined): void {
    const isTrusted = owner && (this.#urls.includes(owner) || owner.startsWith('https://'));
    const isGone = owner === this.#unanswered;
    if (isTrusted && !isGone) this.#owner = owner;
    else this.tryNext();
    this.#unanswered = undefined;
  }
}

const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

function parse<T>(response: TransportResponse, check: (json: unknown) => T): T {
  try {
    return check(JSON.parse(Buffer.from(response.body).toString('utf8')));
  } catch (error) {
    throw new LinkError('unreachable', `the answer is not a central's: ${String(error)}`, {
      cause: error,
    });
  }
}

function failureOf(response: TransportResponse): LinkError {
  const text = Buffer.from(response.body).toString('utf8');
  const said = errorBody(text);
  // A proxy or a wrong address answers too; only a central's own error body makes a verdict.
  const code = said ? (codes[response.status] ?? 'rejected') : 'unreachable';
  const message = said
    ? [said.error.message, said.error.hint].filter(Boolean).join('; ')
    : `HTTP ${response.status} that is not a central's: ${text.slice(0, 200)}`;
  const retryAfter = Number(response.headers['retry-after']);
  return new LinkError(code, message, {
    retryAfterMs: retryAfter >= 0 ? Math.min(retryAfter, 3600) * 1000 : undefined,
    owner: response.headers.location,
  });
}

function errorBody(text: string): ErrorBody | undefined {
  try {
    const body = JSON.parse(text) as Partial<ErrorBody>;
    return typeof body.error?.message === 'string' ? (body as ErrorBody) : undefined;
  } catch {
    return undefined;
  }
}
