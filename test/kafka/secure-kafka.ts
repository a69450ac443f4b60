import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { Certificates } from '../system/certificates.ts';
import { startKafka, type TestKafka } from './kafka.ts';
import { freePorts } from './ports.ts';
import { configs } from './tools.ts';

const modules = 'org.apache.kafka.common.security';
const at = (port: number): string => `127.0.0.1:${port}`;

/** Who may log in, by every mechanism. */
export const login = { username: 'site', password: 'a secret' };

interface Ports {
  plain: number;
  /** A login over plain TCP. */
  sasl: number;
  /** TLS with certificates on both ends. */
  tls: number;
  /** A login over TLS. */
  both: number;
}

export interface SecureKafka {
  cluster: TestKafka;
  certificates: Certificates;
  ports: Ports;
  close(): Promise<void>;
}

/** A broker that is reached in four ways; it asks for a new login after `sessionMs`. */
export async function startSecureKafka(sessionMs: number): Promise<SecureKafka> {
  const [plain, control, sasl, tls, both] = (await freePorts(5)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const ports = { plain, sasl, tls, both };
  const certificates = new Certificates();
  const properties = {
    ...listeners(ports, control),
    ...stores(certificates),
    'connections.max.reauth.ms': String(sessionMs),
  };
  const cluster = await startKafka({ properties });
  for (const scram of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
    const entity = ['--entity-type', 'users', '--entity-name', login.username];
    const secret = `${scram}=[password=${login.password}]`;
    await configs(at(plain), ['--alter', '--add-config', secret, ...entity]);
  }
  const close = async () => {
    await cluster.close();
    certificates.remove();
  };
  return { cluster, certificates, ports, close };
}

function listeners(to: Ports, control: number): { [name: string]: string } {
  const logins = ['sasl', 'both'].flatMap((listener) =>
    Object.entries({
      plain: `${modules}.plain.PlainLoginModule required user_${login.username}="${login.password}"`,
      'scram-sha-256': `${modules}.scram.ScramLoginModule required`,
      'scram-sha-512': `${modules}.scram.ScramLoginModule required`,
      oauthbearer: `${modules}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"`,
    }).map(([mechanism, module]) => [
      `listener.name.${listener}.${mechanism}.sasl.jaas.config`,
      `${module};`,
    ]),
  );
  return {
    listeners: [
      `PLAINTEXT://${at(to.plain)}`,
      `CONTROLLER://${at(control)}`,
      `SASL://${at(to.sasl)}`,
      `TLS://${at(to.tls)}`,
      `BOTH://${at(to.both)}`,
    ].join(','),
    'controller.quorum.voters': `1@${at(control)}`,
    'listener.security.protocol.map':
      'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,BOTH:SASL_SSL',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
    'listener.name.tls.ssl.client.auth': 'required',
    ...Object.fromEntries(logins),
  };
}

function stores(certificates: Certificates): { [name: string]: string } {
  const { certFile, keyFile } = certificates.issue('broker');
  const store = join(certificates.folder, 'broker.p12');
  const from = ['-in', certFile, '-inkey', keyFile];
  const to = ['-out', store, '-passout', 'pass:changeit'];
  execFileSync('openssl', ['pkcs12', '-export', ...from, ...to]);
  return {
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.location': store,
    'ssl.keystore.password': 'changeit',
    'ssl.key.password': 'changeit',
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': certificates.caFile,
  };
}
