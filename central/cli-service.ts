import type { CommandIo } from '#shared/std/command-io.ts';
import {
  type Command,
  CommandError,
  type OptionSpec,
  UsageError,
} from '#shared/std/command-line.ts';
import { askHttp } from '#shared/std/http-request.ts';
import { openLog } from '#shared/std/log.ts';
import { programVersion, settingsEnvironment } from '#shared/std/program.ts';
import { runService } from '#shared/std/service.ts';
import { type Asked, checkOptions, checkSettings } from '#shared/std/settings-command.ts';
import type { Notifier } from '#shared/std/systemd.ts';
import { showCount } from '#shared/std/text-table.ts';
import { configOf, settingsOptions } from './cli-central.ts';
import { type CentralConfig, centralSettings } from './config.ts';

const runOptions = {
  'stop-with-input': {
    type: 'boolean',
    doc: 'Stop when standard input ends, for programs that start this one.',
  },
  ...settingsOptions,
} as const satisfies { [name: string]: OptionSpec };

const connectOptions = {
  connect: {
    type: 'boolean',
    doc: "Also ask the settings' Kafka: does it answer, and do its topics fit? Changes nothing.",
  },
} as const satisfies { [name: string]: OptionSpec };

/** `run` and `check`: the commands that read the settings whole. */
export const serviceCommands = (notifier: () => Notifier): Command[] => [
  {
    name: 'run',
    summary: 'Run central in the foreground until SIGTERM or SIGINT.',
    details:
      'Prints one JSON line {"ready":true,"status":"http://…","link":"http://…"} on standard\n' +
      'output when it is ready; logs JSON lines on standard error.',
    options: runOptions,
    run: (args, io) => run(() => configOf(args), args.flag('stop-with-input'), io, notifier()),
  },
  {
    name: 'check',
    summary: 'Check the settings and tell every problem at once.',
    words: ['[NAME]'],
    options: { ...checkOptions, ...connectOptions, ...settingsOptions },
    run: (args, io) =>
      checkSettings(args, io, {
        spec: centralSettings(),
        envPrefix: settingsEnvironment.prefix,
        load: () => {
          const config = configOf(args);
          const { files, warnings } = config;
          const ask = args.flag('connect') ? asking(config) : undefined;
          return { files, warnings, summary: summaryOf(config), ask };
        },
      }),
  },
];

function asking({ landing, flows }: CentralConfig): () => Promise<Asked> {
  if (landing.type !== 'kafka') {
    throw new UsageError(`--connect: landing.type = "${landing.type}" has nobody to connect to`);
  }
  return async () => {
    const { askCluster } = await import('./open-landing.ts');
    return askCluster(landing, flows);
  };
}

const placeOf = (landing: CentralConfig['landing']): string =>
  landing.type === 'embedded' ? landing.path : `Kafka at ${landing.connection.brokers.join(', ')}`;

const summaryOf = ({ alias, link, landing, flows }: CentralConfig): string =>
  `central "${alias}" takes sites at ${link.listen}, lands in ${placeOf(landing)}, ` +
  `merges ${flows.length} ${flows.length === 1 ? 'topic' : 'topics'}`;

async function run(
  load: () => CentralConfig,
  stopWithInput: boolean,
  io: CommandIo,
  notifier: Notifier,
): Promise<number> {
  const settings = load();
  const log = openLog('tributary-central', settings.log.level, settings.underJournal);
  return runService({
    ...{ io, log, notifier, settings, stopWithInput },
    reload: settings.underJournal ? load : undefined,
    async start(config, signal) {
      log.level = config.log.level;
      for (const warning of config.warnings) log.warn(warning);
      // Only here: the other commands need none of the libraries behind it.
      const { startCollector } = await import('./collector.ts');
      const { clock } = io;
      const collector = await startCollector(config, {
        clock,
        log,
        version: programVersion,
        signal,
      });
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

const proofMs = 10_000;

/** Over central's own door: loop, listener and landing have to work for an answer. */
async function proveHealth(statusUrl: string): Promise<string> {
  const { status } = await askHttp(`${statusUrl}/healthz`, { timeoutMs: proofMs });
  if (status !== 200) throw new CommandError(`/healthz answers ${status}`);
  const { text } = await askHttp(`${statusUrl}/api/v1/edges`, { timeoutMs: proofMs });
  return fleetInWords((JSON.parse(text) as { edges: SiteState[] }).edges);
}

interface SiteState {
  state: string;
  lag: { records: number | null };
}

/** For `systemctl status`: how many sites, in which states, how far behind. */
export function fleetInWords(sites: readonly SiteState[]): string {
  if (sites.length === 0) return 'no site has called yet';
  const counts = new Map<string, number>();
  for (const { state } of sites) counts.set(state, (counts.get(state) ?? 0) + 1);
  const states = [...counts].map(([state, count]) => `${count} ${state}`).join(', ');
  const behind = sites.reduce((sum, { lag }) => sum + (lag.records ?? 0), 0);
  const lag = behind === 0 ? 'nothing known to wait' : `${showCount(behind)} records wait at sites`;
  return `${sites.length} ${sites.length === 1 ? 'site' : 'sites'}: ${states}; ${lag}`;
}
