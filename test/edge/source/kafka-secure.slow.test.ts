import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadEdgeConfig } from '#edge/config.ts';
import type { KafkaSettings } from '#edge/source/kafka-settings.ts';
import { eventually } from '../../contract/eventually.ts';
import { FakeBuffer } from '../../contract/fake-buffer.ts';
import { javaWrite } from '../../kafka/clients.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { login, type SecureKafka, startSecureKafka } from '../../kafka/secure-kafka.ts';
import { unique } from '../../kafka/shared.ts';
import { sourceAt } from './kafka-at-site.ts';

describe.skipIf(kafkaMissing)("a site's Kafka behind TLS and logins", () => {
  let secure: SecureKafka;
  beforeAll(async () => {
    secure = await startSecureKafka(3_600_000);
  });
  afterAll(() => secure?.close());

  /** As a person writes it into edge.toml. */
  function settingsOf(port: number, topic: string, more: string): KafkaSettings {
    const file = join(secure.certificates.folder, 'edge.toml');
    const source = `type = "kafka"\nbrokers = ["127.0.0.1:${port}"]\ntopics = ["${topic}"]\n`;
    writeFileSync(file, `alias = "factory-a"\n[[source]]\n${source}${more}`);
    return loadEdgeConfig({ file, overrides: [], env: {} }).sources[0] as KafkaSettings;
  }

  const secret = (password: string) => {
    const file = join(secure.certificates.folder, 'password');
    writeFileSync(file, `${password}\n`);
    return file;
  };
  const sasl = (mechanism: string, password = login.password) =>
    `[source.sasl]\nmechanism = "${mechanism}"\nusername = "${login.username}"\n` +
    `password_file = "${secret(password)}"\n`;
  const ca = () => `[source.tls]\nca_file = "${secure.certificates.caFile}"\n`;
  const identity = () => {
    const { certFile, keyFile } = secure.certificates.issue('site');
    return `${ca()}cert_file = "${certFile}"\nkey_file = "${keyFile}"\n`;
  };

  test.each([
    ['a login alone', 'sasl', () => sasl('plain')],
    ['a login over TLS', 'both', () => ca() + sasl('scram-sha-512')],
    ['certificates on both ends', 'tls', identity],
  ] as const)('is read with %s', async (_how, port, more) => {
    const topic = unique('secure');
    const write = { do: 'generate', topic, count: 500, bytes: 100 } as const;
    const { plain } = secure.ports;
    await javaWrite(`127.0.0.1:${plain}`, [{ do: 'create', topic, partitions: 2 }, write]);
    const buffer = new FakeBuffer();
    const { connection, topics } = settingsOf(secure.ports[port], topic, more());
    await sourceAt('', buffer, { connection, topics });
    await eventually(() => expect(buffer.records).toHaveLength(500));
  });

  test('that refuses the login is told of, by name', async () => {
    const topic = unique('secure');
    const { both, plain } = secure.ports;
    const write = { do: 'generate', topic, count: 10, bytes: 100 } as const;
    await javaWrite(`127.0.0.1:${plain}`, [{ do: 'create', topic, partitions: 1 }, write]);
    const buffer = new FakeBuffer();
    const { connection, topics } = settingsOf(both, topic, ca() + sasl('plain', 'a guess'));
    const source = await sourceAt('', buffer, { connection, topics });
    await eventually(() => {
      expect(source.state()).toMatchObject({ state: 'degraded', detail: /authentication|denied/i });
    });
    expect(buffer.records).toEqual([]);
  });
});
