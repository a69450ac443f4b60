import type { CommandIo } from '#shared/std/command-io.ts';
import {
  type Command,
  type CommandArgs,
  CommandError,
  type OptionSpec,
} from '#shared/std/command-line.ts';
import { askHttp } from '#shared/std/http-request.ts';
import { openLog } from '#shared/std/log.ts';
import { programVersion, settingsEnvironment } from '#shared/std/program.ts';
import { runService } from '#shared/std/service.ts';
import { checkOptions, checkSettings } from '#shared/std/settings-command.ts';
import { SettingsError, type SettingsProblem } from '#shared/std/settings-problem.ts';
import type { Notifier } from '#shared/std/systemd.ts';
import { printable, showBytes, showCount, showSeconds } from '#shared/std/text-table.ts';
import { configOf, joinPlaceOf, settingsOptions } from './cli-edge.ts';
import { type AgentStatus, askStatus } from './cli-status.ts';
import { type EdgeConfig, edgeSettings, type JoinPlace } from './config.ts';

const runOptions = {
  'stop-with-input': {
    type: 'boolean',
    doc: 'Stop when standard input ends, for programs that start this one.',
  },
  ...settingsOptions,
} as const satisfies { [name: string]: OptionSpec };

/** `run` and `check`: the commands that read the settings whole. */
export const serviceCommands = (notifier: () => Notifier): Command[] => [
  {
    name: 'run',
    summary: 'Run the agent in the foreground until SIGTERM or SIGINT.',
    details:
      'Prints one JSON line {"ready":true,"status":"http://…","sources":[…]} on standard output\n' +
      'when it is ready; logs JSON lines on standard error.',
    options: runOptions,
    run: (args, io) => run(() => runSettings(args), args.flag('stop-with-input'), io, notifier()),
  },
  {
    name: 'check',
    summary: 'Check the settings and tell every problem at once.',
    words: ['[NAME]'],
    options: {
      ...checkOptions,
      alias: { type: 'boolean', doc: 'Check only whether this site has a name yet.' },
      ...settingsOptions,
    },
    run: async (args, io) =>
      args.flag('alias')
        ? checkAlias(() => runSettings(args), io)
        : checkSettings(args, io, {
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

type RunSettings = EdgeConfig | JoinPlace;

/** A gateway without a name runs too, where it has what it needs to get one. */
function runSettings(args: CommandArgs): RunSettings {
  try {
    return configOf(args);
  } catch (error) {
    if (!(error instanceof SettingsError) || !error.problems.every(isAliasMissing)) throw error;
    const place = joinPlaceOf(args);
    if (place.joinToken === null) throw error;
    if (!place.urls.some((url) => url.startsWith('https://'))) {
      const message = 'has to be set, and begin with https://, for the join token to be of use';
      throw new SettingsError([{ origin: null, key: 'central.url', message }]);
    }
    return place;
  }
}

const isAliasMissing = ({ key, isAbsence }: SettingsProblem): boolean =>
  key === 'alias' && isAbsence === true;

async function run(
  load: () => RunSettings,
  stopWithInput: boolean,
  io: CommandIo,
  notifier: Notifier,
): Promise<number> {
  const settings = load();
  const log = openLog('tributary-edge', settings.log.level, settings.underJournal);
  return runService({
    ...{ io, log, notifier, settings, stopWithInput },
    reload: settings.underJournal ? load : undefined,
    reread: load,
    async start(config) {
      log.level = config.log.level;
      if (!('sources' in config)) {
        const { startJoining } = await import('./joining.ts');
        return startJoining(config, { clock: io.clock, log, random: Math.random });
      }
      for (const warning of config.warnings) log.warn(warning);
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
        outdated: agent.replaced,
      };
    },
  });
}

const proofMs = 10_000;

/** Over the agent's own door: loop, listener and store have to work for an answer. */
async function proveHealth(statusUrl: string): Promise<string> {
  const { status } = await askHttp(`${statusUrl}/healthz`, { timeoutMs: proofMs });
  if (status !== 200) throw new CommandError(`/healthz answers ${status}`);
  return stateInWords(await askStatus(statusUrl, '?streams=1'));
}

/** For `systemctl status`: what waits, and how the link is. */
export function stateInWords({ buffer, central }: AgentStatus): string {
  const { backlogRecords, oldestSeconds } = buffer;
  const waits =
    backlogRecords === 0
      ? 'nothing waits'
      : `${showCount(backlogRecords)} records wait (${showBytes(buffer.backlogBytes)}, the oldest ` +
        `for ${showSeconds(oldestSeconds)})`;
  const full = buffer.blocked ? '; the buffer is FULL, sources wait' : '';
  if (central.url === null) return `${waits}${full}; no central is set, records are kept here`;
  const why = central.lastError === null ? '' : `: ${printable(central.lastError)}`;
  return `${waits}${full}; link to ${central.url} ${linkWords[central.state] ?? central.state}${why}`;
}

const linkWords: { readonly [state: string]: string } = {
  connected: 'up',
  'not-landing': 'up, but central cannot land what it is sent',
  connecting: 'being opened',
  waiting: 'down',
  'adopt-needed': 'held until central runs "edges adopt"',
  stopped: 'closed',
};

/**
 * For the unit's ExecCondition: 1 where nobody has named this site yet, and what to do about it.
 */
function checkAlias(load: () => RunSettings, io: CommandIo): number {
  try {
    load();
    return 0;
  } catch (error) {
    // Anything else that is wrong is for `run` to say.
    if (!(error instanceof SettingsError)) return 0;
    if (!error.problems.some(isAliasMissing)) return 0;
    io.err(
      'not set up yet: run "tributary-edge join TOKEN" (of "tributary-central enrol ALIAS"), or give ' +
        'this site an alias in /etc/tributary/edge.d/site.toml (alias = "factory-a") and start it',
    );
    return 1;
  }
}
