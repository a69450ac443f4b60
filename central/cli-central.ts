import { type ApiClient, openApiClient } from '#shared/std/api-client.ts';
import { type CommandArgs, type OptionSpec, UsageError } from '#shared/std/command-line.ts';
import { parseListen, urlHost } from '#shared/std/listen-address.ts';
import { loadCentralConfig } from './config.ts';

/** What the commands of central have in common. */

export const settingsOptions = {
  config: {
    type: 'string',
    short: 'c',
    value: 'FILE',
    doc: 'Settings file; default /etc/tributary/central.toml.',
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
    doc: 'Where the running central answers; default: status.listen of the settings.',
  },
  json: { type: 'boolean', doc: 'Print JSON.' },
  ...settingsOptions,
} as const satisfies { [name: string]: OptionSpec };

export const configOf = (args: CommandArgs) =>
  loadCentralConfig({ file: args.text('config'), overrides: args.texts('set') });

/** The running central. */
export function clientOf(args: CommandArgs): ApiClient {
  const url = args.text('url')?.replace(/\/+$/, '') ?? settingsUrl(args);
  return openApiClient(
    url,
    'start it with "tributary-central run", or name its address with --url (its ready line has it)',
  );
}

/** Where the running central lands: `embedded` or `kafka`. */
export async function landingKind(client: ApiClient): Promise<string> {
  const { landing } = (await client.get('/api/v1/central')) as { landing: { kind: string } };
  return landing.kind;
}

/** Throws in central's words where it knows no such site: a mistyped name is no empty answer. */
export async function expectSite(client: ApiClient, alias: string): Promise<void> {
  await client.get(`/api/v1/edges/${encodeURIComponent(alias)}`);
}

function settingsUrl(args: CommandArgs): string {
  const { listen } = configOf(args).status;
  const { host, port } = parseListen(listen, 'status.listen');
  if (port === 0) {
    throw new UsageError(`status.listen = "${listen}" picks any port: name the address with --url`);
  }
  return `http://${urlHost(host)}:${port}`;
}
