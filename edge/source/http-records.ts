import { setImmediate } from 'node:timers/promises';
import type { HttpBindings } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import type { Clock } from '#shared/std/clock.ts';
import { globMatcher } from '#shared/std/glob.ts';
import { recordProblem } from '#shared/wire/record.ts';
import { isInternalTopic, topicProblem } from '#shared/wire/topic-name.ts';
import { parseBody } from './http-body.ts';
import { MemoryBudget, type MemoryLease, readBody } from './http-body-reader.ts';
import { refuseForeignPages, requireLoopback, requireToken } from './http-guard.ts';
import { HttpProblem, problemOf, problemResponse, quoted } from './http-problem.ts';
import { badField, type HttpRecord } from './http-record.ts';
import { idempotencyKey, recordDefaults, refuseEncodedBody } from './http-request.ts';
import { httpDefaults } from './http-settings.ts';
import type { SourceContext } from './source.ts';

/** No bindings where a test calls the app without a socket. */
export type HttpEnv = { Bindings: HttpBindings | undefined };

export interface RecordsRouteOptions {
  clock: Clock;
  topics?: readonly string[] | undefined;
  token?: string | undefined;
  maxBodyBytes?: number | undefined;
  /** Takes records from this machine only, whatever the listener is bound to. */
  loopbackOnly?: boolean;
  /** Told of every answer: records newly accepted, or why none were. */
  onAnswer?: (accepted: number, problem?: HttpProblem) => void;
}

/**
 * `POST /v1/records/{topic}` → 200 `{"accepted": n}` once the records are durable: all of a
 * request or none. Used by the `http` source and by the agent's own listener, for `send`.
 */
export function recordsRoute(context: SourceContext, options: RecordsRouteOptions): Hono<HttpEnv> {
  const intake = new RecordsIntake(context, options);
  const app = new Hono<HttpEnv>();
  app.post('/v1/records/:topic', async (c) => {
    try {
      return await intake.take(c);
    } catch (error) {
      const problem = problemOf(error);
      options.onAnswer?.(0, problem);
      return problemResponse(problem);
    }
  });
  app.all('/v1/records/:topic', (c) => {
    const hint = `POST the record, for example: curl --json '{"value": 21.5}' …${c.req.path}`;
    const message = `${c.req.method} is not understood here`;
    return problemResponse(
      new HttpProblem(405, 'method-not-allowed', message, hint, { allow: 'POST' }),
    );
  });
  return app;
}

class RecordsIntake {
  readonly #context: SourceContext;
  readonly #options: RecordsRouteOptions;
  readonly #maxBodyBytes: number;
  readonly #memory: MemoryBudget;
  readonly #allowed: (topic: string) => boolean;

  constructor(context: SourceContext, options: RecordsRouteOptions) {
    this.#context = context;
    this.#options = options;
    this.#maxBodyBytes = options.maxBodyBytes ?? httpDefaults.maxBodyBytes;
    this.#memory = new MemoryBudget(8 * this.#maxBodyBytes);
    this.#allowed = options.topics ? globMatcher(options.topics) : () => true;
  }

  async take(c: Context<HttpEnv, '/v1/records/:topic'>): Promise<Response> {
    this.#admit(c);
    const topic = c.req.param('topic');
    this.#checkTopic(topic);
    const request = c.req.raw;
    refuseEncodedBody(request);
    const repeatable = idempotencyKey(request, topic);
    const defaults = recordDefaults(request, c.req.query('key'), this.#options.clock.now());
    const lease = this.#memory.open();
    try {
      const body = await readBody(request, this.#maxBodyBytes, lease);
      const parsed = parseBody(body, c.req.header('content-type'), defaults);
      const records = await checkedRecords(parsed, lease);
      return await this.#deliver(topic, records, repeatable);
    } finally {
      lease.release();
    }
  }

  #admit(c: Context<HttpEnv>): void {
    const { loopbackOnly, token } = this.#options;
    if (loopbackOnly) requireLoopback(c.req.raw, c.env?.incoming.socket.remoteAddress);
    refuseForeignPages(c.req.raw);
    if (token !== undefined) requireToken(c.req.raw, token);
  }

  #checkTopic(topic: string): void {
    const problem = topicProblem(topic) ?? (isInternalTopic(topic) ? 'is reserved' : undefined);
    if (problem !== undefined) {
      const hint = 'POST /v1/records/{topic}, for example /v1/records/sensor-data';
      throw new HttpProblem(400, 'bad-topic', `topic ${quoted(topic)} ${problem}`, hint);
    }
    if (this.#allowed(topic)) return;
    throw new HttpProblem(
      403,
      'topic-not-allowed',
      `topic ${quoted(topic)} may not be written here`,
      `allowed: ${this.#options.topics!.join(', ')}; see "topics" of this source`,
    );
  }

  async #deliver(
    topic: string,
    records: readonly HttpRecord[],
    repeatable: string | undefined,
  ): Promise<Response> {
    const { accepted, declaredLost, duplicate } = await this.#context.deliver({
      topic,
      records,
      whenFull: 'refuse',
      ...(repeatable === undefined ? {} : { idempotencyKey: repeatable }),
    });
    if (declaredLost > 0) throw refusedByBuffer(declaredLost, records.length);
    this.#options.onAnswer?.(duplicate ? 0 : accepted);
    return Response.json(
      { accepted },
      duplicate ? { headers: { 'idempotent-replayed': 'true' } } : {},
    );
  }
}

/** Memory that a record takes beside its bytes, roughly. */
const recordOverheadBytes = 256;
/** A few milliseconds' worth: then others have their turn, MQTT's keep-alive among them. */
const recordsPerTurn = 2_048;

async function checkedRecords(
  parsed: Iterable<HttpRecord>,
  lease: MemoryLease,
): Promise<HttpRecord[]> {
  const records: HttpRecord[] = [];
  for (const record of parsed) {
    checkRecord(record, records.length);
    lease.grow(recordOverheadBytes);
    if (records.push(record) % recordsPerTurn === 0) await setImmediate();
  }
  return records;
}

function checkRecord(record: HttpRecord, index: number): void {
  const problem = recordProblem(record);
  if (problem === undefined) return;
  const message = `records[${index}]: ${problem.message}; nothing of the request was kept`;
  if (problem.code === 'bad-record') throw badField(message, 'correct it and send all again');
  const hint = 'send large values somewhere else and their address here';
  throw new HttpProblem(413, 'record-too-large', message, hint);
}

/** The buffer knows limits that we do not; it has put them on the ledger of losses. */
const refusedByBuffer = (lost: number, of: number): HttpProblem =>
  new HttpProblem(
    422,
    'declared-lost',
    `${lost} of ${of} records could not be kept and are declared lost; the others are kept`,
    'see "losses" of GET /api/v1/status for the reason; do not send them again as they are',
  );
