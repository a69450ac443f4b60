import type { Command, OptionSpec, Program } from './command-line.ts';
import { columns } from './text-table.ts';

/** The list of commands. */
export function programHelp(program: Program): string {
  const rows = program.commands.map(({ name, summary }) => [`  ${name}`, summary]);
  return [
    `${program.name} ${program.version}: ${program.summary}`,
    '',
    `Usage: ${program.name} COMMAND [OPTION…]`,
    '',
    columns(rows),
    '',
    `${program.name} COMMAND --help explains a command.`,
  ].join('\n');
}

/** The help of one command. */
export function describeOptions(
  program: string,
  command: Command,
  always: { readonly [name: string]: OptionSpec },
): string {
  const options = { ...command.options, ...always };
  const rows = Object.entries(options).map(([name, { short, value, doc, type }]) => [
    `  ${short ? `-${short}, ` : '    '}--${name}${type === 'string' ? ` ${value ?? 'TEXT'}` : ''}`,
    doc,
  ]);
  const usage = [program, command.name, ...(command.words ?? []), '[OPTION…]'].join(' ');
  return [
    `Usage: ${usage}`,
    '',
    command.summary,
    ...(command.details === undefined ? [] : ['', command.details.trim()]),
    '',
    columns(rows),
  ].join('\n');
}
