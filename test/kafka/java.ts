import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { here, type KafkaLine, kafkaJars, logging, quick } from './jars.ts';

export interface JavaOptions {
  version?: KafkaLine;
  /** All of standard input. */
  input?: string;
  heapMb?: number;
  /** It is killed, and the call rejects, after so long; 120 s by default. */
  timeoutMs?: number;
  /** Other codes of exit than 0 that are an answer too. */
  codes?: readonly number[];
}

const folder = join(here, 'java');

/** Runs a class of Kafka's jars or of test/kafka/java; its standard output. Rejects with what it said. */
export async function java(
  main: string,
  args: readonly string[],
  options: JavaOptions = {},
): Promise<string> {
  const command = await javaCommand(main, args, options);
  const child = spawn('java', command, { stdio: 'pipe', timeout: options.timeoutMs ?? 120_000 });
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code !== null && [0, ...(options.codes ?? [])].includes(code)) return out;
  throw new Error(`${main} ended with ${code ?? child.signalCode}:\n${err}\n${out.slice(-4_096)}`);
}

/** The arguments of `java` for it, for whoever runs it himself. */
export async function javaCommand(
  main: string,
  args: readonly string[],
  options: Pick<JavaOptions, 'version' | 'heapMb'> = {},
): Promise<string[]> {
  const line = options.version ?? '4.x';
  const jars = await kafkaJars(line);
  // Behind the jars: the archive of classes is for a path that begins as it did when it was made.
  const classpath = `${jars.classpath}:${await ourClasses(line)}`;
  const jvm = [...quick, `-Xmx${options.heapMb ?? 192}m`, `-XX:SharedArchiveFile=${jars.archive}`];
  const quiet = logging(line).map((option) => option.replace(/(\.properties)$/, '-quiet$1'));
  return [...jvm, ...quiet, '-cp', classpath, main, ...args];
}

/** Compiled at first use, again when a source changes. */
async function ourClasses(line: KafkaLine): Promise<string> {
  const sources = readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
  const hash = createHash('sha256');
  for (const path of sources) hash.update(readFileSync(path));
  const jars = await kafkaJars(line);
  const classes = join(jars.folder, `classes-${hash.digest('hex').slice(0, 8)}`);
  if (existsSync(classes)) return classes;
  const making = `${classes}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  await promisify(execFile)('javac', ['-cp', jars.classpath, '-d', making, ...sources]);
  try {
    renameSync(making, classes);
  } catch (error) {
    // Another process was faster.
    if (!existsSync(classes)) throw error;
  }
  return classes;
}
