/**
 * Shapes of JSON that came from the network. A shape returns the value, made only of the fields
 * that it knows, or throws a LinkFormatError; so what has passed is exactly its type, whoever sent
 * it.
 */
export type Shape<T> = (value: unknown, path: string) => T;
export type Shaped<S> = S extends Shape<infer T> ? T : never;

/** A message that does not keep to PROTOCOL.md. */
export class LinkFormatError extends Error {
  override name = 'LinkFormatError';
  /** The field, for example `streams[3].cursor`; empty for the message as a whole. */
  readonly path: string;

  constructor(path: string, value: unknown, problem: string) {
    super(`${path || 'message'} is ${shown(value)}: ${problem}`);
    this.path = path;
  }
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

export const object =
  <F extends { [key: string]: Shape<unknown> }>(
    fields: F,
  ): Shape<{ [K in keyof F]: Shaped<F[K]> }> =>
  (value, path) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new LinkFormatError(path, value, 'must be an object');
    }
    const clean: { [key: string]: unknown } = {};
    for (const key of Object.keys(fields)) {
      clean[key] = fields[key]!(value[key as keyof typeof value], path ? `${path}.${key}` : key);
    }
    return clean as { [K in keyof F]: Shaped<F[K]> };
  };

export const list =
  <T>(item: Shape<T>, lengthMax: number): Shape<T[]> =>
  (value, path) => {
    if (!Array.isArray(value)) throw new LinkFormatError(path, value, 'must be a list');
    if (value.length > lengthMax) {
      throw new LinkFormatError(path, value, `must not be longer than ${lengthMax}`);
    }
    return value.map((element, i) => item(element, `${path}[${i}]`));
  };

export const nullable =
  <T>(shape: Shape<T>): Shape<T | null> =>
  (value, path) =>
    value === null ? null : shape(value, path);

/** The field may be left out. */
export const optional =
  <T>(shape: Shape<T>): Shape<T | undefined> =>
  (value, path) =>
    value === undefined ? undefined : shape(value, path);

/** A safe integer from `min` to `max`. */
export const integer =
  (min = 0, max = Number.MAX_SAFE_INTEGER): Shape<number> =>
  (value, path) => {
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      throw new LinkFormatError(path, value, `must be a whole number from ${min} to ${max}`);
    }
    return value as number;
  };

export const boolean: Shape<boolean> = (value, path) => {
  if (typeof value !== 'boolean') throw new LinkFormatError(path, value, 'must be true or false');
  return value;
};

export const oneOf =
  <T extends string>(...values: readonly T[]): Shape<T> =>
  (value, path) => {
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) {
      throw new LinkFormatError(path, value, `must be one of ${values.join(', ')}`);
    }
    return found;
  };

/**
 * Words for a person: cut at `lengthMax` instead of refused, so that no error text costs a
 * heartbeat.
 */
export const text =
  (lengthMax: number): Shape<string> =>
  (value, path) => {
    if (typeof value !== 'string') throw new LinkFormatError(path, value, 'must be a string');
    return value.slice(0, lengthMax);
  };

export const matching =
  (pattern: RegExp, meaning: string): Shape<string> =>
  (value, path) => {
    if (typeof value !== 'string' || !pattern.test(value)) {
      throw new LinkFormatError(path, value, `must be ${meaning}`);
    }
    return value;
  };

/** A string about which `problem` has nothing to say. */
export const named =
  (problem: (value: unknown) => string | undefined): Shape<string> =>
  (value, path) => {
    const found = problem(value);
    if (found !== undefined) throw new LinkFormatError(path, value, found);
    return value as string;
  };

/** `shape`, and then `problem` finds nothing wrong in how its fields go together. */
export const where =
  <T>(shape: Shape<T>, problem: (value: T) => string | undefined): Shape<T> =>
  (value, path) => {
    const shaped = shape(value, path);
    const found = problem(shaped);
    if (found !== undefined) throw new LinkFormatError(path, value, found);
    return shaped;
  };

/** One of several objects, told apart by the string in `tag`. */
export const union =
  <K extends string, V extends { [name: string]: Shape<unknown> }>(
    tag: K,
    variants: V,
  ): Shape<{ [N in keyof V & string]: Shaped<V[N]> & { [T in K]: N } }[keyof V & string]> =>
  (value, path) => {
    const tagOf = object({ [tag]: oneOf(...Object.keys(variants)) });
    const name = tagOf(value, path)[tag] as string;
    const fields = variants[name]!(value, path) as object;
    return { ...fields, [tag]: name } as never;
  };
