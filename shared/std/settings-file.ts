import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { keyLines } from './settings-lines.ts';
import type { SettingsProblem } from './settings-problem.ts';
import { emptyTable, mergeTables, type TableNode, treeOf } from './settings-tree.ts';

export interface SettingsFiles {
  tree: TableNode;
  /** What was read, in order: the main file, then the sorted `*.toml` of its folder. */
  files: string[];
  problems: SettingsProblem[];
}

/**
 * Reads `/etc/x/edge.toml`, then `/etc/x/edge.d/*.toml` in order; later files win, arrays of tables
 * append. A main file that is not there is a problem only where `mustExist`.
 */
export function readSettingsFiles(main: string, mustExist: boolean): SettingsFiles {
  const result: SettingsFiles = { tree: emptyTable(wholeFile(main)), files: [], problems: [] };
  readOne(main, result, mustExist);
  const folder = `${main.replace(/\.toml$/, '')}.d`;
  for (const name of listFolder(folder, result)) readOne(join(folder, name), result, true);
  return result;
}

const wholeFile = (place: string) => ({ place, line: null });

function listFolder(folder: string, result: SettingsFiles): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.toml'))
      .sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') addProblem(result, folder, readFailure(error));
    return [];
  }
}

function readOne(file: string, result: SettingsFiles, mustExist: boolean): void {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !mustExist) return;
    addProblem(result, file, readFailure(error));
    return;
  }
  result.files.push(file);
  try {
    const tree = treeOf(parse(text), file, keyLines(text));
    result.tree = mergeTables(result.tree, tree);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    result.problems.push(syntaxProblem(file, error));
  }
}

/** The first line only: the rest of the parser's message repeats the text, secrets included. */
function syntaxProblem(file: string, error: TomlError): SettingsProblem {
  const what = error.message.split('\n')[0]!.replace('Invalid TOML document: ', '');
  const message = `is not TOML: ${what} (column ${error.column}; see https://toml.io)`;
  return { origin: { place: file, line: error.line }, key: '', message };
}

function addProblem(result: SettingsFiles, file: string, message: string): void {
  result.problems.push({ origin: wholeFile(file), key: '', message });
}

function readFailure(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
      return 'there is no such file; give the path of a settings file with --config';
    case 'EACCES':
      return 'may not be read by this user; run as its owner or change its permissions';
    case 'EISDIR':
      return 'is a folder, not a settings file';
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return 'is not UTF-8 text';
    default:
      return `cannot be read: ${message}`;
  }
}

/**
 * A value in TOML's own words (`["a", "b"]`), for texts of the environment; undefined when it is
 * none.
 */
export function parseTomlValue(text: string): unknown {
  try {
    return parse(`value = ${text}`).value;
  } catch (error) {
    if (error instanceof TomlError) return undefined;
    throw error;
  }
}
