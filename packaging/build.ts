import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import manifest from '../package.json' with { type: 'json' };
import { readLock, root } from './deb/npm-archive.ts';
import { buildProgram } from './deb/program-package.ts';
import { needTools, PackageError, run } from './deb/run.ts';
import { buildRuntime, runtimeName } from './deb/runtime-package.ts';
import { type BuildSettings, type Compression, stripTool, targets } from './deb/target.ts';

/**
 * `npm run package`: three .debs per architecture into dist/, the same bytes for the same commit.
 */

const usage = `Usage: npm run package -- [OPTION…]

  --arch amd64|arm64    For one architecture; default both.
  --compression xz|zstd Default xz, the smallest; zstd builds a hundred times faster.
  --only edge|central|runtime   One package; may be repeated. Default all three.
  --version VERSION     Of the programs; default ${manifest.version}, of package.json.
  --out FOLDER          Default dist/.

SOURCE_DATE_EPOCH sets the dates in the packages; default is the time of the last commit.`;

function main(): void {
  const { values } = parseArgs({
    options: {
      arch: { type: 'string' },
      compression: { type: 'string', default: 'xz' },
      only: { type: 'string', multiple: true, default: ['runtime', 'edge', 'central'] },
      version: { type: 'string', default: manifest.version },
      out: { type: 'string', default: join(root, 'dist') },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  check('--arch', values.arch === undefined ? [] : [values.arch], Object.keys(targets));
  check('--compression', [values.compression], ['xz', 'zstd']);
  check('--only', values.only, ['edge', 'central', 'runtime']);
  if (!/^\d[A-Za-z0-9.+~]*$/.test(values.version)) {
    throw new PackageError(`--version ${values.version}: is no version that Debian knows`);
  }
  const wanted = Object.values(targets).filter(({ debian }) => debian === (values.arch ?? debian));
  needTools(['dpkg-deb', 'tar', 'npm', ...wanted.map(stripTool)]);
  const work = mkdtempSync(join(tmpdir(), 'tributary-package-'));
  try {
    for (const target of wanted) {
      build(values.only, {
        ...{ target, work, version: values.version, epoch: epochNow(), out: resolve(values.out) },
        compression: values.compression as Compression,
      });
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function build(only: readonly string[], settings: BuildSettings): void {
  const lock = readLock();
  const show = (deb: string) => {
    const megabytes = (statSync(deb).size / 1e6).toFixed(2);
    console.log(`${relative(process.cwd(), deb)}  ${megabytes} MB`);
  };
  for (const program of ['edge', 'central'] as const) {
    if (only.includes(program)) show(buildProgram(program, lock, settings));
  }
  if (!only.includes('runtime')) return;
  if (settings.compression === 'xz') {
    console.log(`${runtimeName} ${settings.target.debian}: packing takes a minute or two …`);
  }
  show(buildRuntime(lock, settings));
}

/** Seconds since 1970. */
function epochNow(): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && given !== '') {
    if (/^\d{1,10}$/.test(given)) return Number(given);
    throw new PackageError(`SOURCE_DATE_EPOCH=${given}: must be seconds since 1970`);
  }
  try {
    return Number(run('git', ['log', '-1', '--format=%ct'], { cwd: root }));
  } catch {
    throw new PackageError('no git history here: give the date as SOURCE_DATE_EPOCH=SECONDS');
  }
}

function check(option: string, values: readonly string[], known: readonly string[]): void {
  const wrong = values.find((value) => !known.includes(value));
  if (wrong !== undefined) {
    throw new PackageError(`${option} ${wrong}: must be one of ${known.join(', ')}`);
  }
}

try {
  main();
} catch (error) {
  const isPlain = error instanceof PackageError || error instanceof TypeError;
  console.error(isPlain ? `${error.message}\n\n${usage}` : error);
  process.exitCode = 1;
}
