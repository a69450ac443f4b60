import { run } from './run.ts';

/** What a program says of itself with --help, the one source of manual page and completion. */
export interface ProgramHelp {
  program: string;
  version: string;
  summary: string;
  commands: { name: string; summary: string; help: string; options: string[] }[];
}

/** Asks the bundle itself, which runs on this machine. */
export function helpOf(program: string, main: string): ProgramHelp {
  const ask = (...words: string[]) => run(process.execPath, [main, ...words, '--help']);
  const overview = ask();
  const [, version, summary] = /^\S+ (\S+): (.*)$/m.exec(overview) ?? [];
  const commands = [...overview.matchAll(/^ {2}([a-z0-9-]+(?: [a-z0-9-]+)?) {2,}(.*)$/gm)].map(
    ([, name, commandSummary]) => {
      const help = ask(...name!.split(' '));
      const options = [...help.matchAll(/^ {2}(?:-\w, | {4})(--[a-z0-9-]+)/gm)].map(
        (hit) => hit[1]!,
      );
      return { name: name!, summary: commandSummary!, help, options };
    },
  );
  return { program, version: version!, summary: summary!, commands };
}

export interface ManualExtra {
  /** `path` and what it is. */
  files: readonly (readonly [string, string])[];
  seeAlso: string;
}

/** A page of section 1, in man(7). */
export function manualPage(help: ProgramHelp, extra: ManualExtra, epoch: number): string {
  const date = new Date(epoch * 1000).toISOString().slice(0, 10);
  return [
    `.TH ${help.program.toUpperCase()} 1 ${date} "Tributary ${help.version}" "Tributary"`,
    '.SH NAME',
    `${roff(help.program)} \\- ${roff(help.summary.replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    `.B ${roff(help.program)}`,
    '.I COMMAND',
    '[OPTION]...',
    '.SH COMMANDS',
    ...help.commands.flatMap(({ name, help: text }) => [
      `.SS ${roff(name)}`,
      '.nf',
      ...text.trimEnd().split('\n').map(roff),
      '.fi',
    ]),
    '.SH FILES',
    ...extra.files.flatMap(([path, what]) => ['.TP', `.I ${roff(path)}`, roff(what)]),
    '.SH EXIT STATUS',
    '0 done, 1 failed, 2 wrong usage or settings.',
    '.SH SEE ALSO',
    roff(extra.seeAlso),
    '',
  ].join('\n');
}

/** Text that man shows as it is: no line is a request, hyphens can be copied. */
const roff = (line: string): string =>
  line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/[…“”’×→·≥]/g, (sign) => signs[sign] ?? '?')
    .replace(/^([.'])/, '\\&$1');

const signs: { readonly [sign: string]: string } = {
  '…': '...',
  '“': '"',
  '”': '"',
  '’': "'",
  '×': 'x',
  '→': '->',
  '·': '-',
  '≥': '>=',
};

/** Completes commands, their second words, options, and files behind them. */
export function bashCompletion({ program, commands }: ProgramHelp): string {
  const firsts = [
    ...new Set(commands.map(({ name }) => name.split(' ')[0]!)),
    '--help',
    '--version',
  ];
  const seconds = firsts.flatMap((first) => {
    const below = commands.flatMap(({ name }) =>
      name.startsWith(`${first} `) ? name.split(' ')[1]! : [],
    );
    return below.length === 0 ? [] : [`    ${first}) words="${below.join(' ')}" ;;`];
  });
  const options = commands.map(
    ({ name, options: all }) => `    "${name}") words="${all.join(' ')}" ;;`,
  );
  const name = `_${program.replaceAll('-', '_')}`;
  return `# bash completion for ${program}, made from its --help
${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} words=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    words="${firsts.join(' ')}"
  elif [[ $current == -* ]]; then
    case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${options.filter((line) => line.includes(' ') && /"\S+ \S+"\)/.test(line)).join('\n')}
    *) case "\${COMP_WORDS[1]}" in
${options.filter((line) => !/"\S+ \S+"\)/.test(line)).join('\n')}
    esac ;;
    esac
  elif ((COMP_CWORD == 2)); then
    case "\${COMP_WORDS[1]}" in
${seconds.join('\n')}
    esac
  fi
  [[ -n $words ]] && mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F ${name} ${program}
`;
}
