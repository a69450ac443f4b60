import { listenProblem } from './listen-address.ts';
import { parseTomlValue } from './settings-file.ts';
import type { ValueType } from './settings-spec.ts';
import { parseDuration, parseRate, parseSize } from './settings-units.ts';

/** The types that settings are made of. */

export const text: ValueType<string> = {
  expects: 'a text in quotes',
  read: (raw) =>
    typeof raw === 'string' && raw !== '' ? { value: raw } : 'must be a text in quotes',
};

export const boolean: ValueType<boolean> = {
  expects: 'true or false',
  read: (raw) => (typeof raw === 'boolean' ? { value: raw } : 'must be true or false'),
  fromText: (text) => (text === 'true' ? true : text === 'false' ? false : text),
};

export function integer(min: number, max: number): ValueType<number> {
  const expects = `a whole number from ${min} to ${max}`;
  return {
    expects,
    read: (raw) =>
      typeof raw === 'number' && Number.isInteger(raw) && raw >= min && raw <= max
        ? { value: raw }
        : `must be ${expects}`,
    fromText: (text) => (/^-?\d{1,15}$/.test(text) ? Number(text) : text),
  };
}

export function oneOf<const V extends string>(...values: V[]): ValueType<V> {
  const quoted = values.map((value) => `"${value}"`);
  const expects = `one of ${quoted.join(', ')}`;
  return {
    expects,
    read: (raw) =>
      values.includes(raw as V)
        ? { value: raw as V }
        : `must be ${expects.replace(/, (?=[^,]*$)/, ' or ')}`,
  };
}

/** Bytes. A bare whole number is bytes too. */
export function size(min = 1): ValueType<number> {
  return amount('a size such as "10GiB", "512MiB" or "100kB"', 'bytes', min, parseSize);
}

/** Milliseconds. A unit is required: nobody can tell what 5 would be. */
export function duration(min = 0, max = 100 * 365 * 86_400e3): ValueType<number> {
  const type = amount('a duration such as "7d", "5s" or "250ms"', 'ms', min, parseDuration);
  return {
    expects: type.expects,
    read(raw) {
      if (typeof raw === 'number') return `must be ${type.expects}, with its unit`;
      const outcome = type.read(raw);
      if (typeof outcome === 'string' || outcome.value <= max) return outcome;
      return `is too long; the most is ${max} ms`;
    },
  };
}

/** Bytes per second. */
export const rate: ValueType<number> = {
  ...amount('a rate such as "500kB/s", "2MiB/s" or "16Mbit/s"', 'bytes a second', 1, parseRate),
  fromText: (text) => text,
};

function amount(
  expects: string,
  unit: string,
  min: number,
  parse: (text: string) => number | undefined,
): ValueType<number> {
  return {
    expects,
    read(raw) {
      const value = typeof raw === 'string' ? parse(raw.trim()) : raw;
      if (typeof value !== 'number' || !Number.isSafeInteger(value)) return `must be ${expects}`;
      if (value < min) return `is too small; the least is ${min} ${unit}`;
      return { value };
    },
    fromText: (text) => (/^\d{1,15}$/.test(text) ? Number(text) : text),
  };
}

/** `host:port`. */
export const listenAddress: ValueType<string> = {
  expects: 'an address and a port such as "127.0.0.1:8081"',
  read(raw) {
    const problem = listenProblem(raw);
    return problem === undefined ? { value: raw as string } : problem;
  },
};

/** Texts; one alone may stand without brackets. In the environment: `["a", "b"]` or `a,b`. */
export const texts: ValueType<string[]> = {
  expects: 'a text in quotes, or several in brackets',
  read(raw) {
    const all = typeof raw === 'string' ? [raw] : raw;
    const good = Array.isArray(all) && all.every((one) => typeof one === 'string' && one !== '');
    return good ? { value: all } : `must be ${texts.expects}`;
  },
  fromText: (text) =>
    text.trim().startsWith('[')
      ? (parseTomlValue(text) ?? text)
      : text.split(',').map((one) => one.trim()),
};

/** This type, or one word that means there is none: null. */
export function orWord<T>(word: string, type: ValueType<T>): ValueType<T | null> {
  return {
    ...type,
    expects: `${type.expects}, or "${word}"`,
    read(raw) {
      if (raw === word) return { value: null };
      const outcome = type.read(raw);
      return typeof outcome === 'string' ? `${outcome}, or "${word}"` : outcome;
    },
  };
}
