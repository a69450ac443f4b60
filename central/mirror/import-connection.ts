import type { Mm2Cluster } from './import-flows.ts';

/** How a cluster is reached, in our settings' words; `remarks` tell what has to be done by hand. */
export interface ImportedConnection {
  brokers: string[];
  tls: { [key: string]: string | boolean };
  sasl: { [key: string]: string };
  /** For a file of its own, which `sasl.password_file` names. */
  password: string | undefined;
  remarks: string[];
}

const mechanisms = new Map([
  ['PLAIN', 'plain'],
  ['SCRAM-SHA-256', 'scram-sha-256'],
  ['SCRAM-SHA-512', 'scram-sha-512'],
  ['OAUTHBEARER', 'oauthbearer'],
]);

/** `passwordFile` is where the password will lie. */
export function connectionOf(cluster: Mm2Cluster, passwordFile: string): ImportedConnection {
  const { alias, client } = cluster;
  const remarks: string[] = [];
  const servers = client.get('bootstrap.servers') ?? '';
  const brokers = servers.split(/\s*,\s*/).filter((broker) => broker !== '');
  if (brokers.length === 0) remarks.push(`${alias}.bootstrap.servers is missing: fill in brokers`);
  if (brokers.some((broker) => broker.includes('${'))) remarks.push(provided(alias, 'brokers'));
  const protocol = (client.get('security.protocol') ?? 'PLAINTEXT').toUpperCase();
  const tls = protocol.endsWith('SSL') ? tlsOf(cluster, remarks) : {};
  const login = protocol.startsWith('SASL') ? saslOf(cluster, passwordFile, remarks) : { sasl: {} };
  return { brokers, tls, sasl: login.sasl, password: login.password, remarks };
}

const provided = (alias: string, what: string): string =>
  `${alias}: ${what} came from a config provider; fill it in`;

function tlsOf({ alias, client }: Mm2Cluster, remarks: string[]): ImportedConnection['tls'] {
  const tls: ImportedConnection['tls'] = { enabled: true };
  const store = (kind: 'truststore' | 'keystore', files: readonly string[]) => {
    const location = client.get(`ssl.${kind}.location`);
    if (location === undefined) return;
    const type = (client.get(`ssl.${kind}.type`) ?? 'JKS').toUpperCase();
    if (type === 'PEM') for (const file of files) tls[file] = location;
    else {
      remarks.push(
        `${alias}: ssl.${kind}.location is a ${type} file; make PEM of it (keytool, openssl) and ` +
          `set tls.${files.join(', tls.')}`,
      );
    }
  };
  store('truststore', ['ca_file']);
  store('keystore', ['cert_file', 'key_file']);
  return tls;
}

function saslOf(
  { alias, client }: Mm2Cluster,
  passwordFile: string,
  remarks: string[],
): { sasl: { [key: string]: string }; password?: string | undefined } {
  const asked = client.get('sasl.mechanism') ?? 'GSSAPI';
  const mechanism = mechanisms.get(asked);
  if (mechanism === undefined) {
    remarks.push(`${alias}: sasl.mechanism ${asked} has no counterpart; set sasl yourself`);
    return { sasl: {} };
  }
  if (mechanism === 'oauthbearer') {
    remarks.push(`${alias}: set sasl.token_file or sasl.token_command`);
    return { sasl: { mechanism } };
  }
  const jaas = client.get('sasl.jaas.config') ?? '';
  const username = jaasOption(jaas, 'username');
  const password = jaasOption(jaas, 'password');
  if (username === undefined) remarks.push(`${alias}: sasl.jaas.config has no username; set it`);
  const known = password !== undefined && !password.includes('${');
  if (!known) remarks.push(`${provided(alias, 'the password')} in ${passwordFile}`);
  return {
    sasl: { mechanism, username: username ?? '', password_file: passwordFile },
    password: known ? password : undefined,
  };
}

/** `… required username="a" password="b";` (javax.security.auth.login.Configuration). */
function jaasOption(jaas: string, name: string): string | undefined {
  const [, quoted, bare] =
    new RegExp(`\\b${name}\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;]+))`).exec(jaas) ?? [];
  return quoted?.replace(/\\(.)/g, '$1') ?? bare;
}
