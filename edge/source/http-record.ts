import { limits } from '#shared/wire/limits.ts';
import type { RecordHeader, WireRecord } from '#shared/wire/record.ts';
import { jsonChildren, jsonDepth, trimJson } from './http-json.ts';
import { HttpProblem, quoted } from './http-problem.ts';
import { parseTimestamp } from './http-timestamp.ts';

/**
 * One JSON value → one record. An object that has `value` or `valueBase64` and only fields of
 * {@link fields} is an envelope; anything else is the record's value itself, byte for byte as sent.
 */
export type HttpRecord = WireRecord & { partition?: number };

/** What the request says for all its records, unless a record says otherwise. */
export interface RecordDefaults {
  key: Buffer | null;
  timestamp: number;
}

type Envelope = { readonly [field: string]: unknown };

const fields: ReadonlySet<string> = new Set([
  'key',
  'keyBase64',
  'value',
  'valueBase64',
  'timestamp',
  'headers',
  'partition',
]);

/** Escapes and base64 make an envelope larger than its record, hardly more than three times. */
const jsonBytesMax = 3 * limits.recordBytes;
const jsonDepthMax = 128;

/** `at` names the value for error messages: `records[3]`. */
export function recordOf(json: Buffer, at: string, defaults: RecordDefaults): HttpRecord {
  const parsed = parseJson(json, at);
  if (!isEnvelope(parsed)) return { ...defaults, value: json, headers: [] };
  const key = bytesOf('key', parsed, json, at);
  const timestamp = parsed.timestamp ?? undefined;
  const record: HttpRecord = {
    // A key of null is meant; only a record that says nothing has the request's.
    key: key === undefined ? defaults.key : key,
    value: bytesOf('value', parsed, json, at) ?? null,
    headers: headersOf(parsed.headers, at),
    timestamp:
      timestamp === undefined ? defaults.timestamp : parseTimestamp(timestamp, `${at}.timestamp`),
  };
  const partition = partitionOf(parsed.partition, at);
  return partition === undefined ? record : { ...record, partition };
}

export function parseJson(json: Buffer, at: string): unknown {
  if (json.length > jsonBytesMax) {
    throw new HttpProblem(
      413,
      'record-too-large',
      `${at} is ${json.length} bytes of JSON; a record takes ${limits.recordBytes} bytes`,
      'send large values somewhere else and their address here',
    );
  }
  if (jsonDepth(json) > jsonDepthMax) {
    throw new HttpProblem(
      400,
      'bad-json',
      `${at} nests deeper than ${jsonDepthMax} levels`,
      'send it raw, with another content-type, if it has to be like this',
    );
  }
  try {
    return JSON.parse(json.toString('utf8'));
  } catch (error) {
    throw new HttpProblem(
      400,
      'bad-json',
      `${at} is not JSON: ${(error as Error).message}`,
      'application/json takes one value, an array or {"records":[…]}; ' +
        'application/x-ndjson one value a line; any other type is kept raw',
    );
  }
}

function isEnvelope(parsed: unknown): parsed is Envelope {
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return false;
  const names = Object.keys(parsed);
  return (
    (names.includes('value') || names.includes('valueBase64')) &&
    names.every((name) => fields.has(name))
  );
}

/** Bytes of `key` or `value`; null for JSON null, undefined where there is no such field. */
function bytesOf(
  name: 'key' | 'value',
  envelope: Envelope,
  json: Buffer,
  at: string,
): Buffer | null | undefined {
  const base64 = envelope[`${name}Base64`];
  const plain = envelope[name];
  if (base64 !== undefined) {
    if (plain !== undefined) {
      throw badField(`${at} has both ${name} and ${name}Base64`, 'send one of the two');
    }
    return base64Of(base64, `${at}.${name}Base64`);
  }
  if (plain === undefined || plain === null) return plain;
  return typeof plain === 'string' ? textOf(plain, `${at}.${name}`) : memberBytes(json, name);
}

/**
 * The text of a member as it was sent. Of two with the same name the last counts, as in
 * JSON.parse.
 */
function memberBytes(json: Buffer, name: string): Buffer {
  let found: Buffer | undefined;
  for (const child of jsonChildren(trimJson(json))) {
    if (JSON.parse(child.name.toString('utf8')) === name) found = child.value;
  }
  return found!;
}

function textOf(text: string, at: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8');
  throw badField(`${at} holds half of a surrogate pair`, 'send bytes that are no text as base64');
}

function base64Of(value: unknown, at: string): Buffer {
  if (typeof value === 'string' && value.length % 4 === 0) {
    const bytes = Buffer.from(value, 'base64');
    const padding = value.endsWith('==') ? 2 : value.endsWith('=') ? 1 : 0;
    // Buffer.from skips what it does not know: then the length is not the expected one.
    if (bytes.length === (value.length / 4) * 3 - padding) return bytes;
  }
  throw badField(`${at} = ${quoted(value)} is not base64`, 'RFC 4648, with its "=" at the end');
}

function headersOf(headers: unknown, at: string): RecordHeader[] {
  if (headers === undefined || headers === null) return [];
  if (typeof headers !== 'object') {
    const hint = '{"name": "text"} or [["name", "text"], …] where names repeat';
    throw badField(`${at}.headers = ${quoted(headers)} is not an object`, hint);
  }
  const pairs = Array.isArray(headers) ? headers : Object.entries(headers);
  return pairs.map((pair, index) => {
    const where = `${at}.headers[${index}]`;
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== 'string') {
      throw badField(`${where} = ${quoted(pair)} is no pair`, 'each is ["name", "text"]');
    }
    textOf(pair[0], where);
    return [pair[0], headerValue(pair[1], `${at}.headers.${pair[0]}`)];
  });
}

function headerValue(value: unknown, at: string): Buffer | null {
  if (value === null) return null;
  if (typeof value === 'string') return textOf(value, at);
  if (typeof value === 'object' && Object.keys(value).join() === 'base64') {
    return base64Of((value as { base64: unknown }).base64, `${at}.base64`);
  }
  throw badField(
    `${at} = ${quoted(value)} is neither text nor null`,
    'send numbers as text, and bytes that are no text as {"base64": "…"}',
  );
}

function partitionOf(partition: unknown, at: string): number | undefined {
  if (partition === undefined || partition === null) return undefined;
  if (Number.isInteger(partition) && (partition as number) >= 0) {
    if ((partition as number) < limits.partitionsPerTopic) return partition as number;
  }
  throw badField(
    `${at}.partition = ${quoted(partition)} is no partition`,
    `a whole number from 0 to ${limits.partitionsPerTopic - 1}, or nothing: the key then decides`,
  );
}

export const badField = (message: string, hint: string): HttpProblem =>
  new HttpProblem(400, 'bad-record', message, hint);
