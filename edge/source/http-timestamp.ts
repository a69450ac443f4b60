import { HttpProblem, quoted } from './http-problem.ts';

const iso = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})$/i;

/**
 * Milliseconds since the Unix epoch, from a number, its digits, or ISO 8601 with a time zone
 * (without one it would mean another moment on every gateway). `at` names the field for the error
 * message.
 */
export function parseTimestamp(value: unknown, at: string): number {
  const ms = read(value);
  if (ms !== undefined && Number.isSafeInteger(ms) && ms >= 0) return ms;
  throw new HttpProblem(
    400,
    'bad-record',
    `${at} = ${quoted(value)} is no time`,
    'milliseconds since 1970, or ISO 8601 with its zone, for example "2026-11-21T08:30:00.250Z"',
  );
}

function read(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  if (/^\d{1,16}$/.test(value)) return Number(value);
  const match = iso.exec(value);
  if (match === null) return undefined;
  const [year, month, day] = match.slice(1).map(Number) as [number, number, number];
  // Date.parse takes 30 February for 2 March.
  if (new Date(Date.UTC(year, month - 1, day)).getUTCDate() !== day) return undefined;
  return Date.parse(value.replace(',', '.'));
}
