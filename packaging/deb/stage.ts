import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { run } from './run.ts';
import type { BuildSettings } from './target.ts';

/** The tree that becomes one .deb: files first, then what dpkg wants to know of them. */
export class Stage {
  readonly #root: string;

  constructor(folder: string) {
    this.#root = folder;
    mkdirSync(folder, { recursive: true });
  }

  file(path: string, content: string | Uint8Array, mode = 0o644): void {
    const at = join(this.#root, path);
    this.folder(dirname(path));
    writeFileSync(at, content);
    chmodSync(at, mode);
  }

  /** As gzip -9n: no name and no time in it. */
  compressed(path: string, content: string): void {
    this.file(`${path}.gz`, gzipSync(content, { level: 9 }));
  }

  copy(from: string, path: string, mode = 0o644): void {
    this.file(path, readFileSync(from), mode);
  }

  /** A folder of plain files. */
  tree(from: string, path: string): void {
    cpSync(from, join(this.#root, path), { recursive: true });
  }

  folder(path: string): void {
    mkdirSync(join(this.#root, path), { recursive: true });
  }

  path(path: string): string {
    return join(this.#root, path);
  }

  /** Answers the path of the .deb. `fields` of control in order; scripts by their names. */
  build(control: Control, settings: BuildSettings): string {
    const { target, compression, epoch, out } = settings;
    const files = this.#files();
    const conffiles = files.filter((path) => path.startsWith('etc/'));
    const fields = {
      Package: control.name,
      Version: control.version,
      Architecture: target.debian,
      Maintainer: maintainer,
      'Installed-Size': String(this.#installedKib(files)),
      ...control.fields,
    };
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\n`);
    this.file('DEBIAN/control', lines.join(''));
    this.file(
      'DEBIAN/md5sums',
      files
        .filter(isMine)
        .map((path) => this.#md5Line(path))
        .join(''),
    );
    if (conffiles.length > 0) {
      this.file('DEBIAN/conffiles', conffiles.map((path) => `/${path}\n`).join(''));
    }
    for (const [name, text] of Object.entries(control.scripts ?? {})) {
      this.file(`DEBIAN/${name}`, text, name === 'triggers' ? 0o644 : 0o755);
    }
    this.#settle(epoch);
    const deb = join(out, `${control.name}_${control.version}_${target.debian}.deb`);
    mkdirSync(out, { recursive: true });
    const level = compression === 'zstd' ? ['-z3'] : [];
    run(
      'dpkg-deb',
      ['--root-owner-group', `-Z${compression}`, ...level, '--build', this.#root, deb],
      {
        env: { ...process.env, SOURCE_DATE_EPOCH: String(epoch) },
      },
    );
    return deb;
  }

  #files(): string[] {
    return readdirSync(this.#root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.#root.length + 1))
      .filter((path) => !path.startsWith('DEBIAN/'))
      .sort();
  }

  #installedKib(files: readonly string[]): number {
    const kib = (path: string) => Math.ceil(statSync(join(this.#root, path)).size / 1024);
    return files.reduce((sum, path) => sum + kib(path), 0);
  }

  #md5Line(path: string): string {
    const hash = createHash('md5')
      .update(readFileSync(join(this.#root, path)))
      .digest('hex');
    return `${hash}  ${path}\n`;
  }

  /** One time and one set of permissions for all, whatever the builder's umask is. */
  #settle(epoch: number): void {
    const entries = readdirSync(this.#root, { recursive: true, withFileTypes: true });
    const paths = entries.map((entry) => join(entry.parentPath, entry.name));
    for (const path of [...paths.sort().reverse(), this.#root]) {
      const stat = statSync(path);
      const isOpen = stat.isDirectory() || (stat.mode & 0o100) !== 0;
      chmodSync(path, isOpen ? 0o755 : 0o644);
      lutimesSync(path, epoch, epoch);
    }
  }
}

/** dpkg keeps sums of what is the package's alone. */
const isMine = (path: string): boolean => !path.startsWith('etc/');

export const maintainer = 'Tributary maintainers <maintainers@example.invalid>';

export interface Control {
  name: string;
  version: string;
  fields: { readonly [name: string]: string };
  /** postinst, prerm, postrm, triggers. */
  scripts?: { readonly [name: string]: string };
}

/** `changelog(.Debian).gz`: what changed is in CHANGELOG.md; Debian wants one in its own form. */
export function changelog(name: string, version: string, epoch: number): string {
  const date = new Date(epoch * 1000).toUTCString().replace('GMT', '+0000');
  return `${name} (${version}) stable; urgency=medium\n\n  * Release ${version}.\n\n -- ${maintainer}  ${date}\n`;
}
