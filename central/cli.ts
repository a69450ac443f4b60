import { systemClock } from '#shared/std/clock.ts';
import { type CommandIo, processIo } from '#shared/std/command-io.ts';
import { type Command, type Program, runProgram } from '#shared/std/command-line.ts';
import { programVersion } from '#shared/std/program.ts';
import { openNotifier } from '#shared/std/systemd.ts';
import { authorityCommands } from './cli-authority.ts';
import { browseCommands } from './cli-browse.ts';
import { enrolCommand } from './cli-enrol.ts';
import { fleetCommands } from './cli-fleet.ts';
import { importMm2Command } from './cli-import-mm2.ts';
import { serviceCommands } from './cli-service.ts';
import { translateCommand } from './cli-translate.ts';

/** A command of the design that this release lacks: named, so that nobody searches for it. */
function later(name: string, summary: string, why: string): Command {
  return {
    name,
    summary: `${summary} (not in this release)`,
    async run(_args, io) {
      io.err(`tributary-central ${name} is not in this release: ${why}.`);
      return 1;
    },
  };
}

const centralProgram: Program = {
  name: 'tributary-central',
  summary: 'lands what the sites send, merges it, and knows how far behind each is.',
  version: programVersion,
  commands: [
    ...serviceCommands(() => openNotifier(process.env, process.pid)),
    ...fleetCommands,
    enrolCommand,
    ...authorityCommands,
    ...browseCommands,
    later('audit', 'Compare topics with what sites need of them', 'it audits Kafka topics'),
    translateCommand,
    importMm2Command,
  ],
  plainErrors: new Set([
    'ListenError',
    'LandingError',
    'EmbeddedOpenError',
    'RangeError',
    'ImportError',
    'PropertiesError',
  ]),
};

/** Answers the exit code. */
export const runCentral = (argv: readonly string[], io: CommandIo): Promise<number> =>
  runProgram(centralProgram, argv, io);

/** The process: its arguments, its terminal, its end. */
export async function main(): Promise<void> {
  // Whoever reads us may stop early (`… | head`).
  process.stdout.on('error', () => process.exit(0));
  process.exit(await runCentral(process.argv.slice(2), processIo(systemClock)));
}
