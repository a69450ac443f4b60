import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join as joinPath } from 'node:path';
import { isoTime } from '#shared/std/clock.ts';
import { type Command, CommandError, UsageError } from '#shared/std/command-line.ts';
import { parseToken } from '#shared/wire/enrol.ts';
import { settingsOptions } from './cli-edge.ts';
import { centralUrlProblem, type JoinPlace, loadJoinPlace } from './config.ts';

/** `join TOKEN`: from a machine that nobody knows to a site of central. */
export const joinCommand: Command = {
  name: 'join',
  summary: 'Make this gateway a site of central, with a one-time token.',
  details:
    'Makes a key that never leaves this gateway, and gets a certificate; the token is that of\n' +
    '"tributary-central enrol ALIAS". "-" reads it from standard input, out of sight of "ps".',
  words: ['TOKEN'],
  options: {
    url: {
      type: 'string',
      value: 'URL',
      doc: 'Where central is; default: central.url of the settings.',
    },
    ...settingsOptions,
  },
  async run(args, io) {
    const [word] = args.words;
    const token = parseToken(word === '-' ? await textOf(io.stdin) : word!);
    if (!token) {
      throw new UsageError('TOKEN is none: copy it whole from "tributary-central enrol ALIAS"');
    }
    const place = loadJoinPlace({ file: args.text('config'), overrides: args.texts('set') });
    const url = args.text('url') ?? place.urls[0];
    if (url === undefined) throw new UsageError('where central is, is not known: add --url URL');
    const problem = centralUrlProblem(url) ?? (url.startsWith('https:') ? undefined : needsTls);
    if (problem !== undefined) throw new UsageError(`--url "${url}" ${problem}`);
    const { join } = await import('./uplink/join.ts');
    const { validityOf } = await import('./uplink/credential.ts');
    const origin = new URL(url).origin;
    const { credentialPath: path, alias } = place;
    const credential = await join({ token, url: origin, path, alias });
    const until = isoTime(validityOf(credential).notAfter);
    io.out(`This gateway is "${credential.alias}" of ${origin}.`);
    io.out(`  key and certificate: ${path} (until ${until}; renewed by itself)`);
    writeSettings(place, { alias: credential.alias, url: origin }, io.out);
    io.out('Start it, or restart it where it runs: systemctl restart tributary-edge');
    return 0;
  },
};

const needsTls = 'must begin with https://; on loopback without TLS no joining is needed';
const tokenBytesMax = 1024;

async function textOf(input: AsyncIterable<Buffer | string>): Promise<string> {
  let text = '';
  for await (const part of input) {
    text += part;
    if (text.length > tokenBytesMax) throw new UsageError('standard input holds no token');
  }
  return text;
}

/** What the settings lack goes into a file of its own beside them. */
function writeSettings(
  { file, alias, urls }: JoinPlace,
  said: { alias: string; url: string },
  out: (line: string) => void,
): void {
  const lines = [
    ...(alias === null ? [`alias = ${JSON.stringify(said.alias)}`] : []),
    ...(urls.includes(said.url) ? [] : [`central.url = ${JSON.stringify(said.url)}`]),
  ];
  if (lines.length === 0) return;
  const dropIn = joinPath(`${file.replace(/\.toml$/, '')}.d`, '90-join.toml');
  try {
    mkdirSync(dirname(dropIn), { recursive: true });
    writeFileSync(dropIn, `# By "tributary-edge join".\n${lines.join('\n')}\n`);
    out(`  settings: ${dropIn}`);
  } catch (error) {
    throw new CommandError(
      `joined, but ${dropIn} cannot be written (${(error as Error).message}); ` +
        `add to the settings: ${lines.join(', ')}`,
    );
  }
}
