import { environmentName } from './settings-overrides.ts';
import type { AnySpec, AnyValueSpec, Fields, TableSpec } from './settings-spec.ts';

/** One setting as its documentation has it. */
export interface SettingDoc {
  /** `buffer.max_bytes`, `source[mqtt].url`, `topic[].name`. */
  key: string;
  doc: string;
  expects: string;
  /** TOML text; null: none. */
  default: string | null;
  required: boolean;
  /** Name in the environment; null where it has none. */
  env: string | null;
}

/** Every setting in the order of its declaration. */
export function explainSettings(spec: TableSpec, envPrefix: string): SettingDoc[] {
  const docs: SettingDoc[] = [];
  const walk = (field: AnySpec, key: string, inList: boolean): void => {
    if (field.kind === 'value') {
      const env = inList ? null : environmentName(envPrefix, key.replaceAll(/\[[^\]]*\]/g, ''));
      docs.push(explainOne(field, key, env));
    } else if (field.kind === 'table') {
      for (const [name, inner] of Object.entries(field.fields)) {
        walk(inner, key === '' ? name : `${key}.${name}`, inList);
      }
    } else if (field.kind === 'choice') {
      for (const [type, inner] of Object.entries(field.choices)) {
        walk(inner, `${key.replace(/\[\]$/, '')}[${type}]`, inList);
      }
    } else walk(field.item, `${key}[]`, true);
  };
  walk(spec, '', false);
  return docs;
}

function explainOne(field: AnyValueSpec, key: string, env: string | null): SettingDoc {
  const shown = field.default === undefined ? (field.shownDefault ?? null) : toml(field.default);
  const { doc, required, type } = field;
  return { key, doc, expects: type.expects, default: shown, required, env };
}

/** A settings file with every setting, commented out, each under its one line of documentation. */
export function printDefaults(spec: TableSpec): string {
  const printed = sectionsOf(spec, '', table).map(({ heading, fields, instead }) => {
    const values = Object.entries(fields).filter(isValue);
    const lines = [...heading, ...values.flatMap(([key, field]) => printValue(key, field))];
    return lines.map((line) => (instead ? `# ${line}` : line)).join('\n');
  });
  return `${printed.join('\n\n')}\n`;
}

interface Section {
  heading: string[];
  fields: Fields;
  /** Of another type than the default one: commented out once more. */
  instead: boolean;
}

const table = (path: string): string => `[${path}]`;

function sectionsOf(field: AnySpec, path: string, header: (path: string) => string): Section[] {
  switch (field.kind) {
    case 'value':
      return [];
    case 'list':
      return sectionsOf(field.item, path, (inner) => `[[${inner}]]`);
    case 'choice':
      return Object.entries(field.choices).flatMap(([type, { doc, fields }]) => {
        const heading = [`# ${doc}`, `# ${header(path)}`, `# type = "${type}"`];
        const instead = header === table && type !== field.defaultType;
        const inner = innerSections(fields, path).map((one) => ({ ...one, instead }));
        return [{ heading, fields, instead }, ...inner];
      });
    case 'table': {
      const heading = path === '' ? [`# ${field.doc}`] : [`# ${field.doc}`, `# ${header(path)}`];
      const { fields } = field;
      return [{ heading, fields, instead: false }, ...innerSections(fields, path)];
    }
  }
}

const innerSections = (fields: Fields, path: string): Section[] =>
  Object.entries(fields).flatMap(([key, one]) =>
    sectionsOf(one, path === '' ? key : `${path}.${key}`, table),
  );

const isValue = (entry: [string, AnySpec]): entry is [string, AnyValueSpec] =>
  entry[1].kind === 'value';

function printValue(key: string, field: AnyValueSpec): string[] {
  const known = field.default === undefined ? field.shownDefault : toml(field.default);
  const note = field.required ? ' Required.' : known === undefined ? ' Not set by default.' : '';
  const value = known ?? field.example ?? '"…"';
  return [`# ${field.doc} (${field.type.expects})${note}`, `# ${key} = ${value}`];
}

const toml = (value: unknown): string =>
  Array.isArray(value) ? `[${value.map(toml).join(', ')}]` : JSON.stringify(value);
