import { expect } from 'vitest';
import { attempt } from './command.ts';
import { type Machine, shareFile, waitFor } from './machine.ts';

/** A site and its central on one machine, and what tests do with them. */

export const settings = (more = '') => `alias = "factory-a"
${more}
[central]
url = "http://127.0.0.1:8443"
[[source]]
type = "mqtt"
url = "mqtt://127.0.0.1:1883"
subscribe = [{ filter = "sensors/+", topic = "sensor-data", key = "{1}" }]
[[source]]
type = "http"
listen = "127.0.0.1:8082"
`;

export async function setUpSite(machine: Machine, more = ''): Promise<void> {
  const file = shareFile(machine, 'site.toml', settings(more));
  await machine.run('cp', file, '/etc/tributary/edge.d/site.toml');
}

/** Installs these files of /mnt as a fleet's updater does; answers what apt said. */
export async function install(machine: Machine, ...debs: string[]): Promise<string> {
  const options = ['-y', '-o', 'Dpkg::Use-Pty=0', '-o', 'Dpkg::Options::=--force-confold'];
  const { code, out, err } = await machine.attempt(
    ...['apt-get', 'install', ...options, '--reinstall', '--allow-downgrades'],
    ...debs.map((deb) => `/mnt/${deb}`),
  );
  expect(`${code} ${code === 0 ? '' : out + err}`).toBe('0 ');
  return out + err;
}

export const active = (machine: Machine, unit: string) =>
  waitFor(`${unit} is active`, async () => (await machine.show(unit, 'ActiveState')) === 'active');

/** Values of all records of a topic at central, in order. */
export async function landed(machine: Machine, topic: string): Promise<string[]> {
  const values: string[] = [];
  let next: number | null = 0;
  while (next !== null) {
    const path = `topics/${topic}/partitions/0/records?offset=${next}&limit=1000`;
    const page = (await machine.get(`http://127.0.0.1:8080/api/v1/${path}`)) as {
      records: { value: string }[];
      next: number | null;
    };
    values.push(...page.records.map(({ value }) => value));
    next = page.next;
  }
  return values;
}

/** Waits until `count` different records are there, and holds that none is there twice. */
export async function landsOnce(machine: Machine, topic: string, count: number): Promise<void> {
  let values: string[] = [];
  await waitFor(`${count} records in ${topic}`, async () => {
    values = await landed(machine, topic);
    return new Set(values).size >= count;
  });
  expect(values.length).toBe(count);
}

export const publish = (machine: Machine, message: string) =>
  machine.run('mosquitto_pub', '-h', '127.0.0.1', '-t', 'sensors/1', '-q', '1', '-m', message);

export const post = (machine: Machine, topic: string, value: string) =>
  machine.run(
    '/usr/lib/tributary-runtime/node',
    '-e',
    `fetch('http://127.0.0.1:8082/v1/records/${topic}', { method: 'POST', body: '${value}',` +
      " headers: { 'content-type': 'text/plain' } }).then((r) => process.exit(r.ok ? 0 : 1))",
  );

export interface Load {
  /** Ends it; answers what it did. */
  end(): Promise<{ accepted: number; gapMs: number }>;
}

export function startLoad(machine: Machine, topic: string, script: string): Load {
  const inside = shareFile(machine, 'load.mjs', script);
  // A copy of Node's own: the package's is what an upgrade replaces.
  const node = '/usr/lib/tributary-runtime/node';
  const result = '/tmp/load.json';
  const url = `http://127.0.0.1:8082/v1/records/${topic}`;
  const [file, words] = machine.inside(
    ...['sh', '-c', `echo $$ > /tmp/load.pid; exec ${node} ${inside} ${url} ${result}`],
  );
  const ended = attempt(file, words);
  return {
    async end() {
      await machine.shell('kill -TERM $(cat /tmp/load.pid)');
      const { code, err } = await ended;
      expect(`${code} ${err}`).toBe('0 ');
      return JSON.parse(await machine.run('cat', result));
    },
  };
}
