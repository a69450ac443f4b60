import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { KafkaSasl, KafkaTls } from '#shared/kafka/kafka.ts';
import { eventually } from '../../contract/eventually.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { login, type SecureKafka, startSecureKafka } from '../../kafka/secure-kafka.ts';
import { unique } from '../../kafka/shared.ts';
import { clientOf, outgoing, valuesOf } from './real-cluster.ts';

const failure = (promise: Promise<unknown>) => expect(promise).rejects;
/**
 * So long that kafkajs logs in again a second and a half after it has: ten seconds before the end.
 * Brokers refuse to be asked twice within a second.
 */
const sessionMs = 11_500;

describe.skipIf(kafkaMissing)('TLS and logins', () => {
  let secure: SecureKafka;
  let ports: SecureKafka['ports'];
  let certificates: SecureKafka['certificates'];

  beforeAll(async () => {
    secure = await startSecureKafka(sessionMs);
    ({ ports, certificates } = secure);
  });
  afterAll(() => secure?.close());

  const at = (port: number): string => `127.0.0.1:${port}`;

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
