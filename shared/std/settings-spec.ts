/**
 * Settings are a declared tree: what is read, checked, overridden and documented all comes from it.
 *
 * @example
 * const spec = table('One site.', {
 *   alias: setting(text, { doc: 'Short name of this site.', required: true }),
 *   buffer: table('The durable buffer.', {
 *     max_bytes: setting(size, { doc: 'Hard cap of the file.', default: '10GiB' }),
 *   }),
 * });
 */
export interface ValueType<T> {
  /** For a person, after "must be": `a size such as "10GiB"`. */
  expects: string;
  /** `raw` as TOML gives it; a string means: it is none, and why (continues the key). */
  read(raw: unknown): { value: T } | string;
  /** Text of the environment or a command line as TOML would give it. Default: the text itself. */
  fromText?(text: string): unknown;
}

export interface ValueSpec<T> {
  kind: 'value';
  type: ValueType<T>;
  doc: string;
  /** As it would be written in TOML; checked like any other value. */
  default?: unknown;
  /** A default that only the program knows, in words. */
  shownDefault?: string;
  required: boolean;
  /** Its value is never shown. */
  secret: boolean;
  /** TOML text shown in the documentation where there is no default. */
  example?: string;
  check?: (value: T) => string | undefined;
}

export interface TableSpec<F extends Fields = Fields> {
  kind: 'table';
  doc: string;
  fields: F;
}

/** `[[name]]`, or an array of inline tables. */
export interface ListSpec<I extends TableSpec | ChoiceSpec = TableSpec | ChoiceSpec> {
  kind: 'list';
  doc: string;
  item: I;
}

/** A table whose `type` decides what else it holds. */
export interface ChoiceSpec<
  C extends { [type: string]: TableSpec } = { [type: string]: TableSpec },
> {
  kind: 'choice';
  doc: string;
  choices: C;
  defaultType?: string;
}

// biome-ignore lint/suspicious/noExplicitAny: each value's type is known at its leaf only
export type AnyValueSpec = ValueSpec<any>;
export type AnySpec = AnyValueSpec | TableSpec | ListSpec | ChoiceSpec;
export interface Fields {
  [key: string]: AnySpec;
}

/** What a specification reads as. */
export type ReadOf<S> =
  S extends ValueSpec<infer T>
    ? T
    : S extends TableSpec<infer F>
      ? { [K in keyof F]: ReadOf<F[K]> }
      : S extends ListSpec<infer I>
        ? ReadOf<I>[]
        : S extends ChoiceSpec<infer C>
          ? { [K in keyof C]: { type: K } & ReadOf<C[K]> }[keyof C]
          : never;

interface SettingOptions<T> {
  doc: string;
  shownDefault?: string;
  secret?: boolean;
  example?: string;
  check?: (value: T) => string | undefined;
}

export function setting<T>(
  type: ValueType<T>,
  options: SettingOptions<T> & ({ default: unknown } | { required: true }),
): ValueSpec<T>;
export function setting<T>(
  type: ValueType<T>,
  options: SettingOptions<T>,
): ValueSpec<T | undefined>;
export function setting<T>(
  type: ValueType<T>,
  options: SettingOptions<T> & { default?: unknown; required?: true },
): ValueSpec<T> {
  return { kind: 'value', type, secret: false, required: false, ...options };
}

export const table = <F extends Fields>(doc: string, fields: F): TableSpec<F> => ({
  kind: 'table',
  doc,
  fields,
});

export const list = <I extends TableSpec | ChoiceSpec>(doc: string, item: I): ListSpec<I> => ({
  kind: 'list',
  doc,
  item,
});

export const choice = <C extends { [type: string]: TableSpec }>(
  doc: string,
  choices: C,
  options: { defaultType?: string } = {},
): ChoiceSpec<C> => ({ kind: 'choice', doc, choices, ...options });
