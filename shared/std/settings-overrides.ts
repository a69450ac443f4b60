import { nearestName, type SettingsProblem } from './settings-problem.ts';
import type { AnySpec, Fields, TableSpec } from './settings-spec.ts';
import { type LeafNode, mergeTables, type TableNode } from './settings-tree.ts';

export interface Environment {
  readonly [name: string]: string | undefined;
}

export interface EnvironmentRules {
  /** Names that begin with it are settings: `TRIBUTARY_`. */
  prefix: string;
  /** Names with the prefix that mean something else. */
  ignore: RegExp;
}

/**
 * `TRIBUTARY_STATUS__LISTEN=127.0.0.1:0` overrides `status.listen`: two underscores nest. Only
 * settings outside arrays of tables have such a name; an unknown one is a problem, so that none is
 * mistyped in silence.
 */
export function applyEnvironment(
  spec: TableSpec,
  tree: TableNode,
  env: Environment,
  rules: EnvironmentRules,
  problems: SettingsProblem[],
): TableNode {
  let result = tree;
  const names = Object.keys(env).filter((name) => name.startsWith(rules.prefix));
  for (const name of names.sort()) {
    if (rules.ignore.test(name)) continue;
    const path = name.slice(rules.prefix.length).toLowerCase().split('__');
    const origin = { place: 'the environment', line: null };
    const leaf: LeafNode = { kind: 'leaf', value: env[name], isText: true, origin };
    if (isSetting(spec, path)) result = mergeTables(result, nest(path, leaf));
    else {
      const named = (one: string) => environmentName(rules.prefix, one);
      const message = unknownMessage(path.join('.'), settingPaths(spec), named);
      problems.push({ origin, key: name, message });
    }
  }
  return result;
}

/** `--set status.listen=127.0.0.1:0`, strongest of all. */
export function applyOverrides(
  spec: TableSpec,
  tree: TableNode,
  overrides: readonly string[],
  problems: SettingsProblem[],
): TableNode {
  let result = tree;
  for (const override of overrides) {
    const origin = { place: 'the command line', line: null };
    const equals = override.indexOf('=');
    const key = (equals < 0 ? override : override.slice(0, equals)).trim();
    const value = override.slice(equals + 1).trim();
    const leaf: LeafNode = { kind: 'leaf', value, isText: true, origin };
    if (equals < 0) {
      problems.push({ origin, key: `--set ${key}`, message: 'must be written as --set key=value' });
    } else if (isSetting(spec, key.split('.'))) {
      result = mergeTables(result, nest(key.split('.'), leaf));
    } else {
      problems.push({ origin, key, message: unknownMessage(key, settingPaths(spec)) });
    }
  }
  return result;
}

/** `status.listen` → `TRIBUTARY_STATUS__LISTEN`. */
export const environmentName = (prefix: string, path: string): string =>
  prefix + path.replaceAll('.', '__').toUpperCase();

/** Dotted paths of all settings that are not in an array of tables. */
export function settingPaths(spec: TableSpec): string[] {
  return Object.entries(spec.fields).flatMap(([key, field]) => {
    if (field.kind === 'value') return [key];
    return innerFields(field).flatMap((fields) =>
      settingPaths({ ...spec, fields }).map((path) => `${key}.${path}`),
    );
  });
}

function isSetting(spec: TableSpec, path: string[]): boolean {
  return settingPaths(spec).includes(path.join('.'));
}

function innerFields(spec: AnySpec): Fields[] {
  if (spec.kind === 'table') return [spec.fields];
  if (spec.kind !== 'choice') return [];
  const fields = Object.values(spec.choices).map((one) => one.fields);
  // Which `type` is chosen is itself a setting; its own spec does the checking.
  return [Object.assign({ type: { kind: 'value' } as AnySpec }, ...fields)];
}

function nest(path: readonly string[], leaf: LeafNode): TableNode {
  const [key, ...rest] = path;
  const inner = rest.length === 0 ? leaf : nest(rest, leaf);
  return { kind: 'table', entries: new Map([[key!, inner]]), origin: leaf.origin };
}

function unknownMessage(
  path: string,
  known: readonly string[],
  shown = (near: string): string => near,
): string {
  const near = nearestName(path, known);
  const hint = near ? `did you mean ${shown(near)}?` : 'arrays of tables are set in a file only';
  return `there is no such setting; ${hint}`;
}
