import { type CommandArgs, type OptionSpec, UsageError } from '#shared/std/command-line.ts';
import { parseListen, urlHost } from '#shared/std/listen-address.ts';
import { type EdgeConfig, type JoinPlace, loadEdgeConfig, loadJoinPlace } from './config.ts';

/** What the commands of an edge have in common. */

export const settingsOptions = {
  config: {
    type: 'string',
    short: 'c',
    value: 'FILE',
    doc: 'Settings file; default /etc/tributary/edge.toml.',
  },
  set: {
    type: 'string',
    multiple: true,
    value: 'KEY=VALUE',
    doc: 'Override one setting; may be repeated.',
  },
} as const satisfies { [name: string]: OptionSpec };

export const askOptions = {
  url: {
    type: 'string',
    value: 'URL',
    doc: 'Where the running agent answers; default: status.listen of the settings.',
  },
  json: { type: 'boolean', doc: 'Print JSON.' },
  ...settingsOptions,
} as const satisfies { [name: string]: OptionSpec };

const sourcesOf = (args: CommandArgs) => ({
  file: args.text('config'),
  overrides: args.texts('set'),
});

export const configOf = (args: CommandArgs): EdgeConfig => loadEdgeConfig(sourcesOf(args));

/** For commands that ask the running agent, also as somebody who may not see its name. */
export const namelessConfigOf = (args: CommandArgs): EdgeConfig =>
  loadEdgeConfig({ ...sourcesOf(args), nameMayLack: true });

export const joinPlaceOf = (args: CommandArgs): JoinPlace => loadJoinPlace(sourcesOf(args));

/** Where the running agent answers. */
export function agentUrl(args: CommandArgs): string {
  return args.text('url')?.replace(/\/+$/, '') ?? settingsUrl(namelessConfigOf(args));
}

export const startAdvice =
  'start it with "tributary-edge run", or name its address with --url (its ready line has it)';

export function settingsUrl({ status: { listen } }: EdgeConfig): string {
  const { host, port } = parseListen(listen, 'status.listen');
  if (port === 0) {
    throw new UsageError(`status.listen = "${listen}" picks any port: name the address with --url`);
  }
  return `http://${urlHost(host)}:${port}`;
}
