import type { KafkaLine } from './jars.ts';
import { java } from './java.ts';

/** Apache's own Java consumer and producer, as a test would use them. */

export type Bytes = string | Buffer | null;

/** As the Java consumer shows it; timestamps in ms since the epoch. */
export interface ReadRecord {
  topic: string;
  partition: number;
  offset: number;
  timestamp: number;
  timestampType: 'CreateTime' | 'LogAppendTime';
  key: Buffer | null;
  value: Buffer | null;
  /** In order, repeats and nulls kept. */
  headers: [name: string, value: Buffer | null][];
}

export interface ReadOptions {
  topics: readonly string[];
  /** Default `read_committed`. */
  isolation?: 'read_committed' | 'read_uncommitted';
  /** At most so many; else to the end as it was at the start. */
  max?: number;
  /** Goes on where the group is. Without: from the beginning, in no group. */
  group?: string;
  /** Commits, in the group, exactly what it has read. */
  commit?: boolean;
  /** What it did not reach by then rejects. 30 s by default. */
  timeoutMs?: number;
  /** More settings of the consumer. */
  client?: { readonly [name: string]: string };
  version?: KafkaLine;
}

/** Kafka's Java consumer; within a partition in its order. */
export async function javaRead(bootstrap: string, options: ReadOptions): Promise<ReadRecord[]> {
  const { isolation = 'read_committed', client, version, ...order } = options;
  const settings = { 'bootstrap.servers': bootstrap, 'isolation.level': isolation, ...client };
  const input = JSON.stringify({ ...order, client: settings });
  const timeoutMs = (options.timeoutMs ?? 30_000) + 30_000;
  const out = await java('Read', [], { input, version, timeoutMs, heapMb: 256 });
  return out.split('\n').filter(Boolean).map(readRecord);
}

interface RawRecord {
  [field: string]: unknown;
  key: string | null;
  value: string | null;
  headers: [string, string | null][];
}

function readRecord(line: string): ReadRecord {
  const raw = JSON.parse(line) as RawRecord;
  const headers = raw.headers.map(([name, value]) => [name, fromBase64(value)]);
  return { ...raw, key: fromBase64(raw.key), value: fromBase64(raw.value), headers } as ReadRecord;
}

const fromBase64 = (text: string | null): Buffer | null =>
  text === null ? null : Buffer.from(text, 'base64');

export interface WriteRecord {
  topic: string;
  partition?: number;
  timestamp?: number;
  key?: Bytes;
  /** Null: a tombstone. */
  value: Bytes;
  headers?: readonly (readonly [name: string, value: Bytes])[];
}

export type WriteStep =
  | WriteRecord
  | { do: 'begin' | 'commit' | 'abort' | 'flush' }
  | {
      do: 'create';
      topic: string;
      /** 1 by default. */
      partitions?: number;
      configs?: { readonly [name: string]: string };
    }
  | {
      do: 'generate';
      topic: string;
      partition?: number;
      count: number;
      /** Of each value; 100 by default. It begins with `<seed>:<n>:`. */
      bytes?: number;
      seed?: number;
      /** So many different keys `k0`, `k1`, …, in turn; 100 by default. */
      keys?: number;
    };

export interface WrittenRecord {
  topic: string;
  partition: number;
  /** -1: aborted before it was sent. */
  offset: number;
  timestamp: number;
  error?: string;
}

/**
 * Kafka's Java producer. `client`: its settings, such as `compression.type`, `enable.idempotence`,
 * `transactional.id` (then `{ do: 'begin' }` comes first). One answer for each record of `steps`.
 */
export async function javaWrite(
  bootstrap: string,
  steps: readonly WriteStep[],
  client: { readonly [name: string]: string } = {},
  version: KafkaLine = '4.x',
): Promise<WrittenRecord[]> {
  const lines = [{ 'bootstrap.servers': bootstrap, ...client }, ...steps.map(writeLine)];
  const input = `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`;
  const out = await java('Write', [], { input, version, heapMb: 256 });
  return out
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as WrittenRecord);
}

function writeLine(step: WriteStep): object {
  if ('do' in step) return step;
  const headers = step.headers?.map(([name, value]) => [name, toBase64(value)]);
  return { ...step, key: toBase64(step.key ?? null), value: toBase64(step.value), headers };
}

const toBase64 = (bytes: Bytes): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString('base64');
