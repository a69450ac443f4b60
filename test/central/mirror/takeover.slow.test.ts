import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { runCentral } from '#central/cli.ts';
import { javaRead, javaWrite } from '../../kafka/clients.ts';
import { startMirrorMaker } from '../../kafka/mirror-maker.ts';
import { sharedKafka, sharedKafkaMissing, unique } from '../../kafka/shared.ts';
import { capturedIo } from '../../shared/std/captured-io.ts';

/** One broker stands for both clusters: names keep them apart. */
test.skipIf(sharedKafkaMissing)(
  'we go on with the record behind the last that MirrorMaker 2 replicated',
  async () => {
    const bootstrap = await sharedKafka();
    const site = unique('site');
    const topic = unique('sensor-data');
    const properties = {
      clusters: `${site}, central`,
      [`${site}.bootstrap.servers`]: bootstrap,
      'central.bootstrap.servers': bootstrap,
      [`${site}->central.enabled`]: 'true',
      [`${site}->central.topics`]: topic,
      'replication.factor': '1',
      'checkpoints.topic.replication.factor': '1',
      'offset-syncs.topic.replication.factor': '1',
      'offset.storage.replication.factor': '1',
      'status.storage.replication.factor': '1',
      'config.storage.replication.factor': '1',
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
    await vi.waitFor(
      async () => {
        const landed = await javaRead(bootstrap, { topics: [`${site}.${topic}`] });
        expect(landed.length, mirror.log().slice(-2_000)).toBe(257);
      },
      { timeout: 90_000, interval: 1_000 },
    );
    await mirror.stop();
    await javaWrite(bootstrap, [{ do: 'generate', topic, count: 3, bytes: 20, partition: 0 }]);

    const folder = mkdtempSync(join(tmpdir(), 'takeover-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'mm2.properties');
    const lines = Object.entries(properties).map(([key, value]) => `${key} = ${value}\n`);
    writeFileSync(file, lines.join(''));
    const run = async (...argv: string[]) => {
      const io = capturedIo();
      const code = await runCentral(['import-mm2', file, '--out', folder, ...argv], io);
      expect({ code, errors: io.errors() }).toEqual({ code: 0, errors: '' });
      return io.output();
    };
    expect(await run('--dry-run')).toMatch(new RegExp(`${topic} +0 +200\n${topic} +1 +57\n`));
    await run();
    expect(readFileSync(join(folder, `${site}.start-offsets.ndjson`), 'utf8')).toBe(
      `{"topic":"${topic}","partition":0,"next":200}\n{"topic":"${topic}","partition":1,"next":57}\n`,
    );
  },
  180_000,
);
