import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Lock, lockedPackage, npmPackage, root, sha256 } from './npm-archive.ts';
import { PackageError, run } from './run.ts';

/**
 * Where everything in a package comes from: for scanners (CycloneDX), and for people (copyright).
 */

interface Component {
  'bom-ref': string;
  type: 'library' | 'application' | 'platform';
  name: string;
  version: string;
  purl: string;
  licenses: { license: { id: string } | { name: string } }[];
  hashes?: { alg: string; content: string }[];
}

export interface Subject {
  name: string;
  version: string;
  /** npm packages inside. */
  packages: readonly string[];
  lock: Lock;
  epoch: number;
}

/** SQLite's own version, asked of the addon's sources: it is compiled into better-sqlite3. */
export function sqliteVersion(): string {
  const script =
    "const D=require('better-sqlite3');" +
    "console.log(new D(':memory:').prepare('select sqlite_version() v').get().v)";
  return run(process.execPath, ['-e', script], { cwd: root }).trim();
}

export const genericComponent = (
  name: string,
  version: string,
  licence: string,
  type: Component['type'] = 'library',
): Component => ({
  'bom-ref': `${name}@${version}`,
  type,
  name,
  version,
  purl: `pkg:generic/${name}@${version}`,
  licenses: [{ license: licence.includes(' ') ? { name: licence } : { id: licence } }],
});

function npmComponent(lock: Lock, name: string): Component {
  const { version, license = 'unknown', integrity } = lockedPackage(lock, name);
  const hash = Buffer.from(integrity?.replace('sha512-', '') ?? '', 'base64').toString('hex');
  return {
    ...genericComponent(name, version, license),
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    hashes: [{ alg: 'SHA-512', content: hash }],
  };
}

/** CycloneDX 1.5, the same bytes for the same contents. */
export function bill(subject: Subject, more: readonly Component[]): string {
  const { name, version, packages, lock, epoch } = subject;
  const components = [...packages.map((one) => npmComponent(lock, one)), ...more];
  const main = genericComponent(name, version, 'Apache-2.0', 'application');
  const digest = sha256(JSON.stringify([main, components]));
  const uuid = [8, 12, 16, 20, 32]
    .map((end, i) => digest.slice([0, 8, 12, 16, 20][i], end))
    .join('-');
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: `urn:uuid:${uuid.replace(/^(.{14})./, '$15').replace(/^(.{19})./, '$18')}`,
    version: 1,
    metadata: { timestamp: new Date(epoch * 1000).toISOString(), component: main },
    components,
    dependencies: [{ ref: main['bom-ref'], dependsOn: components.map((one) => one['bom-ref']) }],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

const ownLicence = `Tributary

Copyright: 2026 The Tributary authors
License: Apache-2.0

Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except in
compliance with the License. On Debian systems the text of the License is in
/usr/share/common-licenses/Apache-2.0. Unless required by applicable law or agreed to in writing,
software distributed under the License is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR
CONDITIONS OF ANY KIND, either express or implied.
`;

/** The text of the `copyright` file: ours, then each part's own words. */
export function copyrightOf(
  { packages, lock }: Pick<Subject, 'packages' | 'lock'>,
  more: readonly { title: string; text: string }[] = [],
): string {
  const parts = packages.map((name) => {
    const { version, license } = lockedPackage(lock, name);
    return { title: `${name} ${version} (${license})`, text: licenceText(lock, name) };
  });
  const rule = '-'.repeat(78);
  return [
    ownLicence,
    ...[...parts, ...more].map(({ title, text }) => `${rule}\n${title}\n\n${text}`),
  ]
    .map((part) => `${part.trimEnd()}\n`)
    .join('\n');
}

function licenceText(lock: Lock, name: string): string {
  const installed = join(root, 'node_modules', name);
  const folder = existsSync(installed) ? installed : npmPackage(lock, name);
  const [file] = globSync('{LICENSE,LICENCE,License,license,COPYING}*', { cwd: folder }).sort();
  const text = file === undefined ? '' : readFileSync(join(folder, file), 'utf8');
  const { license } = lockedPackage(lock, name);
  if (text.includes('Apache License') && text.length > 5_000) {
    return 'Licensed under Apache-2.0: see /usr/share/common-licenses/Apache-2.0.';
  }
  if (text !== '') return text;
  if (license === undefined) throw new PackageError(`${name} tells no licence`);
  return `Licensed under ${license}, as its package.json says; it ships no text of its own.`;
}

export const sqliteLicence = {
  title: 'SQLite (public domain), compiled into better-sqlite3',
  text: 'The author disclaims copyright to this source code: https://sqlite.org/copyright.html',
};
