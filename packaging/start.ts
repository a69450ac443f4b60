import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { systemClock } from '#shared/std/clock.ts';
import { askHttp } from '#shared/std/http-request.ts';
import { type FlakyLink, openFlakyLink, seededRandom } from './flaky-link.ts';
import { type Child, StartError, type Stoppable, startChild } from './start-process.ts';
import { centralToml, edgeToml, portsFrom } from './start-settings.ts';
import { flakyWords, fleetLine, type Running, welcome } from './start-words.ts';

/** `npm start`: one central and one or more edges on this machine, for a first look. */

const help = `Usage: npm start -- [OPTION…]

  --sites N      Start N sites, 1 to 3; default 1.
  --flaky        Cut and restore their links at random.
  --seed N       Repeat the cuts of an earlier run.
  --port-base N  Use the ports from N on; 0 lets the system choose. Default 8080, 8443, 1883.
  --kafka HOST:PORT[,…]
                 Land in this Kafka cluster instead of a file.
  --folder PATH  Where data, settings and logs are kept; default .tributary, or a folder
                 for each cluster below it.`;

const aliases = ['factory-a', 'factory-b', 'store-1'];
const clock = systemClock;
/** All that was started, central first; also while it is not ready yet. */
const children: Stoppable[] = [];
const links: FlakyLink[] = [];

function readOptions() {
  const { values } = parseArgs({
    options: {
      sites: { type: 'string', default: '1' },
      flaky: { type: 'boolean', default: false },
      seed: { type: 'string' },
      'port-base': { type: 'string' },
      folder: { type: 'string' },
      kafka: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(help);
    process.exit(0);
  }
  const number = (name: 'sites' | 'seed' | 'port-base', min: number, max: number) => {
    const text = values[name];
    if (text === undefined) return undefined;
    if (/^\d{1,10}$/.test(text) && Number(text) >= min && Number(text) <= max) return Number(text);
    throw new StartError(`--${name} ${text}: must be a whole number from ${min} to ${max}`);
  };
  const kafka = values.kafka === undefined ? null : brokersOf(values.kafka);
  const home = fileURLToPath(new URL('../.tributary', import.meta.url));
  return {
    kafka,
    sites: number('sites', 1, aliases.length)!,
    flaky: values.flaky,
    seed: number('seed', 0, 2 ** 32 - 1) ?? Math.floor(Math.random() * 2 ** 32),
    ports: portsFrom(number('port-base', 0, 65_000)),
    // Edges' positions belong to one central: each cluster is another one.
    folder: values.folder ?? (kafka ? `${home}/kafka-${kafka[0]!.replace(':', '-')}` : home),
  };
}

function brokersOf(text: string): string[] {
  const brokers = text.split(',').map((one) => one.trim());
  const bad = brokers.find((one) => !/^[^\s:]+:\d{1,5}$/.test(one));
  if (bad === undefined) return brokers;
  throw new StartError(`--kafka ${text}: "${bad}" is not host:port, for example localhost:9092`);
}

type Options = ReturnType<typeof readOptions>;

async function startAll(options: Options): Promise<Running> {
  const { folder, ports, sites, kafka } = options;
  mkdirSync(folder, { recursive: true });
  const names = aliases.slice(0, sites);
  const central = await startOne(
    'central',
    'central',
    folder,
    centralToml({ ports, folder, aliases: names, kafka }),
  );
  const link = new URL(central.ready.link!);
  const random = seededRandom(options.seed);
  const edges: Child[] = [];
  for (const [index, alias] of names.entries()) {
    const centralUrl = options.flaky ? await flakyUrl(alias, link, random) : link.origin;
    const settings = edgeToml({ alias, centralUrl, folder, ports: ports.site(index) });
    edges.push(await startOne(alias, 'edge', folder, settings));
  }
  return { central, edges };
}

async function startOne(
  name: string,
  program: 'edge' | 'central',
  folder: string,
  toml: string,
): Promise<Child> {
  const settings = `${folder}/${name}.toml`;
  writeFileSync(settings, toml);
  const logFile = `${folder}/${name}.log`;
  const onWait = (words: string) => tell(`${name}: ${words}`);
  return startChild({ name, program, settings, logFile, onWait }, (child) => children.push(child));
}

async function flakyUrl(alias: string, link: URL, random: () => number): Promise<string> {
  const target = { host: link.hostname, port: Number(link.port) };
  const flaky = await openFlakyLink({ alias, target, clock, random, tell });
  links.push(flaky);
  return flaky.url;
}

const tell = (words: string): void => {
  process.stdout.write(
    `${clearLine}${new Date(clock.now()).toTimeString().slice(0, 8)}  ${words}\n`,
  );
};

const clearLine = process.stdout.isTTY ? '\r\x1b[K' : '';
const linePauseMs = 1_000;
const narrationPauseMs = 5_000;

/** Says how the sites are: on a terminal in one line that stays, while links are flaky in lines. */
function narrate({ central }: Running, flaky: boolean): () => void {
  if (!flaky && !process.stdout.isTTY) return () => {};
  const show = async () => {
    const url = `${central.ready.status}/api/v1/edges`;
    const { text } = await askHttp(url, { timeoutMs: linePauseMs });
    const { edges } = JSON.parse(text) as { edges: Parameters<typeof fleetLine>[0] };
    if (flaky) tell(fleetLine(edges));
    else
      process.stdout.write(`${clearLine}${fleetLine(edges).slice(0, process.stdout.columns - 1)}`);
  };
  // Central may be stopping: then there is nothing to say.
  return clock.every(flaky ? narrationPauseMs : linePauseMs, () => void show().catch(() => {}));
}

/** Edges first, so that they can still hand over what they have. */
async function stopAll(): Promise<void> {
  for (const link of links.splice(0)) await link.close();
  const [central, ...edges] = children;
  await Promise.all(edges.map((edge) => edge.stop()));
  await central?.stop();
}

/** A press of Ctrl-C may arrive several times (npm passes it on); later ones mean impatience. */
const samePressMs = 1_000;

/** Resolves at the first signal; a later one ends everything at once. */
function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let askedAt: number | undefined;
    const onSignal = () => {
      const now = clock.monotonic();
      if (askedAt !== undefined && now - askedAt > samePressMs) {
        for (const child of children) child.kill();
        process.exit(1);
      }
      if (askedAt === undefined) process.stdout.write(`${clearLine}Stopping …\n`);
      askedAt ??= now;
      resolve('');
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  });
}

/** Resolves, with what to say, when a program ends that should not. */
const firstEnd = ({ central, edges }: Running): Promise<string> =>
  Promise.race(
    [central, ...edges].map(async ({ name, ended }) => (await ended) || `${name} ended by itself`),
  );

const portAdvice = (words: string): string =>
  words.includes('another program listens there')
    ? `${words}\nTo use other ports: npm start -- --port-base 9000`
    : words;

/** Answers what went wrong; nothing after an orderly stop. */
async function runUntilStopped(options: Options, stopped: Promise<string>): Promise<string> {
  const running = await Promise.race([startAll(options), stopped]);
  if (typeof running === 'string') return running;
  const folder = relative(process.cwd(), options.folder) || options.folder;
  console.log(welcome(running, folder, options.kafka));
  if (options.flaky) console.log(flakyWords(options.seed));
  for (const link of links) link.begin();
  const silence = narrate(running, options.flaky);
  const trouble = await Promise.race([stopped, firstEnd(running)]);
  silence();
  return trouble;
}

async function main(): Promise<number> {
  try {
    const trouble = await runUntilStopped(readOptions(), stopSignal());
    await stopAll();
    if (trouble !== '') console.error(trouble);
    return trouble === '' ? 0 : 1;
  } catch (error) {
    await stopAll();
    const isUsage = error instanceof TypeError && 'code' in error;
    if (!(error instanceof StartError || isUsage)) throw error;
    console.error(isUsage ? `${error.message}\n\n${help}` : portAdvice(error.message));
    return isUsage ? 2 : 1;
  }
}

process.exit(await main());
