import { isoTime } from '#shared/std/clock.ts';
import type { CommandIo } from '#shared/std/command-io.ts';
import { type Command, UsageError } from '#shared/std/command-line.ts';
import { parseToken } from '#shared/wire/enrol.ts';
import { joinPlaceOf, settingsOptions } from './cli-edge.ts';
import { centralUrlProblem } from './config.ts';

/** `join TOKEN`: from a machine that nobody knows to a site of central. */
export const joinCommand: Command = {
  name: 'join',
  summary: 'Make this gateway a site of central, with a one-time token.',
  details:
    'Makes a key that never leaves this gateway, and gets a certificate; the token is that of\n' +
    '"tributary-central enrol ALIAS"; without one (or "-") it is read from standard input. An agent\n' +
    'that runs takes the certificate up by itself; as root, one that does not run is started.',
  words: ['[TOKEN]'],
  options: {
    url: {
      type: 'string',
      value: 'URL',
      doc: 'Where central is; default: central.url of the settings.',
    },
    ...settingsOptions,
  },
  async run(args, io) {
    // A token on the command line stays out of sight of "ps" from here on.
    process.title = 'tributary-edge join';
    const [word] = args.words;
    const token = parseToken(word === undefined || word === '-' ? await asked(io) : word);
    if (!token) {
      throw new UsageError(
        'TOKEN is not a whole join token: copy it whole from "tributary-central enrol ALIAS"',
      );
    }
    const place = joinPlaceOf(args);
    const url = args.text('url') ?? place.urls[0];
    if (url === undefined) throw new UsageError('where central is, is not known: add --url URL');
    const problem = centralUrlProblem(url) ?? (url.startsWith('https:') ? undefined : needsTls);
    if (problem !== undefined) throw new UsageError(`--url "${url}" ${problem}`);
    const { join } = await import('./uplink/join.ts');
    const { loadCredential, validityOf } = await import('./uplink/credential.ts');
    const origin = new URL(url).origin;
    const path = place.credentialPath;
    const alias = place.alias ?? loadCredential(path)?.alias ?? null;
    const credential = await join({ token, url: origin, path, alias });
    const until = isoTime(validityOf(credential).notAfter);
    io.out(`This gateway is "${credential.alias}" of ${origin}.`);
    io.out(`  key and certificate: ${path} (until ${until}; renewed by itself)`);
    if (place.urls.length > 0 && !place.urls.includes(origin)) {
      io.out(`  the settings say central.url = ${place.urls.join(', ')}: the agent goes there`);
    }
    io.out('  an agent that runs takes it up by itself, within seconds');
    return 0;
  },
};

const needsTls = 'must begin with https://; on loopback without TLS no joining is needed';
const tokenBytesMax = 1024;

async function asked({ stdin, stderr }: CommandIo): Promise<string> {
  if (stderr.isTTY) stderr.write('Token, of "tributary-central enrol ALIAS": ');
  let text = '';
  for await (const part of stdin) {
    text += part;
    // A person at a terminal ends it with the line.
    if (text.includes('\n')) break;
    if (text.length > tokenBytesMax) throw new UsageError('standard input holds no token');
  }
  return text;
}
