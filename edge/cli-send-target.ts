import { refusal } from '#shared/std/api-client.ts';
import { Backoff } from '#shared/std/backoff.ts';
import type { CommandIo } from '#shared/std/command-io.ts';
import { CommandError } from '#shared/std/command-line.ts';
import { askHttp, NoAnswer } from '#shared/std/http-request.ts';
import type { BufferOptions, RecordBuffer } from './buffer/buffer.ts';
import { startAdvice } from './cli-edge.ts';
import type { Batch } from './cli-send-lines.ts';

/** Where `send` puts its records: the running agent, or the buffer itself while none runs. */
export interface SendTarget {
  readonly via: 'agent' | 'buffer';
  /**
   * Resolves, when they are durable, with the number accepted. Sending a batch again is harmless.
   */
  send(batch: Batch): Promise<number>;
  close(): Promise<void>;
}

export interface SendOptions {
  /** Where the agent answers, if one runs. */
  url: string;
  /** undefined: only an agent will do. */
  buffer: BufferOptions | undefined;
  topic: string;
  /** Key of records that have none of their own. */
  key: string | undefined;
  /** Unique for this run of the command; begins its idempotency keys. */
  run: string;
  io: CommandIo;
}

export async function openSendTarget(options: SendOptions): Promise<SendTarget> {
  const { url, buffer, io } = options;
  try {
    await askHttp(`${url}/livez`, { timeoutMs: answerMs });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    if (error.reason !== 'ECONNREFUSED' || buffer === undefined) {
      throw new CommandError(`${error.message}; ${startAdvice}`);
    }
    io.err('no agent runs here: writing to the buffer itself; it goes on when the agent runs');
    return openBufferTarget(options, buffer);
  }
  return new AgentTarget(options);
}

const answerMs = 30_000;
/** An agent that restarts or has no room gets this long before we give up. */
const patienceMs = 60_000;

class AgentTarget implements SendTarget {
  readonly via = 'agent';
  readonly #options: SendOptions;
  readonly #url: string;

  constructor(options: SendOptions) {
    this.#options = options;
    const key = options.key === undefined ? '' : `?${new URLSearchParams({ key: options.key })}`;
    this.#url = `${options.url}/v1/records/${encodeURIComponent(options.topic)}${key}`;
  }

  async send(batch: Batch): Promise<number> {
    const { clock } = this.#options.io;
    const backoff = new Backoff({ baseMs: 200, maxMs: 5_000, random: Math.random });
    const startedAt = clock.monotonic();
    for (;;) {
      const answer = await this.#post(batch);
      if (typeof answer === 'number') return answer;
      if (clock.monotonic() - startedAt > patienceMs) throw new CommandError(answer.why);
      await clock.sleep(Math.max(backoff.next(), answer.waitMs));
    }
  }

  /** The number accepted, or why it has to be tried again. */
  async #post({ body, firstLine }: Batch): Promise<number | { why: string; waitMs: number }> {
    const headers = {
      'content-type': 'application/x-ndjson',
      'idempotency-key': `${this.#options.run}-${firstLine}`,
    };
    try {
      const question = { method: 'POST', headers, body, timeoutMs: answerMs } as const;
      const { status, headers: told, text } = await askHttp(this.#url, question);
      if (status === 200) return (JSON.parse(text) as { accepted: number }).accepted;
      const why = `line ${firstLine} and on: ${refusal(status, text)}`;
      if (status < 500 && status !== 429) throw new CommandError(why);
      return { why, waitMs: 1000 * (Number(told['retry-after']) || 0) };
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      return { why: error.message, waitMs: 0 };
    }
  }

  async close(): Promise<void> {}
}

async function openBufferTarget(options: SendOptions, settings: BufferOptions) {
  const { openInlineBuffer } = await import('./buffer/inline.ts');
  const { parseBody } = await import('./source/http-body.ts');
  const { clock } = options.io;
  const buffer: RecordBuffer = await openInlineBuffer(settings, { clock });
  const key = options.key === undefined ? null : Buffer.from(options.key, 'utf8');
  const { topic, run } = options;
  return {
    via: 'buffer',
    async send({ body, firstLine }) {
      const defaults = { key, timestamp: clock.now() };
      const records = [...parseBody(body, 'application/x-ndjson', defaults)];
      const idempotencyKey = `send/${topic}/${run}-${firstLine}`;
      const { accepted } = await buffer.append({
        topic,
        records,
        idempotencyKey,
        whenFull: 'refuse',
      });
      return accepted;
    },
    close: () => buffer.close(),
  } satisfies SendTarget;
}
