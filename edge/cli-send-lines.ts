import type { Readable } from 'node:stream';
import { CommandError } from '#shared/std/command-line.ts';
import { limits } from '#shared/wire/limits.ts';

/** Lines of standard input as NDJSON, the form that the agent takes records in. */
export interface Batch {
  /** One JSON value a line. */
  body: Buffer;
  records: number;
  /** Counted from 1, in the input. */
  firstLine: number;
  lastLine: number;
}

export interface LineForm {
  /**
   * Each line is a JSON value already; empty ones are skipped. Otherwise it is a record's value.
   */
  ndjson: boolean;
  /** Field of each JSON line that becomes the key. */
  keyField?: string;
  /** Give on what has arrived although the batch is small. */
  eager: boolean;
}

const batchBytesMax = 1024 * 1024;
const batchRecordsMax = 10_000;
/** Escaping may make a record longer than itself. */
const lineBytesMax = 3 * limits.recordBytes;
const newline = 0x0a;
const carriageReturn = 0x0d;

/**
 * Whole lines in batches. An eager reader gives on at once what has arrived, so that `tail -f` is
 * not held back. Throws a CommandError that names the line.
 */
export async function* readBatches(
  input: Readable,
  form: LineForm,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Batch> {
  const batch = new BatchBuilder(form);
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const piece of input) {
    const chunk = Buffer.from(piece as Uint8Array);
    onBytes(chunk.length);
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const tail = chunk.subarray(start, end);
      batch.add(rest.length === 0 ? tail : Buffer.concat([...rest, tail]));
      rest = [];
      restBytes = 0;
      start = end + 1;
      if (batch.isFull) yield batch.take();
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
    restBytes += chunk.length - start;
    if (restBytes > lineBytesMax) batch.refuseLength(restBytes);
    if (form.eager && input.readableLength === 0 && batch.records > 0) yield batch.take();
  }
  if (restBytes > 0) batch.add(Buffer.concat(rest));
  if (batch.records > 0) yield batch.take();
}

class BatchBuilder {
  readonly #form: LineForm;
  #parts: Buffer[] = [];
  #bytes = 0;
  #line = 0;
  #firstLine = 1;
  records = 0;

  constructor(form: LineForm) {
    this.#form = form;
  }

  get isFull(): boolean {
    return this.#bytes >= batchBytesMax || this.records >= batchRecordsMax;
  }

  add(line: Buffer): void {
    this.#line += 1;
    if (line.length > lineBytesMax) this.refuseLength(line.length, this.#line);
    const plain = line.at(-1) === carriageReturn ? line.subarray(0, -1) : line;
    const json = this.#form.ndjson ? this.#jsonLine(plain) : valueLine(plain);
    if (json === undefined) return;
    if (this.records === 0) this.#firstLine = this.#line;
    this.#parts.push(json, lineEnd);
    this.#bytes += json.length + 1;
    this.records += 1;
  }

  take(): Batch {
    const batch = {
      body: Buffer.concat(this.#parts),
      records: this.records,
      firstLine: this.#firstLine,
      lastLine: this.#line,
    };
    this.#parts = [];
    this.#bytes = 0;
    this.records = 0;
    return batch;
  }

  refuseLength(bytes: number, line = this.#line + 1): never {
    throw new CommandError(
      `line ${line} has ${bytes} bytes or more; a record takes ${limits.recordBytes} at most`,
    );
  }

  #jsonLine(line: Buffer): Buffer | undefined {
    const text = line.toString('utf8');
    if (text.trim() === '') return undefined;
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      const hint = 'leave --ndjson out to send lines as they are';
      throw new CommandError(
        `line ${this.#line} is not JSON: ${(error as Error).message}; ${hint}`,
      );
    }
    return this.#form.keyField === undefined ? line : this.#keyed(value, text, this.#form.keyField);
  }

  /** The line stays the value, byte for byte; only its key is lifted out. */
  #keyed(value: unknown, text: string, field: string): Buffer {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    const key = isObject ? (value as { [name: string]: unknown })[field] : undefined;
    if (typeof key === 'string' || typeof key === 'number' || typeof key === 'boolean') {
      return Buffer.from(`{"key":${JSON.stringify(String(key))},"value":${text}}`);
    }
    throw new CommandError(
      `line ${this.#line} has no text, number or boolean in the field "${field}" (--key-field)`,
    );
  }
}

const lineEnd = Buffer.from('\n');

/** Text goes as text; bytes that are none as base64. */
function valueLine(line: Buffer): Buffer {
  const text = line.toString('utf8');
  const envelope = Buffer.from(text).equals(line)
    ? { value: text }
    : { valueBase64: line.toString('base64') };
  return Buffer.from(JSON.stringify(envelope));
}
