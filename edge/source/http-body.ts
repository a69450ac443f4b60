import { isUtf8 } from 'node:buffer';
import type { RecordHeader } from '#shared/wire/record.ts';
import { JsonShapeError, jsonChildren, openBrace, openBracket, trimJson } from './http-json.ts';
import { HttpProblem, quoted } from './http-problem.ts';
import { badField, type HttpRecord, type RecordDefaults, recordOf } from './http-record.ts';

/** More records in one request cost more memory than their bytes say. */
export const recordsPerRequest = 100_000;

const newline = 0x0a;
const carriageReturn = 0x0d;
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);

const ndjsonTypes: ReadonlySet<string> = new Set([
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonlines',
]);

/**
 * A request body → its records, at least one, all or none. Which form it has, the content type
 * says.
 */
export function parseBody(
  body: Buffer,
  contentType: string | undefined,
  defaults: RecordDefaults,
): Iterable<HttpRecord> {
  const mediaType = /^[^;]*/
    .exec(contentType ?? '')![0]
    .trim()
    .toLowerCase();
  if (mediaType === 'application/json') {
    return counted(jsonRecords(jsonText(body, contentType!), defaults));
  }
  if (ndjsonTypes.has(mediaType)) {
    return counted(ndjsonRecords(jsonText(body, contentType!), defaults));
  }
  return [rawRecord(body, mediaType, contentType, defaults)];
}

function rawRecord(
  body: Buffer,
  mediaType: string,
  contentType: string | undefined,
  defaults: RecordDefaults,
): HttpRecord {
  if (mediaType.startsWith('multipart/')) {
    throw new HttpProblem(
      415,
      'unsupported-type',
      `content-type ${quoted(mediaType)} is not taken apart here`,
      'send the value itself as the body',
    );
  }
  if (body.length === 0) {
    throw badField(
      'the body is empty',
      'an empty value or a tombstone has to be meant: as JSON, {"value": ""} or {"value": null}',
    );
  }
  const headers: RecordHeader[] = contentType ? [['content-type', Buffer.from(contentType)]] : [];
  return { ...defaults, value: body, headers };
}

function* counted(records: Iterable<HttpRecord>): Generator<HttpRecord> {
  let count = 0;
  for (const record of records) {
    count += 1;
    if (count > recordsPerRequest) {
      throw new HttpProblem(
        413,
        'too-many-records',
        `the request has more than ${recordsPerRequest} records`,
        'split it into several requests',
      );
    }
    yield record;
  }
  if (count === 0) throw badField('the request has no records', 'send at least one');
}

function* jsonRecords(body: Buffer, defaults: RecordDefaults): Generator<HttpRecord> {
  const json = trimJson(body);
  const list = json[0] === openBracket ? json : recordsMember(json);
  if (list === undefined) {
    yield recordOf(json, 'records[0]', defaults);
    return;
  }
  let index = 0;
  for (const { value } of children(list)) {
    yield recordOf(value, `records[${index}]`, defaults);
    index += 1;
  }
}

/** The array of `{"records":[…]}`, an object with nothing else in it. */
function recordsMember(json: Buffer): Buffer | undefined {
  if (json[0] !== openBrace) return undefined;
  let only: Buffer | undefined;
  for (const { name, value } of children(json)) {
    if (only !== undefined || name.toString('latin1') !== '"records"') return undefined;
    only = value;
  }
  return only?.[0] === openBracket ? only : undefined;
}

function* children(json: Buffer) {
  try {
    yield* jsonChildren(json);
  } catch (error) {
    if (!(error instanceof JsonShapeError)) throw error;
    const what = json[0] === openBracket ? 'array' : 'object';
    const hint = 'the body was cut short, or a bracket is missing or one too many';
    throw new HttpProblem(400, 'bad-json', `the ${what} ${error.message}`, hint);
  }
}

function* ndjsonRecords(body: Buffer, defaults: RecordDefaults): Generator<HttpRecord> {
  let index = 0;
  let line = 0;
  for (let start = 0; start < body.length; ) {
    const next = body.indexOf(newline, start);
    const stop = next < 0 ? body.length : next;
    const end = stop > start && body[stop - 1] === carriageReturn ? stop - 1 : stop;
    const json = body.subarray(start, end);
    line += 1;
    start = stop + 1;
    if (trimJson(json).length === 0) continue;
    yield recordOf(json, `records[${index}] (line ${line})`, defaults);
    index += 1;
  }
}

/** The body without a byte order mark, if it is UTF-8 and says nothing else. */
function jsonText(body: Buffer, contentType: string): Buffer {
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType)?.[1];
  if (charset !== undefined && !/^(utf-?8|us-ascii)$/i.test(charset)) {
    throw new HttpProblem(
      415,
      'unsupported-charset',
      `charset ${quoted(charset)} is not UTF-8`,
      'JSON is UTF-8 (RFC 8259): send it so, without a charset',
    );
  }
  if (!isUtf8(body)) {
    throw new HttpProblem(
      400,
      'bad-json',
      'the body is not UTF-8',
      'put bytes that are no text into valueBase64, or send them raw with another content-type',
    );
  }
  return body.subarray(0, 3).equals(byteOrderMark) ? body.subarray(3) : body;
}
