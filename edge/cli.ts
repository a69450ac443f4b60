import { systemClock } from '#shared/std/clock.ts';
import { type CommandIo, processIo } from '#shared/std/command-io.ts';
import { type Program, runProgram } from '#shared/std/command-line.ts';
import { programVersion } from '#shared/std/program.ts';
import { openNotifier } from '#shared/std/systemd.ts';
import { bufferCommands } from './cli-buffer.ts';
import { doctorCommand } from './cli-doctor.ts';
import { joinCommand } from './cli-join.ts';
import { sendCommand } from './cli-send.ts';
import { serviceCommands } from './cli-service.ts';
import { statusCommand } from './cli-status.ts';

const edgeProgram: Program = {
  name: 'tributary-edge',
  summary: 'makes records durable on a gateway and carries them to central.',
  version: programVersion,
  commands: [
    ...serviceCommands(() => openNotifier(process.env, process.pid)),
    statusCommand,
    sendCommand,
    ...bufferCommands,
    doctorCommand,
    joinCommand,
  ],
  plainErrors: new Set([
    'ListenError',
    'BufferOpenError',
    'DeliverError',
    'BatchError',
    'RangeError',
    'HttpProblem',
    'JoinError',
    'TransportError',
  ]),
};

/** Answers the exit code. */
export const runEdge = (argv: readonly string[], io: CommandIo): Promise<number> =>
  runProgram(edgeProgram, argv, io);

/** The process: its arguments, its terminal, its end. */
export async function main(): Promise<void> {
  // Whoever reads us may stop early (`… | head`).
  process.stdout.on('error', () => process.exit(0));
  process.exit(await runEdge(process.argv.slice(2), processIo(systemClock)));
}
