import { randomUUID } from 'node:crypto';
import type { CommandIo } from '#shared/std/command-io.ts';
import {
  type Command,
  type CommandArgs,
  CommandError,
  UsageError,
} from '#shared/std/command-line.ts';
import { Progress } from '#shared/std/progress.ts';
import { askOptions, namelessConfigOf, settingsUrl } from './cli-edge.ts';
import { type Batch, readBatches } from './cli-send-lines.ts';
import { openSendTarget, type SendTarget } from './cli-send-target.ts';
import { targetProblem } from './source/mqtt-settings.ts';

export const sendCommand: Command = {
  name: 'send',
  summary: 'Read lines or NDJSON from standard input into a topic.',
  details: `Each line is one record, counted as accepted once it is durable: at the running agent, or, when
none runs, in the buffer itself. Interrupted requests are repeated without making duplicates.

  echo '{"c": 21.5}' | tributary-edge send --topic sensor-data
  tributary-edge send --topic sensor-data --ndjson --key-field sensor < readings.ndjson

With --ndjson a line {"key": …, "value": …, "timestamp": …, "headers": {…}} says more than its value.`,
  options: {
    topic: { type: 'string', short: 't', value: 'TOPIC', doc: 'Where the records go. Required.' },
    ndjson: { type: 'boolean', doc: 'Each line is JSON; empty lines are skipped.' },
    key: { type: 'string', short: 'k', value: 'TEXT', doc: 'Key of all records.' },
    'key-field': { type: 'string', value: 'NAME', doc: 'With --ndjson: field that is the key.' },
    ...askOptions,
  },
  run: send,
};

function topicOf(args: CommandArgs): string {
  const topic = args.text('topic');
  if (topic === undefined)
    throw new UsageError('--topic is missing, for example --topic sensor-data');
  const problem = targetProblem(topic);
  if (problem !== undefined) throw new UsageError(`--topic ${topic}: ${problem}`);
  return topic;
}

async function send(args: CommandArgs, io: CommandIo): Promise<number> {
  const topic = topicOf(args);
  const ndjson = args.flag('ndjson');
  const keyField = args.text('key-field');
  if (keyField !== undefined && !ndjson) throw new UsageError('--key-field needs --ndjson');
  if (keyField !== undefined && args.text('key') !== undefined) {
    throw new UsageError('--key and --key-field are both given; keep one of them');
  }
  const url = args.text('url')?.replace(/\/+$/, '');
  const config = url === undefined ? namelessConfigOf(args) : undefined;
  const target = await openSendTarget({
    url: url ?? settingsUrl(config!),
    // Who may not see this site's name may not write to its buffer either.
    buffer: config?.alias === '' ? undefined : config?.buffer,
    topic,
    key: args.text('key'),
    run: randomUUID(),
    io,
  });
  return new Sending(target, io, args.flag('json')).run({ ndjson, keyField });
}

class Sending {
  readonly #target: SendTarget;
  readonly #io: CommandIo;
  readonly #json: boolean;
  readonly #progress: Progress;
  #accepted = 0;
  #lastLine = 0;
  #isStopped = false;

  constructor(target: SendTarget, io: CommandIo, json: boolean) {
    this.#target = target;
    this.#io = io;
    this.#json = json;
    this.#progress = new Progress(io, io.stdinBytes);
  }

  async run(form: { ndjson: boolean; keyField?: string }): Promise<number> {
    const { stdin } = this.#io;
    const unlisten = this.#io.onSignal(() => {
      this.#isStopped = true;
      stdin.destroy();
    });
    // A file has an end that comes by itself; from a pipe each line may be the last for long.
    const settings = { ...form, eager: this.#io.stdinBytes === null };
    try {
      const onBytes = (bytes: number) => this.#progress.addBytes(bytes);
      for await (const batch of readBatches(stdin, settings, onBytes)) await this.#sendOne(batch);
    } catch (error) {
      if (!this.#isStopped) throw this.#explained(error);
    } finally {
      unlisten();
      this.#progress.close();
      await this.#target.close();
    }
    return this.#report();
  }

  async #sendOne(batch: Batch): Promise<void> {
    this.#accepted += await this.#target.send(batch);
    this.#lastLine = batch.lastLine;
    this.#progress.set(this.#accepted);
  }

  #report(): number {
    const { via } = this.#target;
    const accepted = this.#accepted;
    this.#io.out(this.#json ? JSON.stringify({ accepted, via }) : `accepted ${accepted}`);
    if (!this.#isStopped) return 0;
    this.#io.err(`stopped; go on with line ${this.#lastLine + 1}`);
    return 1;
  }

  /** What was accepted before is worth knowing: the rest can be sent from there. */
  #explained(error: unknown): unknown {
    if (!(error instanceof Error)) return error;
    const rest = `accepted ${this.#accepted}; go on with line ${this.#lastLine + 1}`;
    return new CommandError(`${error.message}\n${rest}`, { cause: error });
  }
}
