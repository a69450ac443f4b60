import type { CommandIo } from './command-io.ts';
import type { CommandArgs, OptionSpec } from './command-line.ts';
import { explainSettings, printDefaults } from './settings-explain.ts';
import { formatProblem, SettingsError } from './settings-problem.ts';
import type { TableSpec } from './settings-spec.ts';
import { columns } from './text-table.ts';

/** `check`: tells everything that is wrong with the settings, and explains what there is to set. */

export const checkOptions = {
  json: { type: 'boolean', doc: 'Print JSON.' },
  'print-defaults': {
    type: 'boolean',
    doc: 'Print a settings file with every setting, explained.',
  },
  explain: {
    type: 'boolean',
    doc: 'List settings with default, unit and variable; a word behind it selects by name.',
  },
} as const satisfies { [name: string]: OptionSpec };

export interface CheckedSettings {
  spec: TableSpec;
  envPrefix: string;
  /** Throws a SettingsError. */
  load(): LoadedSettings;
}

export interface LoadedSettings {
  files: readonly string[];
  warnings: readonly string[];
  /** What was understood, in one line. */
  summary: string;
  /** Whether what they name fits them; absent: nobody asked. */
  ask?: (() => Promise<Asked>) | undefined;
}

/** Sentences for a person; with problems it will not work. */
export interface Asked {
  summary: string;
  warnings: readonly string[];
  problems: readonly string[];
}

export async function checkSettings(
  args: CommandArgs,
  io: CommandIo,
  { spec, envPrefix, load }: CheckedSettings,
): Promise<number> {
  if (args.flag('print-defaults')) {
    io.out(printDefaults(spec).trimEnd());
    return 0;
  }
  if (args.flag('explain')) return explain(args, io, spec, envPrefix);
  if (args.flag('json')) return checkAsJson(io, load);
  const { files, warnings, summary, ask } = load();
  for (const warning of warnings) io.err(`warning: ${warning}`);
  const read = files.length === 0 ? 'no settings file, defaults only' : files.join(', ');
  io.out(`ok: ${read}\n${summary}`);
  const asked = await ask?.();
  if (!asked) return 0;
  io.out(asked.summary);
  for (const warning of asked.warnings) io.err(`warning: ${warning}`);
  for (const problem of asked.problems) io.err(`problem: ${problem}`);
  return asked.problems.length > 0 ? 1 : 0;
}

async function checkAsJson(io: CommandIo, load: CheckedSettings['load']): Promise<number> {
  try {
    const { files, warnings, ask } = load();
    const asked = await ask?.();
    const { summary, problems = [] } = asked ?? {};
    const ok = problems.length === 0;
    const nowhere = { file: null, line: null, key: null };
    io.out(
      JSON.stringify({
        ...{ ok, files, warnings: [...warnings, ...(asked?.warnings ?? [])] },
        problems: problems.map((text) => ({ ...nowhere, message: text, text })),
        asked: summary,
      }),
    );
    return ok ? 0 : 1;
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const problems = error.problems.map((problem) => ({
      file: problem.origin?.place ?? null,
      line: problem.origin?.line ?? null,
      key: problem.key,
      message: problem.message,
      text: formatProblem(problem),
    }));
    io.out(JSON.stringify({ ok: false, files: [], warnings: [], problems }));
    return 2;
  }
}

function explain(args: CommandArgs, io: CommandIo, spec: TableSpec, envPrefix: string): number {
  const [word = ''] = args.words;
  const docs = explainSettings(spec, envPrefix).filter(({ key }) => key.includes(word));
  if (args.flag('json')) io.out(JSON.stringify({ settings: docs }));
  else if (docs.length === 0) io.err(`No setting has "${word}" in its name.`);
  else {
    const rows = docs.flatMap(({ key, doc, expects, default: known, required, env }) => [
      [key, required ? 'required' : known === null ? 'not set' : `default ${known}`],
      ['', doc],
      ['', `${expects}${env === null ? '' : `; ${env}`}`],
    ]);
    io.out(columns(rows));
  }
  return docs.length === 0 ? 1 : 0;
}
