import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { gzipSync } from 'node:zlib';
import { systemClock } from '../shared/std/clock.ts';
import { root, sha256 } from './deb/npm-archive.ts';
import { needTools, PackageError, run } from './deb/run.ts';
import { targets } from './deb/target.ts';

/**
 * `npm run repository`: a signed apt repository of the packages in dist/, as plain files to serve.
 */

const usage = `Usage: npm run repository -- --key KEY [OPTION…]

  --key KEY          Fingerprint or address of the signing key in the GnuPG home.
  --gnupg FOLDER     GnuPG home; default $GNUPGHOME, else ~/.gnupg.
  --from FOLDER      Where the .deb files are; default dist/.
  --out FOLDER       Default dist/repository. Packages that are there already stay offered.
  --valid-days DAYS  apt refuses the index after this; sign again before. Default 90.

Serve the folder over http(s) and tell gateways as the README says.`;

const suite = 'stable';

function main(): void {
  const { values } = parseArgs({
    options: {
      key: { type: 'string' },
      gnupg: { type: 'string' },
      from: { type: 'string', default: join(root, 'dist') },
      out: { type: 'string', default: join(root, 'dist/repository') },
      'valid-days': { type: 'string', default: '90' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(usage);
    return;
  }
  const { key } = values;
  if (key === undefined) throw new PackageError('--key is missing: apt takes only what is signed');
  const days = Number(values['valid-days']);
  if (!(days >= 1 && days <= 3650)) {
    throw new PackageError(`--valid-days ${values['valid-days']}: must be 1 to 3650`);
  }
  needTools(['dpkg-scanpackages', 'gpg']);
  const out = resolve(values.out);
  addPackages(resolve(values.from), out);
  for (const arch of Object.keys(targets)) index(out, arch);
  const home = values.gnupg === undefined ? [] : ['--homedir', resolve(values.gnupg)];
  sign(out, days, ['--batch', '--yes', '--local-user', key, ...home]);
  const armoured = run('gpg', [...home, '--batch', '--armor', '--export', key]);
  writeFileSync(join(out, 'tributary.asc'), armoured);
  console.log(`${out} is ready; gateways need tributary.asc from it as their Signed-By`);
}

function addPackages(from: string, out: string): void {
  const pool = join(out, 'pool');
  mkdirSync(pool, { recursive: true });
  const debs = globSync('*.deb', { cwd: from }).sort();
  if (debs.length === 0) throw new PackageError(`no .deb in ${from}: run "npm run package" first`);
  for (const deb of debs) {
    const [source, target] = [join(from, deb), join(pool, basename(deb))];
    const known = globSync(target).map((path) => sha256(readFileSync(path)));
    // Gateways may have the one that is there: the same version must stay the same bytes.
    if (known.length > 0 && known[0] !== sha256(readFileSync(source))) {
      throw new PackageError(
        `${target} is there with other content; raise the version, or remove it if nobody has it`,
      );
    }
    copyFileSync(source, target);
  }
}

function index(out: string, arch: string): void {
  const folder = join(out, `dists/${suite}/main/binary-${arch}`);
  mkdirSync(folder, { recursive: true });
  const packages = run('dpkg-scanpackages', ['-m', '--arch', arch, 'pool'], { cwd: out });
  writeFileSync(join(folder, 'Packages'), packages);
  writeFileSync(join(folder, 'Packages.gz'), gzipSync(packages, { level: 9 }));
}

function sign(out: string, days: number, gpg: readonly string[]): void {
  const folder = join(out, `dists/${suite}`);
  const files = globSync('main/**/Packages*', { cwd: folder }).sort();
  const now = systemClock.now();
  const release = [
    'Origin: Tributary',
    'Label: Tributary',
    `Suite: ${suite}`,
    `Codename: ${suite}`,
    `Architectures: ${Object.keys(targets).join(' ')}`,
    'Components: main',
    `Date: ${utc(now)}`,
    `Valid-Until: ${utc(now + days * 86_400_000)}`,
    'SHA256:',
    ...files.map((file) => {
      const content = readFileSync(join(folder, file));
      return ` ${sha256(content)} ${content.length} ${file}`;
    }),
    '',
  ].join('\n');
  const path = join(folder, 'Release');
  writeFileSync(path, release);
  const signed = [
    ['--clearsign', 'InRelease'],
    ['--armor --detach-sign', 'Release.gpg'],
  ] as const;
  for (const [how, name] of signed) {
    rmSync(join(folder, name), { force: true });
    run('gpg', [...gpg, ...how.split(' '), '--output', join(folder, name), path]);
  }
}

const utc = (ms: number): string => new Date(ms).toUTCString().replace('GMT', '+0000');

try {
  main();
} catch (error) {
  const isPlain = error instanceof PackageError || error instanceof TypeError;
  console.error(isPlain ? `${error.message}\n\n${usage}` : error);
  process.exitCode = 1;
}
