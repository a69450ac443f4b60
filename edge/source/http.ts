import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import type { Clock } from '#shared/std/clock.ts';
import { type HttpServer, listenHttp } from '#shared/std/http-server.ts';
import type { SourceState } from '#shared/wire/link.ts';
import { closing, HttpProblem, problemResponse, quoted } from './http-problem.ts';
import { type HttpEnv, recordsRoute } from './http-records.ts';
import type { HttpSettings } from './http-settings.ts';
import type { Source, SourceContext } from './source.ts';

/** Other programs post records to us. */
export function openHttpSource(
  settings: HttpSettings,
  context: SourceContext,
  { clock }: { clock: Clock },
): Source {
  return new HttpSource(settings, context, clock);
}

const stopDeadlineMs = 10_000;

class HttpSource implements Source {
  readonly name: string;
  readonly type = 'http';
  readonly #settings: HttpSettings;
  readonly #app: Hono<HttpEnv>;
  #server: HttpServer | undefined;
  #state: SourceState['state'] = 'starting';
  #acceptedRecords = 0;
  #refusedRequests = 0;
  #lastRefusal = '';

  constructor(settings: HttpSettings, context: SourceContext, clock: Clock) {
    this.name = settings.name;
    this.#settings = settings;
    this.#app = this.#routes(context, clock);
  }

  get address(): string | undefined {
    return this.#server?.url;
  }

  async start(): Promise<void> {
    const answer = getRequestListener(this.#app.fetch);
    try {
      this.#server = await listenHttp({
        listen: this.#settings.listen,
        setting: `listen of source "${this.name}"`,
        listener: (request, response) => void answer(request, response),
      });
      this.#state = 'running';
    } catch (error) {
      this.#state = 'failed';
      this.#lastRefusal = (error as Error).message;
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    await this.#server?.close(stopDeadlineMs);
  }

  state(): SourceState {
    const where = this.address ? `listens on ${this.address}` : 'does not listen';
    const n = this.#refusedRequests;
    const refused = n === 0 ? '' : `refused ${n} request${n === 1 ? '' : 's'}`;
    return {
      name: this.name,
      type: this.type,
      state: this.#state,
      detail: [where, refused, this.#lastRefusal].filter((part) => part !== '').join('; '),
      acceptedRecords: this.#acceptedRecords,
    };
  }

  #routes(context: SourceContext, clock: Clock): Hono<HttpEnv> {
    const { topics, token, maxBodyBytes } = this.#settings;
    const onAnswer = (accepted: number, problem?: HttpProblem) => this.#count(accepted, problem);
    const app = new Hono<HttpEnv>();
    app.use(async (_c, next) => {
      // A connection that was kept alive may still bring requests after stop().
      return this.#state === 'stopped' ? problemResponse(closing()) : next();
    });
    app.route('/', recordsRoute(context, { clock, topics, token, maxBodyBytes, onAnswer }));
    app.notFound((c) => {
      const message = `there is nothing at ${quoted(c.req.path)}`;
      const hint = 'records go to POST /v1/records/{topic}';
      return problemResponse(new HttpProblem(404, 'not-found', message, hint));
    });
    return app;
  }

  #count(accepted: number, problem: HttpProblem | undefined): void {
    this.#acceptedRecords += accepted;
    if (problem === undefined) return;
    this.#refusedRequests += 1;
    this.#lastRefusal = `last ${problem.status} ${problem.code}: ${problem.message}`;
  }
}
