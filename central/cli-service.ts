import type { CommandIo } from '#shared/std/command-io.ts';
import { type Command, CommandError } from '#shared/std/command-line.ts';
import { askHttp } from '#shared/std/http-request.ts';
import { openLog } from '#shared/std/log.ts';
import { programVersion, settingsEnvironment } from '#shared/std/program.ts';
import { runService } from '#shared/std/service.ts';
import { checkOptions, checkSettings } from '#shared/std/settings-command.ts';
import type { Notifier } from '#shared/std/systemd.ts';
import { configOf, settingsOptions } from './cli-central.ts';
import { type CentralConfig, centralSettings } from './config.ts';

/** `run` and `check`: the commands that read the settings whole. */
export const serviceCommands = (notifier: () => Notifier): Command[] => [
  {
    name: 'run',
    summary: 'Run central in the foreground until SIGTERM or SIGINT.',
    details:
      'Prints one JSON line {"ready":true,"status":"http://…","link":"http://…"} on standard\n' +
      'output when it is ready; logs JSON lines on standard error.',
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
        spec: centralSettings(),
        envPrefix: settingsEnvironment.prefix,
        load: () => {
          const config = configOf(args);
          return { files: config.files, warnings: config.warnings, summary: summaryOf(config) };
        },
      }),
  },
];

const summaryOf = ({ alias, link, landing, flows }: CentralConfig): string =>
  `central "${alias}" takes sites at ${link.listen}, lands in ${landing.path}, ` +
  `merges ${flows.length} ${flows.length === 1 ? 'topic' : 'topics'}`;

async function run(load: () => CentralConfig, io: CommandIo, notifier: Notifier): Promise<number> {
  const config = load();
  const log = openLog('tributary-central', config.log.level, config.underJournal);
  for (const warning of config.warnings) log.warn(warning);
  return runService({
    io,
    log,
    notifier,
    reload: config.underJournal ? () => reload(load, log) : undefined,
    async start() {
      // Only here: the other commands need none of the libraries behind it.
      const { startCollector } = await import('./collector.ts');
      const { clock } = io;
      const collector = await startCollector(config, { clock, log, version: programVersion });
      const { statusUrl: status, linkUrl: link } = collector;
      log.info({ status, link, files: config.files }, 'central is ready');
      return {
        ready: { status, link },
        prove: () => proveHealth(status),
        stop: () => collector.stop(),
      };
    },
  });
}

/** Settings are read once; a reload tells whether a restart would find them good. */
function reload(load: () => CentralConfig, log: ReturnType<typeof openLog>): void {
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
