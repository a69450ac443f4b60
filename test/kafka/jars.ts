import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Guard } from './guard.ts';
import { freePorts } from './ports.ts';

/** The pom's profiles: the newest line, and the oldest that we support. */
export type KafkaLine = '4.x' | '3.x';

export interface Jars {
  line: KafkaLine;
  folder: string;
  classpath: string;
  /** What `kafka-storage format` writes besides meta.properties, the same for every node. */
  bootstrap: string;
  /** Classes as the JVM keeps them in memory: halves the CPU time of a start. */
  archive: string;
}

export const here = fileURLToPath(new URL('.', import.meta.url));
const run = promisify(execFile);
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tributary', 'kafka');

/** Brings Kafka once (about half a minute), for all processes; then only names what is there. */
export async function kafkaJars(line: KafkaLine): Promise<Jars> {
  const pom = readFileSync(join(here, 'pom.xml'));
  const java = await javaVersion();
  const key = createHash('sha256').update(pom).update(java).digest('hex').slice(0, 8);
  const folder = join(cache, `${line}-${key}`);
  const jars = join(folder, 'jars');
  const bootstrap = join(folder, 'bootstrap.checkpoint');
  const archive = join(folder, 'classes.jsa');
  const found = (): Jars => {
    const names = readdirSync(jars).sort();
    const classpath = names.map((name) => join(jars, name)).join(':');
    return { line, folder, classpath, bootstrap, archive };
  };
  if (existsSync(archive)) return found();
  mkdirSync(folder, { recursive: true });
  await alone(join(folder, 'lock'), async () => {
    if (!existsSync(jars)) await fetchJars(line, jars);
    if (!existsSync(archive)) await rehearse(found());
  });
  return found();
}

async function javaVersion(): Promise<string> {
  return (await run('java', ['-version'])).stderr;
}

async function fetchJars(line: KafkaLine, jars: string): Promise<void> {
  const making = `${jars}.${process.pid}`;
  const options = ['-q', '-B', '-f', join(here, 'pom.xml'), '-P', line];
  const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime'];
  await run('mvn', [...options, ...goal, `-DoutputDirectory=${making}`]);
  renameSync(making, jars);
}

/** Formats and runs a broker once, and keeps what later starts need not do again. */
async function rehearse(jars: Jars): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kafka-rehearsal-'));
  const guard = new Guard(folder);
  const [broker, controller] = await freePorts(2);
  const settings = join(folder, 'server.properties');
  const data = join(folder, 'data');
  writeFileSync(
    settings,
    `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=PLAINTEXT://127.0.0.1:${broker},CONTROLLER://127.0.0.1:${controller}
controller.listener.names=CONTROLLER
log.dirs=${data}
`,
  );
  const java = (...args: string[]) => [
    '-Xmx256m',
    ...logging(jars.line),
    '-cp',
    jars.classpath,
    ...args,
  ];
  const format = ['format', '-t', clusterId, '-c', settings];
  await run('java', java('kafka.tools.StorageTool', ...format));
  renameSync(join(data, 'bootstrap.checkpoint'), jars.bootstrap);
  writeFileSync(join(data, 'bootstrap.checkpoint'), readFileSync(jars.bootstrap));

  const making = `${jars.archive}.${process.pid}`;
  const log = join(folder, 'log');
  const out = openSync(log, 'w');
  const options = ['-Xshare:auto', ...quick, `-XX:ArchiveClassesAtExit=${making}`];
  const child = spawn('java', [...options, ...java('kafka.Kafka', settings)], {
    stdio: ['ignore', out, out],
    detached: true,
  });
  closeSync(out);
  guard.watch(child);
  const ended = once(child, 'exit');
  while (!readFileSync(log, 'utf8').includes('Kafka Server started')) {
    if (child.exitCode !== null)
      throw new Error(`Kafka ended at once:\n${readFileSync(log, 'utf8')}`);
    await sleep(50);
  }
  child.kill('SIGTERM');
  await ended;
  renameSync(making, jars.archive);
  await guard.close();
}

export const clusterId = '4L6g3nShT-eMCtK--X86sw';

/** Compiled once, lightly: for runs of minutes that is less work than good code. */
export const quick = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];

export const logging = (line: KafkaLine): string[] =>
  line === '4.x'
    ? [`-Dlog4j2.configurationFile=file:${join(here, 'log4j2.properties')}`]
    : [`-Dlog4j.configuration=file:${join(here, 'log4j.properties')}`];

/** One process at a time; what it does is atomic by itself, so a stolen lock only wastes time. */
async function alone(lock: string, work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    if (!holderLives(lock)) rmSync(lock, { force: true });
    else await sleep(200);
  }
  try {
    await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function holderLives(lock: string): boolean {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    // Empty for the moment between its making and its writing.
    if (pid > 0) process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
