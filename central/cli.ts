import { systemClock } from '#shared/std/clock.ts';
import { type CommandIo, processIo } from '#shared/std/command-io.ts';
import { type Program, runProgram } from '#shared/std/command-line.ts';
import { programVersion } from '#shared/std/program.ts';
import { openNotifier } from '#shared/std/systemd.ts';
import { auditCommand } from './cli-audit.ts';
import { authorityCommands } from './cli-authority.ts';
import { browseCommands } from './cli-browse.ts';
import { enrolCommand } from './cli-enrol.ts';
import { fleetCommands } from './cli-fleet.ts';
import { importMm2Command } from './cli-import-mm2.ts';
import { serviceCommands } from './cli-service.ts';
import { translateCommand } from './cli-translate.ts';

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
    auditCommand,
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
