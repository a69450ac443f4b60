import type { CommandIo } from '#shared/std/command-io.ts';
import { type Command, CommandError } from '#shared/std/command-line.ts';
import { askHttp } from '#shared/std/http-request.ts';
import { openLog } from '#shared/std/log.ts';
import { programVersion, settingsEnvironment } from '#shared/std/program.ts';
import { runService } from '#shared/std/service.ts';
import { checkOptions, checkSettings } from '#shared/std/settings-command.ts';
import type { Notifier } from '#shared/std/systemd.ts';
import { showBytes } from '#shared/std/text-table.ts';
import { configOf, settingsOptions } from './cli-edge.ts';
import { type EdgeConfig, edgeSettings } from './config.ts';

/** `run` and `check`: the commands that read the settings whole. */
export const serviceCommands = (notifier: () => Notifier): Command[] => [
  {
    name: 'run',
    summary: 'Run the agent in the foreground until SIGTERM or SIGINT.',
    details:
      'Prints one JSON line {"ready":true,"status":"http://…","sources":[…]} on standard output\n' +
      'when it is ready; logs JSON lines on standard error.',
    options: settingsOptions,
    run: (args, io) => run(() => configOf(args), io, notifier()),
  },
  {
    name: 'check',
    summary: 'Check the settings and tell every problem at once.',
    words: ['[NAME]'],
    options: { ...checkOptions, ...settingsOptions },
    run: (args, io) =>
      checkSettings(args, io, {
        spec: edgeSettings(),
        envPrefix: settingsEnvironment.prefix,
        load: () => {
          const config = configOf(args);
          return { files: config.files, warnings: config.warnings, summary: summaryOf(config) };
        },
      }),
  },
];

function summaryOf({ alias, sources, buffer, central }: EdgeConfig): string {
  const from = sources.length === 0 ? 'no source' : sources.map(({ name }) => name).join(', ');
  const to = central.urls.length === 0 ? 'keeps it' : `sends it to ${central.urls.join(', ')}`;
  const cap = showBytes(buffer.maxBytes);
  return `edge "${alias}" takes from ${from}, buffers up to ${cap} in ${buffer.path}, ${to}`;
}

/** Of the 30 s that systemd gives; what has not drained by then stays in the buffer. */
const stopDeadlineMs = 10_000;

async function run(load: () => EdgeConfig, io: CommandIo, notifier: Notifier): Promise<number> {
  const config = load();
  const log = openLog('tributary-edge', config.log.level, config.underJournal);
  for (const warning of config.warnings) log.warn(warning);
  return runService({
    io,
    log,
    notifier,
    reload: config.underJournal ? () => reload(load, log) : undefined,
    async start() {
      // Only here: the other commands need none of the libraries behind it.
      const { startAgent } = await import('./agent.ts');
      const { clock } = io;
      const version = programVersion;
      const agent = await startAgent(config, { clock, log, random: Math.random, version });
      const { statusUrl: status, sourceAddresses: sources } = agent;
      log.info({ status, sources, files: config.files }, 'the agent is ready');
      return {
        ready: { status, sources },
        prove: () => proveHealth(status),
        stop: () => agent.stop(stopDeadlineMs),
      };
    },
  });
}

/** Settings are read once; a reload tells whether a restart would find them good. */
function reload(load: () => EdgeConfig, log: ReturnType<typeof openLog>): void {
  try {
    load();
    log.warn('the settings are good; restart to have them take effect');
  } catch (error) {
    log.error(
      { error: String(error) },
      'a restart would fail; still running with the old settings',
    );
  }
}

const proofMs = 10_000;

async function proveHealth(statusUrl: string): Promise<void> {
  const { status } = await askHttp(`${statusUrl}/healthz`, { timeoutMs: proofMs });
  if (status !== 200) throw new CommandError(`/healthz answers ${status}`);
}
