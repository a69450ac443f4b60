import { globSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Lock, npmPackage, root, sha256 } from './npm-archive.ts';
import { PackageError, run } from './run.ts';
import { type ProgramName, stripTool, type Target } from './target.ts';

/** One program as plain JavaScript: main.mjs, a file per worker thread, and the native addons. */
export interface Bundle {
  folder: string;
  /** File names in `folder`. */
  files: string[];
  /** npm packages that are in it, by name, sorted. */
  packages: string[];
}

/** CommonJS inside (the addons' loaders) asks for `require`, which a module does not have. */
const banner =
  "import{createRequire as __createRequire}from'node:module';" +
  'const require=__createRequire(import.meta.url);';

/** `version` replaces the one of package.json. */
export function bundleProgram(
  program: ProgramName,
  { target, version, lock, work }: { target: Target; version: string; lock: Lock; work: string },
): Bundle {
  const folder = join(work, `bundle-${program}-${target.debian}`);
  mkdirSync(folder, { recursive: true });
  const workers = globSync(`${program}/**/*worker.ts`, { cwd: root }).sort();
  const meta = join(work, `meta-${program}-${target.debian}.json`);
  const entries = [`${program}/main.ts`, ...workers].map((path) => join(root, path));
  bundle(entries, { target, lock, folder, meta });
  const bundled = nameWorkers(
    folder,
    workers.map((path) => basename(path, '.ts')),
    version,
  );
  const addons = globSync('*.node', { cwd: folder }).sort();
  for (const file of addons) run(stripTool(target), ['--strip-unneeded', join(folder, file)]);
  const packages = [...packagesOf(meta), crc32Of(target)].sort();
  return { folder, files: [...bundled, ...addons], packages };
}

const crc32Of = (target: Target): string => `@node-rs/crc32-linux-${target.node}-gnu`;

/** Each entry becomes one file in `folder`: what is loaded late is in it, and runs late. */
export function bundle(
  entries: readonly string[],
  { target, lock, folder, meta }: { target: Target; lock: Lock; folder: string; meta: string },
): void {
  const crc32 = npmPackage(lock, crc32Of(target));
  run(
    join(root, 'node_modules/.bin/esbuild'),
    [
      ...entries,
      '--bundle',
      '--platform=node',
      '--target=node24',
      '--format=esm',
      '--legal-comments=none',
      '--log-level=warning',
      `--outdir=${folder}`,
      '--entry-names=[name]',
      '--asset-names=[name]',
      '--out-extension:.js=.mjs',
      '--loader:.node=copy',
      `--alias:better-sqlite3=better-sqlite3/linux-${target.node}`,
      `--alias:@node-rs/crc32=${join(root, 'packaging/deb/crc32.cjs')}`,
      `--alias:crc32-addon=${join(crc32, `crc32.linux-${target.node}-gnu.node`)}`,
      `--banner:js=${banner}`,
      `--metafile=${meta}`,
    ],
    { cwd: root },
  );
}

/**
 * The code starts a worker as `new URL('./x-worker.ts', import.meta.url)`. In the package its name
 * carries its content's hash: a process that still runs while an upgrade replaces the files can
 * fail to find its own worker, but never start another version's.
 */
function nameWorkers(folder: string, workers: readonly string[], version: string): string[] {
  const main = join(folder, 'main.mjs');
  let text = readFileSync(main, 'utf8');
  const files = workers.map((worker) => {
    const from = join(folder, `${worker}.mjs`);
    const content = withVersion(readFileSync(from, 'utf8'), version);
    const name = `${worker}-${sha256(content).slice(0, 8)}.mjs`;
    writeFileSync(from, content);
    renameSync(from, join(folder, name));
    const url = new RegExp(
      `new URL\\("[.]+/(?:[a-z-]+/)*${worker}\\.ts", import\\.meta\\.url\\)`,
      'g',
    );
    const replaced = text.replaceAll(url, `new URL("./${name}", import.meta.url)`);
    if (replaced === text) throw new PackageError(`nothing in main.mjs starts ${worker}.ts`);
    text = replaced;
    return name;
  });
  const left = /new URL\("[^"]*\.ts", import\.meta\.url\)/.exec(text);
  if (left) throw new PackageError(`${left[0]}: a worker's file must end in "worker.ts"`);
  writeFileSync(main, withVersion(text, version));
  return ['main.mjs', ...files];
}

/** package.json is part of the bundle. */
const withVersion = (text: string, version: string): string =>
  text.replace(/(name: "tributary",\s+version: ")[^"]+(")/g, `$1${version}$2`);

/** npm packages that are in a bundle. */
export function packagesOf(meta: string): string[] {
  const { inputs } = JSON.parse(readFileSync(meta, 'utf8')) as { inputs: object };
  const names = Object.keys(inputs).flatMap(
    (path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
  );
  return [...new Set(names)];
}
