import { HttpProblem, quoted } from './http-problem.ts';
import { badField, type RecordDefaults } from './http-record.ts';
import { parseTimestamp } from './http-timestamp.ts';

/** What the request's headers say of its records. */

const idempotencyKeyLength = 255;

/** `tributary-key` or `?key=`, `tributary-timestamp`; a record's own fields go before them. */
export function recordDefaults(
  request: Request,
  queryKey: string | undefined,
  now: number,
): RecordDefaults {
  const key = request.headers.get('tributary-key');
  const timestamp = request.headers.get('tributary-timestamp');
  if (key !== null && queryKey !== undefined) {
    throw badField('the key is given twice, as header tributary-key and as ?key=', 'send one');
  }
  return {
    // Header values arrive with one character for each byte that was sent.
    key: key !== null ? Buffer.from(key, 'latin1') : textKey(queryKey),
    timestamp: timestamp === null ? now : parseTimestamp(timestamp, 'header tributary-timestamp'),
  };
}

const textKey = (key: string | undefined): Buffer | null =>
  key === undefined ? null : Buffer.from(key, 'utf8');

/**
 * The key under which a repeat is recognised: scoped by topic, since clients count their keys apart
 * for each. A topic holds no slash.
 */
export function idempotencyKey(request: Request, topic: string): string | undefined {
  const key = request.headers.get('idempotency-key');
  if (key === null) return undefined;
  if (key.length > 0 && key.length <= idempotencyKeyLength) return `http/${topic}/${key}`;
  throw new HttpProblem(
    400,
    'bad-idempotency-key',
    `idempotency-key has ${key.length} characters; it takes 1 to ${idempotencyKeyLength}`,
    'for example a UUID, made once per request and kept when it is sent again',
  );
}

export function refuseEncodedBody(request: Request): void {
  const encoding = request.headers.get('content-encoding') ?? 'identity';
  if (encoding.toLowerCase() === 'identity') return;
  throw new HttpProblem(
    415,
    'unsupported-encoding',
    `content-encoding ${quoted(encoding)} is not understood`,
    'send the body as it is; the link to central is compressed anyway',
    { 'accept-encoding': 'identity' },
  );
}
