import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';

/** Messages `<key>:0`, `<key>:1`, … of one key. */
export interface Told {
  alias: string;
  count: number;
}

const wrongMax = 20;

/**
 * Reads a topic whole with kcat (librdkafka, read_committed): every message of every key is there
 * once, in the order it was published, in one partition. Answers how many there are.
 */
export async function assertEachOnce(
  bootstrap: string,
  topic: string,
  published: ReadonlyMap<string, Told>,
): Promise<number> {
  const keys = new Map<string, { next: number; partition: string }>();
  const wrong: string[] = [];
  let count = 0;
  await readLines(bootstrap, topic, (line) => {
    const [partition, offset, key, value] = line.split('\t') as [string, string, string, string];
    const seen = keys.get(key) ?? { next: 0, partition };
    keys.set(key, seen);
    count += 1;
    const at = `${topic}/${partition}@${offset}`;
    if (seen.partition !== partition) wrong.push(`${at}: ${key} was in ${seen.partition}`);
    if (value !== `${key}:${seen.next}`) wrong.push(`${at}: ${value}, not ${key}:${seen.next}`);
    seen.next = Number(value.slice(key.length + 1)) + 1;
  });
  for (const [key, { count }] of published) {
    const found = keys.get(key)?.next ?? 0;
    if (found !== count) wrong.push(`${topic}: ${key} ends at ${found} of ${count}`);
  }
  const strangers = [...keys.keys()].filter((key) => !published.has(key));
  expect([...wrong.slice(0, wrongMax), ...strangers.slice(0, wrongMax)], topic).toEqual([]);
  return count;
}

async function readLines(bootstrap: string, topic: string, use: (line: string) => void) {
  const args = ['-b', bootstrap, '-C', '-q', '-e', '-t', topic, '-o', 'beginning'];
  const more = ['-f', '%p\\t%o\\t%k\\t%s\\n', '-X', 'isolation.level=read_committed'];
  const kcat = spawn('kcat', [...args, ...more], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  kcat.stderr.on('data', (text: Buffer) => {
    said += text;
  });
  const closed = once(kcat, 'close');
  for await (const line of createInterface({ input: kcat.stdout })) use(line);
  const [code] = await closed;
  if (code !== 0) throw new Error(`kcat of ${topic} ended with ${code}: ${said}`);
}
