import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runCentral } from '#central/cli.ts';
import { javaWrite } from '../../kafka/clients.ts';
import { mirrorMakerFlow, singleReplicas, startMirrorMaker } from '../../kafka/mirror-maker.ts';
import { kafkaMissing } from '../../kafka/missing.ts';
import { capturedIo } from '../../shared/std/captured-io.ts';
import { ask } from '../../system/api.ts';
import { type GroupAnswer, openCluster, readTopic, valuesOf } from '../../system/mirror-sites.ts';
import { Program } from '../../system/programs.ts';

const site = 'factory-a';
const topic = 'sensor-data';
const group = 'dashboard';

/** One broker stands for both clusters: names keep them apart. */
test.skipIf(kafkaMissing)(
  'where MirrorMaker 2 stopped we go on, with the files that import-mm2 wrote: nothing twice, nothing left out',
  async () => {
    const cluster = await openCluster();
    const { bootstrap, kafka } = cluster;
    onTestFinished(cluster.close);
    const properties = {
      clusters: `${site}, central`,
      'central.bootstrap.servers': bootstrap,
      ...mirrorMakerFlow(bootstrap, site, topic),
      ...singleReplicas,
      'emit.heartbeats.enabled': 'false',
      'offset.flush.interval.ms': '1000',
    };
    await javaWrite(bootstrap, [
      { do: 'create', topic, partitions: 2 },
      { do: 'generate', topic, count: 200, bytes: 20, partition: 0 },
      { do: 'generate', topic, count: 57, bytes: 20, partition: 1 },
    ]);
    const mirror = await startMirrorMaker({ properties, clusters: ['central'] });
    onTestFinished(() => mirror.close());
    const remote = `${site}.${topic}`;
    const remoteValues = async () => valuesOf(await readTopic(kafka, remote));
    await expect
      .poll(async () => (await remoteValues()).length, { timeout: 90_000, interval: 500 })
      .toBe(257);
    await mirror.stop();
    await javaWrite(bootstrap, [
      { do: 'generate', topic, count: 30, bytes: 20, partition: 0, seed: 2 },
      { do: 'generate', topic, count: 3, bytes: 20, partition: 1, seed: 2 },
    ]);
    // A reader of the site that stopped among what is ours.
    await kafka.admin.setGroupOffsets(group, [
      { topic, partition: 0, offset: 212, metadata: '' },
      { topic, partition: 1, offset: 60, metadata: '' },
    ]);

    const folder = mkdtempSync(join(tmpdir(), 'takeover-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'mm2.properties');
    const lines = Object.entries(properties).map(([key, value]) => `${key} = ${value}\n`);
    writeFileSync(file, lines.join(''));
    const command = async (...argv: string[]) => {
      const io = capturedIo();
      const code = await runCentral(argv, io);
      expect({ code, errors: io.errors() }).toEqual({ code: 0, errors: '' });
      return io.output();
    };
    const dry = await command('import-mm2', file, '--out', folder, '--dry-run');
    expect(dry).toMatch(new RegExp(`${topic} +0 +200\n${topic} +1 +57\n`));
    await command('import-mm2', file, '--out', folder);
    expect(readFileSync(join(folder, `${site}.start-offsets.ndjson`), 'utf8')).toBe(
      `{"topic":"${topic}","partition":0,"next":200}\n{"topic":"${topic}","partition":1,"next":57}\n`,
    );

    const central = await start('central', folder, 'central.toml');
    const { status, link } = central.ready;
    await start('edge', folder, `${site}.edge.toml`, link);
    const all = valuesOf(await readTopic(kafka, topic));
    await expect.poll(remoteValues, { timeout: 30_000, interval: 200 }).toEqual(all);

    const groups = async () =>
      (await ask<{ groups: GroupAnswer[] }>(`${status}/api/v1/groups?alias=${site}`)).groups;
    await expect
      .poll(async () => (await groups()).map((one) => one.remote?.exact), {
        ...{ timeout: 30_000, interval: 200 },
      })
      .toEqual([true, true]);
    const at = ['--url', status, '--alias', site, '--group', group];
    expect(await command('translate', ...at, '--apply')).toContain(`${remote}/0`);
    const rest = await restOf(kafka, await kafka.admin.groupOffsets(group), remote);
    expect(rest).toEqual(await restOf(kafka, await kafka.admin.groupOffsets(group), topic));
    expect(rest).toHaveLength(230 - 212);
  },
  180_000,
);

/** A program over a file that import-mm2 wrote, with what it leaves to a person filled in. */
async function start(
  program: 'edge' | 'central',
  folder: string,
  name: string,
  link = '',
): Promise<Program> {
  const file = join(folder, name);
  const text = readFileSync(file, 'utf8')
    .replaceAll('/etc/tributary', folder)
    .replace('0.0.0.0:8443', '127.0.0.1:0')
    .replace('https://CENTRAL:8443', link);
  const buffer = program === 'edge' ? `[buffer]\npath = "${folder}/buffer.db"\n` : '';
  writeFileSync(file, `${text}\n[status]\nlisten = "127.0.0.1:0"\n${buffer}`);
  const started = new Program(name, program, file);
  onTestFinished(() => started.kill());
  await started.start();
  return started;
}

/** What a reader that goes on at these positions gets of the topic. */
async function restOf(
  kafka: Parameters<typeof readTopic>[0],
  offsets: readonly { topic: string; partition: number; offset: number }[],
  topic: string,
): Promise<(string | null)[]> {
  const own = offsets.filter((one) => one.topic === topic);
  expect(own).toHaveLength(2);
  return valuesOf(await readTopic(kafka, topic, new Map(own.map((o) => [o.partition, o.offset]))));
}
