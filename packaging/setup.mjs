// Installs what is missing, for any Node from 18 on: `npm start` and `npm test` begin with it.
// Nothing is compiled and no install script runs; the lock file's checksums cover every package,
// the bundled Node 24 included (an optional package per platform). Quiet when all is there.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, 'node_modules', '.bin');
const neededMajor = 24;

const packagesOf = (file) => {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  } catch {
    return {};
  }
};

/** What the lock file wants and npm's own record of the installation does not have. */
function missingPackages() {
  const wanted = packagesOf('package-lock.json');
  const installed = packagesOf('node_modules/.package-lock.json');
  return Object.entries(wanted).filter(([path, { version, optional }]) => {
    if (path === '' || installed[path]?.version === version) return false;
    return installed[path] !== undefined || !optional;
  });
}

function install() {
  console.error('Installing what Tributary needs (once, about 400 MB on disk) …');
  const npmScript = process.env.npm_execpath;
  const [command, first] = npmScript?.endsWith('.js')
    ? [process.execPath, [npmScript]]
    : ['npm', []];
  const flags = ['--ignore-scripts', '--include=dev', '--include=optional'];
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
  const done = spawnSync(command, [...first, 'ci', ...flags, ...quiet], {
    cwd: root,
    encoding: 'utf8',
  });
  if (done.status === 0) return;
  const said = `${done.stdout ?? ''}${done.stderr ?? ''}`.trim() || String(done.error);
  fail(`npm could not install it:\n\n${said}\n`, [
    'Check the connection to the npm registry (npm ping) and the space on this disk,',
    'then run the same command again.',
  ]);
}

const majorOf = (command) => {
  const { stdout } = spawnSync(command, ['--version'], { encoding: 'utf8' });
  return Number(/^v(\d+)\./.exec(stdout ?? '')?.[1] ?? 0);
};

/** Whether the link `node_modules/.bin/node`, which scripts and launchers use, leads to a good one. */
function hasRuntime() {
  const node = join(bin, 'node');
  return existsSync(node) && majorOf(node) >= neededMajor;
}

function ensureRuntime() {
  if (hasRuntime()) return;
  if (majorOf(process.execPath) >= neededMajor) {
    link(process.execPath, join(bin, 'node'));
    return;
  }
  fail(`There is no Node ${neededMajor} for this system (${process.platform} ${process.arch}).`, [
    'The bundled one is for Linux with glibc on x64 and arm64. Elsewhere, install',
    `Node ${neededMajor} or newer from https://nodejs.org and run the same command with it.`,
  ]);
}

/** A prebuilt library that does not load here is better told now than as a crash later. */
function proveLibraries() {
  const script = "require('better-sqlite3')(':memory:').close(); require('@node-rs/crc32')";
  const done = spawnSync(join(bin, 'node'), ['-e', script], { cwd: root, encoding: 'utf8' });
  if (done.status === 0) return;
  fail(`A library does not load on this system:\n\n${done.stderr || done.signal}`, [
    'Tributary needs Linux with glibc, on x64 or arm64. If this is one, remove the folder',
    'node_modules and run the same command again.',
  ]);
}

const programs = ['edge', 'central'].map((program) => ({
  path: join(bin, `tributary-${program}`),
  target: join('..', '..', program, 'bin.mjs'),
}));

function link(target, path) {
  rmSync(path, { force: true });
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}

function fail(problem, advice) {
  console.error(`\n${problem}\n${advice.join('\n')}`);
  process.exit(1);
}

if (missingPackages().length > 0 || !hasRuntime()) install();
// The links come last: where they are, the rest was proven. `npx tributary-edge` needs them, too.
if (!programs.every(({ path }) => existsSync(path))) {
  ensureRuntime();
  proveLibraries();
  for (const { target, path } of programs) link(target, path);
}
