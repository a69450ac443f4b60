import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { KafkaSasl, KafkaTls } from '#shared/kafka/kafka.ts';
import { eventually } from '../../contract/eventually.ts';
import { startKafka, type TestKafka } from '../../kafka/kafka.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { freePorts } from '../../kafka/ports.ts';
import { unique } from '../../kafka/shared.ts';
import { configs } from '../../kafka/tools.ts';
import { Certificates } from '../../system/certificates.ts';
import { clientOf, outgoing, valuesOf } from './real-cluster.ts';

const modules = 'org.apache.kafka.common.security';
const failure = (promise: Promise<unknown>) => expect(promise).rejects;
const login = { username: 'site', password: 'a secret' };
/** So long that kafkajs logs in again half a second after it has: ten seconds before the end. */
const sessionMs = 10_500;

describe.skipIf(kafkaMissing)('TLS and logins', () => {
  let cluster: TestKafka;
  let certificates: Certificates;
  let ports: { plain: number; sasl: number; tls: number; both: number };

  beforeAll(async () => {
    const [plain, control, sasl, tls, both] = (await freePorts(5)) as [
      number,
      number,
      number,
      number,
      number,
    ];
    ports = { plain, sasl, tls, both };
    certificates = new Certificates();
    cluster = await startKafka({ properties: { ...listeners(ports, control), ...stores() } });
    for (const scram of ['SCRAM-SHA-256', 'SCRAM-SHA-512']) {
      const entity = ['--entity-type', 'users', '--entity-name', login.username];
      const secret = `${scram}=[password=${login.password}]`;
      await configs(at(plain), ['--alter', '--add-config', secret, ...entity]);
    }
  });
  afterAll(async () => {
    await cluster?.close();
    certificates?.remove();
  });

  const at = (port: number): string => `127.0.0.1:${port}`;

  function listeners(to: typeof ports, control: number): { [name: string]: string } {
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
      'connections.max.reauth.ms': String(sessionMs),
      'listener.name.tls.ssl.client.auth': 'required',
      ...Object.fromEntries(logins),
    };
  }

  function stores(): { [name: string]: string } {
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

  const tls = (more: Partial<KafkaTls> = {}): KafkaTls => ({
    ca: readFileSync(certificates.caFile, 'utf8'),
    ...more,
  });
  const client = (port: number, settings: { tls?: KafkaTls; sasl?: KafkaSasl }) =>
    clientOf(at(port), settings).admin;

  test.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)(
    'a login by %s, and with another password none',
    async (mechanism) => {
      const good: KafkaSasl = { mechanism, ...login };
      expect((await client(ports.sasl, { sasl: good }).cluster()).controller).toBe(1);
      const both = client(ports.both, { sasl: good, tls: tls() });
      expect((await both.cluster()).brokers).toEqual([
        { id: 1, host: '127.0.0.1', port: ports.both },
      ]);
      const bad = client(ports.sasl, { sasl: { ...good, password: 'a guess' } });
      await failure(bad.cluster()).toMatchObject({
        code: 'denied',
        message: expect.stringContaining(at(ports.sasl)),
      });
    },
  );

  test('a login by token, asked for again while the session lasts, disturbs nothing', async () => {
    let tokens = 0;
    const token = async () => {
      tokens += 1;
      const claims = { sub: 'site', iat: Date.now() / 1000, exp: Date.now() / 1000 + 3600 };
      const encoded = [{ alg: 'none' }, claims].map((part) =>
        Buffer.from(JSON.stringify(part)).toString('base64url'),
      );
      return `${encoded.join('.')}.`;
    };
    const sasl: KafkaSasl = { mechanism: 'oauthbearer', token };
    const kafka = clientOf(at(ports.sasl), { sasl });
    const topic = unique('topic');
    await kafka.admin.createTopic({ topic, partitions: 1, replicationFactor: 1, configs: {} });
    const producer = kafka.producer({
      transactionalId: unique('id'),
      transactionTimeoutMs: 30_000,
    });
    await producer.init();
    const before = tokens;
    const written: string[] = [];
    // Two connections at least write here: one of each logs in again, and one more does.
    while (tokens < before + 3) {
      const values = [`${written.length}`];
      written.push(...values);
      await producer.send([outgoing(topic, 0, values)]);
      if (written.length % 10 === 0) await producer.commit();
    }
    await producer.commit();
    await eventually(async () =>
      expect(await valuesOf(kafka, { topic, partition: 0 })).toEqual(written),
    );
  });

  test('a token that cannot be had is no refused login', async () => {
    const token = () => Promise.reject(new Error('the issuer is away'));
    const kafka = client(ports.sasl, { sasl: { mechanism: 'oauthbearer', token } });
    await failure(kafka.cluster()).toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('the issuer is away'),
    });
  });

  test('TLS believes only who the authority signed, by the name that is expected', async () => {
    const own = certificates.issue('site');
    const identity = {
      cert: readFileSync(own.certFile, 'utf8'),
      key: readFileSync(own.keyFile, 'utf8'),
    };
    const good = client(ports.tls, { tls: tls(identity) });
    expect((await good.cluster()).controller).toBe(1);
    const named = client(ports.tls, { tls: tls({ ...identity, serverName: 'localhost' }) });
    expect((await named.cluster()).controller).toBe(1);
    const misnamed = client(ports.tls, { tls: tls({ ...identity, serverName: 'elsewhere' }) });
    await failure(misnamed.cluster()).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/elsewhere/),
    });
    await failure(client(ports.tls, { tls: identity }).cluster()).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/certificate/),
    });
    await failure(client(ports.tls, { tls: tls() }).cluster()).toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/certificate|closed/i),
    });
  });

  test('a broker that takes the connection and says nothing is given up', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    for (const settings of [{}, { tls: {} }]) {
      const kafka = clientOf(at(port), { connectionTimeoutMs: 100, ...settings });
      await failure(kafka.admin.cluster()).toMatchObject({ code: 'unavailable' });
      await kafka.close();
    }
  });
});
