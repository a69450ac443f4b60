import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** A launcher of its own, started by a Node that says it is an old one. */

const checkout = fileURLToPath(new URL('../..', import.meta.url));
let root: string;
const at = (path: string) => join(root, path);

beforeAll(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'launch-')));
  for (const folder of ['packaging', 'edge', 'node_modules/.bin']) {
    mkdirSync(at(folder), { recursive: true });
  }
  copyFileSync(`${checkout}packaging/launch.mjs`, at('packaging/launch.mjs'));
  copyFileSync(`${checkout}edge/bin.mjs`, at('edge/bin.mjs'));
  chmodSync(at('edge/bin.mjs'), 0o755);
  writeFileSync(
    at('edge/main.ts'),
    `const words: string[] = process.argv.slice(2);
if (words[0] === 'wait') process.on('SIGTERM', () => process.exit(7));
console.log(JSON.stringify({ words, version: process.versions.node }));
if (words[0] === 'wait') setInterval(() => {}, 1000);
else if (words[0] === 'die') process.kill(process.pid, 'SIGKILL');
else process.exitCode = Number(words[0] ?? 0);
`,
  );
  writeFileSync(
    at('old.mjs'),
    "Object.defineProperty(process, 'versions', { value: { node: '18.1.0' } });",
  );
  symlinkSync(process.execPath, at('node_modules/.bin/node'));
});
afterAll(() => rmSync(root, { recursive: true }));

const asOld = ['--import', 'file:'];
const argv = (...words: string[]) => [
  asOld[0]!,
  `file://${at('old.mjs')}`,
  at('edge/bin.mjs'),
  ...words,
];
const launch = (...words: string[]) =>
  spawnSync(process.execPath, argv(...words), { encoding: 'utf8' });

test('an old Node starts the bundled one, with every argument and the exit code', () => {
  const { stdout, status, stderr } = launch('3', '--json', '--', '-x', 'a b');
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual({
    words: ['3', '--json', '--', '-x', 'a b'],
    version: process.versions.node,
  });
  expect(status).toBe(3);
});

test('a good Node goes on by itself', () => {
  const { stdout, status } = spawnSync(process.execPath, [at('edge/bin.mjs'), '4'], {
    encoding: 'utf8',
  });
  expect(JSON.parse(stdout).words).toEqual(['4']);
  expect(status).toBe(4);
});

test('signals are passed on, and the exit code waits for them', async () => {
  const child = spawn(process.execPath, argv('wait'), { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([7, null]);
});

test('a program that was killed gives the code that a shell would', () => {
  expect(launch('die').status).toBe(137);
});

test('without the bundled Node it says how to install it', () => {
  rmSync(at('node_modules/.bin/node'));
  const { status, stderr } = launch('0');
  symlinkSync(process.execPath, at('node_modules/.bin/node'));
  expect(status).toBe(1);
  expect(stderr).toContain('Tributary needs Node 24');
  expect(stderr).toContain(`node ${root}/packaging/setup.mjs`);
});
