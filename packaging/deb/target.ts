/** What a package is built for, in the words of Debian, of Node and of the GNU tools. */
export interface Target {
  debian: 'amd64' | 'arm64';
  node: 'x64' | 'arm64';
  gnu: string;
}

export const targets: { readonly [arch: string]: Target } = {
  amd64: { debian: 'amd64', node: 'x64', gnu: 'x86_64-linux-gnu' },
  arm64: { debian: 'arm64', node: 'arm64', gnu: 'aarch64-linux-gnu' },
};

/** The native strip where there is one, else the cross one. */
export const stripTool = ({ node, gnu }: Target): string =>
  node === process.arch ? 'strip' : `${gnu}-strip`;

export type ProgramName = 'edge' | 'central';

export type Compression = 'xz' | 'zstd';

export interface BuildSettings {
  target: Target;
  /** Of the programs; the runtime has Node's. */
  version: string;
  compression: Compression;
  /** Seconds since 1970: every date in the package. */
  epoch: number;
  /** Where the .deb files go. */
  out: string;
  /** Temporary, removed afterwards. */
  work: string;
}
