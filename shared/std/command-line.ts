import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { describeOptions, programHelp } from './command-help.ts';
import type { CommandIo } from './command-io.ts';
import { nearestName, SettingsError } from './settings-problem.ts';

/**
 * A program of commands: parsed, explained and ended in one way. Exit codes: 0 ok, 1 failed, 2
 * usage.
 */
export interface Program {
  name: string;
  /** One sentence. */
  summary: string;
  version: string;
  commands: readonly Command[];
  /**
   * Names of errors whose message tells a person all there is; others are shown with their trace.
   */
  plainErrors: ReadonlySet<string>;
}

export interface Command {
  /** One word or two: `status`, `buffer export`. */
  name: string;
  /** One line, for the list of commands. */
  summary: string;
  /** Shown under the usage in `--help`: what it does, examples. */
  details?: string;
  /** Names of the words that follow, in order; `[NAME]` may be left out. */
  words?: readonly string[];
  options?: { readonly [name: string]: OptionSpec };
  /** Answers the exit code. */
  run(args: CommandArgs, io: CommandIo): Promise<number>;
}

export interface OptionSpec {
  type: 'string' | 'boolean';
  multiple?: boolean;
  short?: string;
  /** What stands for the value in the help: FILE. */
  value?: string;
  doc: string;
}

/** The command was not written as it has to be: exit code 2. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** It was understood and could not be done: exit code 1. The message says what to do next. */
export class CommandError extends Error {
  override name = 'CommandError';
}

type Values = { [name: string]: string | boolean | (string | boolean)[] | undefined };

/** What was written, read by name. */
export class CommandArgs {
  readonly #values: Values;
  readonly words: readonly string[];

  constructor(values: Values, words: readonly string[]) {
    this.#values = values;
    this.words = words;
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  texts(name: string): string[] {
    const value = this.#values[name];
    return Array.isArray(value) ? value.map(String) : [];
  }

  /** A whole number from `min` to `max`; throws a UsageError. */
  number(name: string, fallback: number, min: number, max: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new UsageError(`--${name} ${text}: must be a whole number from ${min} to ${max}`);
  }
}

const helpOption: OptionSpec = { type: 'boolean', short: 'h', doc: 'Show this.' };

/** Runs the command that `argv` (without program and script) names; answers the exit code. */
export async function runProgram(
  program: Program,
  argv: readonly string[],
  io: CommandIo,
): Promise<number> {
  try {
    return await dispatch(program, argv, io);
  } catch (error) {
    return explain(program, error, io);
  }
}

async function dispatch(program: Program, argv: readonly string[], io: CommandIo): Promise<number> {
  const [first] = argv;
  if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
    io.out(programHelp(program));
    return first === undefined ? 2 : 0;
  }
  if (first === '--version' || first === 'version') {
    io.out(`${program.name} ${program.version}`);
    return 0;
  }
  const { command, rest } = findCommand(program, argv);
  const { values, words } = parse(program, command, rest);
  if (values.help === true) {
    io.out(describeOptions(program.name, command, { help: helpOption }));
    return 0;
  }
  checkWords(program, command, words);
  return command.run(new CommandArgs(values, words), io);
}

/** Two words, one word, or one word that stands for its `list`. */
function findCommand(program: Program, argv: readonly string[]) {
  const [first, second] = argv;
  const named = (name: string) => program.commands.find((command) => command.name === name);
  const both = named(`${first} ${second}`);
  if (both !== undefined) return { command: both, rest: argv.slice(2) };
  const isAlone = second === undefined || second.startsWith('-');
  const one = named(first!) ?? (isAlone ? named(`${first} list`) : undefined);
  if (one !== undefined) return { command: one, rest: argv.slice(1) };
  const below = program.commands.filter(({ name }) => name.startsWith(`${first} `));
  if (below.length > 0) {
    const names = below.map(({ name }) => name.split(' ')[1]).join(', ');
    throw new UsageError(`${program.name} ${first} has no "${second}"; it has: ${names}`);
  }
  const known = [...new Set(program.commands.map(({ name }) => name.split(' ')[0]!))];
  const near = nearestName(first!, known);
  const hint = near ? `did you mean "${near}"?` : `it knows: ${known.join(', ')}`;
  throw new UsageError(`${program.name} has no command "${first}"; ${hint}`);
}

function parse(program: Program, command: Command, argv: readonly string[]) {
  const options: ParseArgsOptionsConfig = { help: { type: 'boolean', short: 'h' } };
  for (const [name, { type, short, multiple }] of Object.entries(command.options ?? {})) {
    options[name] = { type, ...(short && { short }), ...(multiple && { multiple }) };
  }
  try {
    const parsed = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true });
    return { values: parsed.values as Values, words: parsed.positionals };
  } catch (error) {
    const what = (error as Error).message.split(/\. |\n/)[0];
    throw new UsageError(`${what}; see ${program.name} ${command.name} --help`);
  }
}

function checkWords(program: Program, command: Command, words: readonly string[]): void {
  const names = command.words ?? [];
  const missing = names[words.length];
  const help = `see ${program.name} ${command.name} --help`;
  if (missing !== undefined && !missing.startsWith('[')) {
    throw new UsageError(`${program.name} ${command.name}: ${missing} is missing; ${help}`);
  }
  if (words.length > names.length) {
    throw new UsageError(
      `${program.name} ${command.name} does not know what "${words[names.length]}" is; ${help}`,
    );
  }
}

/** One place where failures become words and exit codes. */
function explain(program: Program, error: unknown, io: CommandIo): number {
  if (error instanceof SettingsError) {
    const count = error.problems.length;
    io.err(`${error.message}\n${count} problem${count === 1 ? '' : 's'} in the settings.`);
    return 2;
  }
  if (error instanceof UsageError) {
    io.err(error.message);
    return 2;
  }
  const isPlain =
    error instanceof CommandError ||
    (error instanceof Error && program.plainErrors.has(error.name));
  io.err(isPlain ? error.message : String((error as Error)?.stack ?? error));
  return 1;
}
