import { spawnSync } from 'node:child_process';

/** Something that the person who builds can put right; shown without a trace. */
export class PackageError extends Error {
  override name = 'PackageError';
}

const outputMax = 64 * 2 ** 20;

export interface RunOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  input?: string;
}

/** Runs a tool and answers its standard output; a failure is a PackageError with what it said. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): string {
  const done = spawnSync(command, args, { ...options, encoding: 'utf8', maxBuffer: outputMax });
  if (done.error) throw new PackageError(`${command} cannot be started: ${done.error.message}`);
  if (done.status === 0) return done.stdout;
  const said = `${done.stderr}${done.stdout}`.trim().slice(-2_000);
  const end = done.signal ?? `exit code ${done.status}`;
  throw new PackageError(`${command} ${args.join(' ')}: ${end}\n${said}`);
}

/** Tools and the Debian packages that bring them. */
const tools: { readonly [tool: string]: string } = {
  'dpkg-deb': 'dpkg',
  strip: 'binutils',
  'aarch64-linux-gnu-strip': 'binutils-aarch64-linux-gnu',
  'x86_64-linux-gnu-strip': 'binutils-x86-64-linux-gnu',
  tar: 'tar',
  npm: 'npm',
  'dpkg-scanpackages': 'dpkg-dev',
  gpg: 'gpg',
};

/**
 * Nothing is installed here: what is missing is told, all at once, with the command that brings it.
 */
export function needTools(wanted: readonly string[]): void {
  const missing = wanted.filter((tool) => spawnSync('which', [tool]).status !== 0);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((tool) => tools[tool] ?? tool))].join(' ');
  throw new PackageError(
    `missing: ${missing.join(', ')}. On Debian and Ubuntu:\n  sudo apt-get install ${packages}`,
  );
}
