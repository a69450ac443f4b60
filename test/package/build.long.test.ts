import { globSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#shared/std/clock.ts';
import { buildPackages } from './build.ts';
import { attempt, command } from './command.ts';
import { whyNot } from './requirements.ts';

const isMissing = whyNot(['dpkg-deb', 'strip', 'lintian', 'gpg', 'dpkg-scanpackages', 'apt-get']);

describe.skipIf(isMissing !== undefined)('npm run package', () => {
  let first: string;
  let work: string;
  const made: string[] = [];
  const build = async (...options: string[]) => {
    const folder = await buildPackages(...options);
    made.push(folder);
    return folder;
  };
  const programs = ['--arch', 'amd64', '--only', 'edge', '--only', 'central'];

  beforeAll(async () => {
    first = await build(...programs);
    await build('--arch', 'amd64', '--only', 'runtime', '--compression', 'zstd');
    work = join(first, 'unpacked');
    for (const deb of globSync(`${first}/*.deb`)) await command('dpkg-deb', ['-x', deb, work]);
  }, 300_000);
  afterAll(() => {
    for (const folder of made) rmSync(folder, { recursive: true, force: true });
  });

  test('gives the same bytes twice, also another minute and with another umask', async () => {
    const from = systemClock.now();
    const mask = process.umask(0o077);
    const second = await build(...programs).finally(() => process.umask(mask));
    const runtime = await build('--arch', 'amd64', '--only', 'runtime', '--compression', 'zstd');
    const pairs = [
      ...globSync(`${first}/*.deb`).map((deb) => [deb, join(second, basename(deb))]),
      ...globSync(`${made[1]}/*.deb`).map((deb) => [deb, join(runtime, basename(deb))]),
    ];
    expect(pairs).toHaveLength(3);
    for (const [a, b] of pairs) {
      expect(readFileSync(a!).equals(readFileSync(b!)), basename(a!)).toBe(true);
    }
    expect(systemClock.now()).toBeGreaterThan(from);
  }, 180_000);

  test('makes packages that lintian finds neither errors nor warnings in', async () => {
    const [runtime] = globSync(`${made[1]}/*.deb`);
    // Its contents in a form that this lintian reads and that does not take minutes to pack.
    await command('dpkg-deb', ['-R', runtime!, join(first, 'runtime')]);
    const repacked = join(first, 'repacked', basename(runtime!));
    mkdirSync(join(first, 'repacked'));
    await command('dpkg-deb', [
      ...['--root-owner-group', '-Zxz', '-z0', '--build', join(first, 'runtime'), repacked],
    ]);
    const debs = [...globSync(`${first}/*.deb`), repacked];
    const { code, out } = await attempt('lintian', [
      ...['--allow-root', '--fail-on', 'error,warning', ...debs],
    ]);
    expect(`${code}\n${out}`).toBe('0\n');
  }, 180_000);

  test('keeps an update of a program small', async () => {
    for (const deb of globSync(`${first}/*.deb`)) {
      expect(readFileSync(deb).length, basename(deb)).toBeLessThan(1_700_000);
    }
  });

  test('ships manual, completion, licences and where everything comes from', async () => {
    for (const name of ['tributary-edge', 'tributary-central']) {
      const page = await command('sh', ['-c', `zcat ${work}/usr/share/man/man1/${name}.1.gz`]);
      expect(page).toContain('.SS check');
      const doc = `${work}/usr/share/doc/${name}`;
      const bill = JSON.parse(readFileSync(`${doc}/sbom.cdx.json`, 'utf8'));
      const names = bill.components.map((one: { name: string }) => one.name);
      expect(names).toEqual(expect.arrayContaining(['better-sqlite3', 'sqlite', 'hono', 'pino']));
      expect(readFileSync(`${doc}/copyright`, 'utf8')).toContain('better-sqlite3 13');
      const completed = await command('bash', ['-c', completion(work, name, 'che')]);
      expect(completed).toBe('check');
      expect(await command('bash', ['-c', completion(work, name, 'check', '--exp')])).toBe(
        '--explain',
      );
    }
  });

  test('says what is wrong with its options, and builds nothing', async () => {
    const { code, err } = await attempt(process.execPath, ['packaging/build.ts', '--arch', 'mips']);
    expect(code).toBe(1);
    expect(err).toContain('--arch mips: must be one of amd64, arm64');
  });

  test('npm run repository signs what apt takes, and apt refuses what was changed', async () => {
    const home = join(first, 'gnupg');
    mkdirSync(home, { mode: 0o700 });
    const key = 'packages@example.invalid';
    const gpg = ['--homedir', home, '--batch', '--passphrase', '', '--quick-generate-key', key];
    await command('gpg', [...gpg, 'ed25519', 'sign']);
    const out = join(first, 'repository');
    const options = ['--key', key, '--gnupg', home, '--from', first, '--out', out];
    await command(process.execPath, ['packaging/repository.ts', ...options]);
    expect(await aptSees(out, join(first, 'apt'))).toContain('tributary-edge');
    const index = join(out, 'dists/stable/main/binary-amd64/Packages');
    await command('sh', ['-c', `echo >> ${index}; gzip -9nkf ${index}`]);
    await expect(aptSees(out, join(first, 'apt-2'))).rejects.toThrow(/unexpected size|Hash Sum/);
    await command('gpgconf', ['--homedir', home, '--kill', 'all']);
  }, 120_000);
});

/** What bash would offer for these words. */
const completion = (root: string, name: string, ...words: string[]) =>
  `. ${root}/usr/share/bash-completion/completions/${name}; COMP_WORDS=(${name} ${words.join(' ')}); ` +
  `COMP_CWORD=${words.length}; _${name.replace('-', '_')}; echo "\${COMPREPLY[@]}"`;

/** Names of packages that an apt of its own finds in the repository. */
async function aptSees(repository: string, folder: string): Promise<string> {
  for (const path of ['state/lists/partial', 'cache']) {
    mkdirSync(join(folder, path), { recursive: true });
  }
  const source = `deb [signed-by=${repository}/tributary.asc] copy:${repository} stable main`;
  await command('sh', ['-c', `echo '${source}' > ${folder}/sources.list; : > ${folder}/status`]);
  const options = [
    ...[`Dir::State=${folder}/state`, `Dir::State::status=${folder}/status`],
    ...[`Dir::Cache=${folder}/cache`, `Dir::Etc::sourcelist=${folder}/sources.list`],
    ...['Dir::Etc::sourceparts=-', 'APT::Sandbox::User=root', 'APT::Update::Error-Mode=any'],
  ].flatMap((option) => ['-o', option]);
  await command('apt-get', [...options, 'update']);
  return command('apt-cache', [...options, 'pkgnames']);
}
