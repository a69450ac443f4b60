import { aliasProblem } from '#shared/wire/alias.ts';
import { topicProblem } from '#shared/wire/topic-name.ts';
import { badParameter } from './errors.ts';

/** What may stand in a path and behind its question mark. Refusals name parameter and value. */

/** The query's parameters; an empty one counts as not given. Unknown and repeated ones throw. */
export function query(url: string, allowed: readonly string[]): Map<string, string> {
  const known = allowed.length > 0 ? `known here: ${allowed.join(', ')}` : 'none is known here';
  const found = new Map<string, string>();
  for (const [name, value] of new URL(url).searchParams) {
    if (!allowed.includes(name)) {
      throw badParameter(
        name,
        value,
        'is not a parameter of this path',
        `${known}; see /openapi.json`,
      );
    }
    if (value === '') continue;
    if (found.has(name)) throw badParameter(name, value, 'is given twice', 'give it once');
    found.set(name, value);
  }
  return found;
}

export function aliasOf(value: string): string {
  const problem = aliasProblem(value);
  if (problem === undefined) return value;
  throw badParameter('alias', value, problem, '/api/v1/edges lists the sites');
}

export function topicOf(value: string): string {
  const problem = topicProblem(value);
  if (problem === undefined) return value;
  throw badParameter('topic', value, problem, '/api/v1/topics lists the topics');
}

/** A whole number from `min` to `max` in plain decimal. */
export function wholeNumber(name: string, value: string, min: number, max: number): number {
  const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  const range = max === Number.MAX_SAFE_INTEGER ? `${min} or more` : `from ${min} to ${max}`;
  throw badParameter(name, value, `is not a whole number ${range}`, `for example ${name}=${min}`);
}

const isoPattern = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/;

/** ISO 8601 with a zone (or a bare UTC date), or milliseconds since the Unix epoch. In ms. */
export function instantOf(name: string, value: string): number {
  // A "+" that was not percent-encoded arrives as a space.
  const text = value.replace(/ (\d\d:\d\d)$/, '+$1');
  const ms = /^\d{1,15}$/.test(text)
    ? Number(text)
    : isoPattern.test(text)
      ? Date.parse(text)
      : NaN;
  if (!Number.isNaN(ms)) return ms;
  throw badParameter(
    name,
    value,
    'is no time',
    'give ISO 8601 with a zone (2026-01-31T08:00:00Z) or milliseconds since 1970',
  );
}
