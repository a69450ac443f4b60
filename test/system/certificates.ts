import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A throw-away certificate authority in a temporary folder, made with openssl. */
export class Certificates {
  readonly folder = mkdtempSync(join(tmpdir(), 'certificates-'));
  readonly caFile = join(this.folder, 'ca.crt');

  constructor() {
    const key = join(this.folder, 'ca.key');
    this.#openssl(['req', '-x509', ...newKey, '-keyout', key, '-out', this.caFile, ...name('ca')]);
  }

  /** A certificate for 127.0.0.1, fit for a server and for a client called `who`; `more` names. */
  issue(who: string, more = ''): { certFile: string; keyFile: string } {
    const [certFile, keyFile, request, extensions] = ['crt', 'key', 'csr', 'ext'].map((kind) =>
      join(this.folder, `${who}.${kind}`),
    ) as [string, string, string, string];
    writeFileSync(
      extensions,
      `subjectAltName = IP:127.0.0.1, DNS:localhost${more && `, ${more}`}\n`,
    );
    this.#openssl(['req', ...newKey, '-keyout', keyFile, '-out', request, ...name(who)]);
    const ca = ['-CA', this.caFile, '-CAkey', join(this.folder, 'ca.key'), '-CAcreateserial'];
    const out = ['-days', '1', '-extfile', extensions, '-out', certFile];
    this.#openssl(['x509', '-req', '-in', request, ...ca, ...out]);
    return { certFile, keyFile };
  }

  /** What the authority says of certificates that it has taken back; by the names of `issue`. */
  revoke(...names: string[]): { crlFile: string } {
    const at = (file: string) => join(this.folder, file);
    if (!existsSync(at('index'))) {
      writeFileSync(at('index'), '');
      const own = ['default_ca = own', '[own]', `database = ${at('index')}`];
      const lines = ['default_md = sha256', 'default_crl_days = 1', `certificate = ${this.caFile}`];
      const settings = ['[ca]', ...own, ...lines, `private_key = ${at('ca.key')}`];
      writeFileSync(at('ca.conf'), `${settings.join('\n')}\n`);
    }
    const config = ['ca', '-config', at('ca.conf')];
    for (const name of names) this.#openssl([...config, '-revoke', at(`${name}.crt`)]);
    this.#openssl([...config, '-gencrl', '-out', at('crl.pem')]);
    return { crlFile: at('crl.pem') };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #openssl(options: string[]): void {
    execFileSync('openssl', options, { stdio: 'pipe' });
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const name = (who: string): string[] => ['-subj', `/CN=${who}`];
