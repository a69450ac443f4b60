import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../contract/eventually.ts';
import { startKafka } from './kafka.ts';
import { kafkaMissing } from './missing.ts';

const answers = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const [host, port] = address.split(':');
    const socket = createConnection({ host: host!, port: Number(port) });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });

const lives = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test.skipIf(kafkaMissing)('a broker comes back where it was, with what it had', async () => {
  const kafka = await startKafka();
  onTestFinished(() => kafka.close());
  expect(await answers(kafka.bootstrap)).toBe(true);
  await kafka.broker(1).kill();
  expect(await answers(kafka.bootstrap)).toBe(false);
  await kafka.broker(1).start();
  expect(await answers(kafka.bootstrap)).toBe(true);
});

test.skipIf(kafkaMissing)('brokers and their data go with a test that dies', async () => {
  const program = `
    import { startKafka } from '${new URL('kafka.ts', import.meta.url).href}';
    const kafka = await startKafka();
    kafka.broker(1).pause();
    console.log(JSON.stringify({ pid: kafka.broker(1).pid, data: kafka.broker(1).data }));
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { pid, data } = JSON.parse(line.toString()) as { pid: number; data: string };
  expect(lives(pid)).toBe(true);
  child.kill('SIGKILL');
  await eventually(() => {
    expect(lives(pid)).toBe(false);
    expect(existsSync(dirname(dirname(data)))).toBe(false);
  });
});
