import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

/** A checkout of nothing but setup.mjs and a lock file, with an npm of our own making. */

const source = fileURLToPath(new URL('../../packaging/setup.mjs', import.meta.url));
let root: string;
const at = (path: string) => join(root, path);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'setup-'));
  mkdirSync(at('packaging'));
  copyFileSync(source, at('packaging/setup.mjs'));
  writeLock('1.0.0');
});
afterEach(() => rmSync(root, { recursive: true }));

const lockOf = (version: string) =>
  JSON.stringify({
    packages: {
      '': { name: 'x' },
      'node_modules/better-sqlite3': { version },
      'node_modules/other-system': { version: '1.0.0', optional: true },
    },
  });
const writeLock = (version: string) => writeFileSync(at('package-lock.json'), lockOf(version));

/** What `npm ci` leaves behind, as far as setup looks at it. */
function writeNpm(exitCode = 0): void {
  const library = "node_modules/better-sqlite3/index.js', 'module.exports = () => ({ close() {} })";
  writeFileSync(
    at('npm.js'),
    `const { mkdirSync, writeFileSync, appendFileSync, symlinkSync, copyFileSync } = require('fs');
appendFileSync('npm-was-called', process.argv.slice(2).join(' ') + '\\n');
if (${exitCode}) { console.error('E404 no such package'); process.exit(${exitCode}); }
mkdirSync('node_modules/.bin', { recursive: true });
mkdirSync('node_modules/better-sqlite3', { recursive: true });
mkdirSync('node_modules/@node-rs/crc32', { recursive: true });
writeFileSync('${library}');
writeFileSync('node_modules/@node-rs/crc32/index.js', '');
const lock = JSON.parse(require('fs').readFileSync('package-lock.json'));
delete lock.packages['node_modules/other-system'];
writeFileSync('node_modules/.package-lock.json', JSON.stringify(lock));
try { symlinkSync(process.execPath, 'node_modules/.bin/node'); } catch {}
`,
  );
}

function setup() {
  const env = { ...process.env, npm_execpath: at('npm.js') };
  const done = spawnSync(process.execPath, [at('packaging/setup.mjs')], { env, encoding: 'utf8' });
  return { code: done.status, said: `${done.stdout}${done.stderr}` };
}
const npmCalls = () =>
  existsSync(at('npm-was-called')) ? readFileSync(at('npm-was-called'), 'utf8').split('\n') : [];

test('what is missing is installed once, without scripts; after that it is quiet', () => {
  writeNpm();
  expect(setup()).toEqual({ code: 0, said: expect.stringMatching(/^Installing .* …\n$/) });
  expect(npmCalls()[0]).toMatch(/^ci --ignore-scripts --include=dev --include=optional /);
  expect(existsSync(at('node_modules/.bin/node'))).toBe(true);
  expect(setup()).toEqual({ code: 0, said: '' });
  expect(npmCalls()).toHaveLength(2);
});

test('a lock file that changed is installed again', () => {
  writeNpm();
  setup();
  writeLock('1.0.1');
  expect(setup().said).toContain('Installing');
  expect(setup().said).toBe('');
});

test('the programs can be found by npx', () => {
  writeNpm();
  setup();
  for (const program of ['edge', 'central']) {
    mkdirSync(at(program));
    writeFileSync(at(`${program}/bin.mjs`), '');
    expect(existsSync(at(`node_modules/.bin/tributary-${program}`))).toBe(true);
  }
});

test('an npm that fails is quoted, with what to do', () => {
  writeNpm(1);
  const { code, said } = setup();
  expect(code).toBe(1);
  expect(said).toContain('E404 no such package');
  expect(said).toContain('npm ping');
});

test('a library that does not load is told now', () => {
  writeNpm();
  setup();
  rmSync(at('node_modules/.bin/tributary-edge'));
  writeFileSync(at('node_modules/better-sqlite3/index.js'), 'throw new Error("wrong ELF class")');
  const { code, said } = setup();
  expect(code).toBe(1);
  expect(said).toContain('wrong ELF class');
  expect(said).toContain('glibc');
});

test('a runtime that is too old is replaced, or the right one is asked for', () => {
  writeNpm();
  setup();
  const old = at('old-node');
  writeFileSync(old, '#!/bin/sh\necho v20.1.0\n');
  chmodSync(old, 0o755);
  rmSync(at('node_modules/.bin/node'));
  symlinkSync(old, at('node_modules/.bin/node'));
  rmSync(at('node_modules/.bin/tributary-edge'));
  // The Node that runs setup here is a good one: it is used where npm brings none.
  expect(setup().code).toBe(0);
  const { stdout } = spawnSync(at('node_modules/.bin/node'), ['--version'], { encoding: 'utf8' });
  expect(stdout).toBe(`${process.version}\n`);
});
