/** Where a value was written: a file and its line, or words such as "the environment". */
export interface Origin {
  place: string;
  /** Counts from 1; null where there are no lines. */
  line: number | null;
}

/** One thing that is wrong with the settings, or (as a warning) that a person should know. */
export interface SettingsProblem {
  origin: Origin | null;
  /** Dotted, for example `buffer.max_bytes` or `source[0].url`; empty for a file as a whole. */
  key: string;
  /** The value as a person may see it, secrets left out; undefined where there is none. */
  value?: string;
  /** What is wrong and what to do, in words that continue the key. */
  message: string;
  /**
   * It is about something that was not written, so a file that cannot be read may still hold it.
   */
  isAbsence?: boolean;
}

/** Every problem of the settings, at once. */
export class SettingsError extends Error {
  override name = 'SettingsError';
  readonly problems: readonly SettingsProblem[];

  constructor(problems: readonly SettingsProblem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}

/** `edge.toml:12: buffer.max_bytes = "10 cows": is not a size …`, one line. */
export function formatProblem(problem: SettingsProblem): string {
  const { origin, key, value, message } = problem;
  const place = origin === null ? '' : `${origin.place}${origin.line ? `:${origin.line}` : ''}: `;
  const subject = value === undefined ? key : `${key} = ${value}`;
  return `${place}${subject}${subject && ': '}${message}`;
}

const shownMax = 80;

/** A value as an error message shows it: TOML-like, short, without credentials in addresses. */
export function showValue(value: unknown): string {
  const text = value instanceof Date ? value.toISOString() : (JSON.stringify(value) ?? 'nothing');
  const safe = text.replaceAll(/(:\/\/)[^/@"\s]*@/g, '$1…@');
  return safe.length > shownMax ? `${safe.slice(0, shownMax)}…` : safe;
}

/** Whether a setting of this name is likely to hold something that no error message may repeat. */
export const soundsSecret = (name: string): boolean =>
  /pass|pwd|secret|token|credential|private/i.test(name);

/** The known name that a person most likely meant; undefined when none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[_-]/g, '');
  const distances = known.map((candidate) => ({
    candidate,
    distance: editDistance(plain(name), plain(candidate)),
  }));
  distances.sort((a, b) => a.distance - b.distance);
  const best = distances[0];
  if (best === undefined) return undefined;
  return best.distance <= Math.max(2, Math.floor(name.length / 3)) ? best.candidate : undefined;
}

/** Damerau–Levenshtein (optimal string alignment): two swapped letters count as one mistake. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
