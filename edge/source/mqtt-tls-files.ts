import { readFile } from 'node:fs/promises';

/** Files of a `tls` setting, read anew for each connection: certificates may be renewed. */
export interface TlsFiles {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

/** Rejects with an error that names the setting. */
export async function readTlsFiles(
  files: { caFile?: string; certFile?: string; keyFile?: string } = {},
): Promise<TlsFiles> {
  const read = async (setting: 'caFile' | 'certFile' | 'keyFile') => {
    const path = files[setting];
    if (path === undefined) return undefined;
    return readFile(path).catch((error: Error) => {
      throw new Error(`cannot read tls.${setting} ${path}: ${error.message}`);
    });
  };
  const [ca, cert, key] = await Promise.all([read('caFile'), read('certFile'), read('keyFile')]);
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}
