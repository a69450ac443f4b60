import { checkTree } from './settings-check.ts';
import { readSettingsFiles } from './settings-file.ts';
import {
  applyEnvironment,
  applyOverrides,
  type Environment,
  type EnvironmentRules,
} from './settings-overrides.ts';
import {
  SettingsError,
  type SettingsProblem,
  showValue,
  soundsSecret,
} from './settings-problem.ts';
import type { ReadOf, TableSpec } from './settings-spec.ts';
import { nodeAt, type TableNode } from './settings-tree.ts';

export interface SettingsSources {
  file: string;
  /** Whether `file` was asked for; a default file may be missing. */
  fileMustExist: boolean;
  env: Environment;
  rules: EnvironmentRules;
  /** `key=value`, from the command line. */
  overrides?: readonly string[];
}

/** Settings as read, still open for checks that need more than one of them. */
export class Settings<S extends TableSpec> {
  /**
   * Where there are problems, what was wrong reads as its default or, where it has none, as
   * undefined whatever its type says: look before you leap, until {@link settle} has thrown.
   */
  readonly values: ReadOf<S>;
  /** Files read, in order. */
  readonly files: readonly string[];
  readonly problems: SettingsProblem[];
  readonly warnings: SettingsProblem[] = [];
  readonly #tree: TableNode;

  constructor(values: ReadOf<S>, tree: TableNode, files: string[], problems: SettingsProblem[]) {
    this.values = values;
    this.files = files;
    this.problems = problems;
    this.#tree = tree;
  }

  /** `key` is dotted, `source[0].url`; file, line and value are looked up. */
  problem(key: string, message: string): void {
    this.problems.push(this.#describe(key, message));
  }

  warning(key: string, message: string): void {
    this.warnings.push(this.#describe(key, message));
  }

  /** A value found elsewhere, for one that nobody wrote. */
  supply<K extends keyof ReadOf<S> & string>(key: K, value: ReadOf<S>[K]): void {
    this.values[key] = value;
    const at = this.problems.findIndex((one) => one.key === key && one.isAbsence);
    if (at >= 0) this.problems.splice(at, 1);
  }

  /** Throws all problems together. */
  settle(): void {
    if (this.problems.length > 0) throw new SettingsError(this.problems.toSorted(byPlace));
  }

  #describe(key: string, message: string): SettingsProblem {
    const node = nodeAt(this.#tree, key);
    const shown = node.kind === 'leaf' && !soundsSecret(key) ? showValue(node.value) : undefined;
    return { origin: node.origin, key, value: shown, message };
  }
}

/** Reads files, environment and command line; problems wait in the result for `settle`. */
export function loadSettings<S extends TableSpec>(spec: S, sources: SettingsSources): Settings<S> {
  const { tree: written, files, problems } = readSettingsFiles(sources.file, sources.fileMustExist);
  const unreadable = problems.length > 0;
  const withEnv = applyEnvironment(spec, written, sources.env, sources.rules, problems);
  const tree = applyOverrides(spec, withEnv, sources.overrides ?? [], problems);
  const found: SettingsProblem[] = [];
  const values = checkTree(spec, tree, found);
  // What an unreadable file holds is unknown: saying that it is missing would mislead.
  problems.push(...found.filter(({ isAbsence }) => !unreadable || !isAbsence));
  return new Settings(values, tree, files, problems);
}

function byPlace(a: SettingsProblem, b: SettingsProblem): number {
  const placeA = a.origin?.place ?? '';
  const placeB = b.origin?.place ?? '';
  if (placeA !== placeB) return placeA < placeB ? -1 : 1;
  return (a.origin?.line ?? 0) - (b.origin?.line ?? 0);
}
