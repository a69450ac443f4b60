import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openKafka } from '#shared/kafka/open-kafka.ts';
import { silentLog } from '#shared/std/log.ts';
import { sharedKafka, sharedKafkaMissing, unique } from '../kafka/shared.ts';
import { freePort } from './free-port.ts';
import { runCommand } from './programs.ts';

if (sharedKafkaMissing) console.log(`Skipped: ${sharedKafkaMissing}`);

test.skipIf(sharedKafkaMissing)(
  'check --connect asks a real cluster, changes nothing, and fails where it cannot work',
  async () => {
    const bootstrap = await sharedKafka();
    const kafka = openKafka({ brokers: [bootstrap], clientId: 'test' }, { log: silentLog });
    onTestFinished(() => kafka.close());
    const into = unique('check');
    const made = { topic: into, partitions: 2, replicationFactor: 1 };
    await kafka.admin.createTopic({ ...made, configs: { 'retention.ms': '3600000' } });
    onTestFinished(() => kafka.admin.deleteTopic(into));
    const here = async () => {
      const topics = (await kafka.admin.topics()).map(({ topic }) => topic);
      return topics.filter((topic) => topic.includes(into));
    };

    const fits = await check(bootstrap, into, 'partitions = 2');
    expect(fits).toMatchObject({ code: 0 });
    expect(fits.out).toMatch(/Kafka at \S+ answers: cluster \S+, 1 broker/);
    expect(fits.err).toContain(`warning: topic "${into}": retention.ms = 3600000`);

    const unfit = await check(bootstrap, into, 'replication_factor = 3\npartitions = 4');
    expect(unfit.code).toBe(1);
    expect(unfit.err).toContain(
      'problem: landing.replication_factor = 3: the cluster has 1 broker',
    );
    expect(unfit.err).toContain(`warning: topic "${into}" has 2 partitions and will need 4`);

    const json = await check(bootstrap, into, 'replication_factor = 3', '--json');
    expect(json.code).toBe(1);
    const message = expect.stringContaining('landing.replication_factor = 3');
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, problems: [{ key: null, message }] });

    const login = 'sasl = { mechanism = "plain", username = "a", password_file = "/nowhere" }';
    const unread = await check(bootstrap, into, login);
    expect(unread.code).toBe(1);
    expect(unread.err).toContain('problem: landing.sasl.password_file = "/nowhere" cannot be read');

    const nobody = await check(`127.0.0.1:${await freePort()}`, into, '');
    expect(nobody.code).toBe(1);
    expect(nobody.err).toMatch(/problem: .*ECONNREFUSED.*; start it, or correct landing.brokers/);

    expect(await here()).toEqual([into]);
  },
);

function check(brokers: string, into: string, landing: string, ...words: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'tributary-check-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'central.toml');
  const flow = `[[flow]]\ninto = "${into}"\nfrom = ["*.${into}"]`;
  writeFileSync(file, `[landing]\ntype = "kafka"\nbrokers = ["${brokers}"]\n${landing}\n${flow}\n`);
  return runCommand('central', ['check', '--connect', '--config', file, ...words]);
}
