import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openEmbeddedLanding } from '#central/landing/embedded.ts';
import { openInlineBuffer } from '#edge/buffer/inline.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { programVersion } from '#shared/std/program.ts';
import { Site } from '../contract/landing-site.ts';
import { bufferOptions, landingOptions } from './files.ts';

/**
 * Keeps what this version writes, so that every later one is held to reading it. To be run once, by
 * whoever makes a release, with that release's own code:
 *
 *   node_modules/.bin/node test/released/make.ts
 */

const folder = mkdtempSync(join(tmpdir(), 'released-'));
mkdirSync(new URL('files', import.meta.url), { recursive: true });

const keep = (name: string, path: string) => {
  const file = new URL(`files/${name}-${programVersion}.db.gz`, import.meta.url);
  writeFileSync(file, gzipSync(readFileSync(path), { level: 9 }));
};

async function makeBuffer(): Promise<void> {
  const path = join(folder, 'buffer.db');
  const buffer = await openInlineBuffer(bufferOptions(path), { clock: systemClock });
  const put = (topic: string, ...values: string[]) =>
    buffer.append({
      topic,
      idempotencyKey: `${topic}-${values[0]}`,
      records: values.map((value, i) => ({
        ...{
          key: Buffer.from(`key ${i}`),
          value: Buffer.from(value),
          timestamp: 1_795_000_000_000,
        },
        headers: [['unit', Buffer.from('C')]] as [string, Buffer][],
      })),
    });
  await put('sensor-data', 'one', 'two', 'three');
  await put('sensor-data', 'four');
  await put('sales', 'five');
  await buffer.confirmSession('c'.repeat(32));
  const { epoch } = buffer.identity;
  await buffer.acknowledge([{ epoch, topic: 'sensor-data', partition: 0, through: 0 }]);
  const sales = { epoch, topic: 'sales', partition: 0 };
  await buffer.refuse(sales, 0, 'bad-batch', 'poison');
  await buffer.close();
  keep('edge', path);
}

async function makeLanding(): Promise<void> {
  const path = join(folder, 'central.db');
  const landing = await openEmbeddedLanding(landingOptions(path), {
    clock: systemClock,
    log: silentLog,
  });
  const site = new Site('factory-a');
  const at = systemClock.now();
  await landing.commit([site.hello(at)]);
  await landing.commit([
    site.write(at, {
      segments: [site.segment(3), site.segment(2, { topic: 'sales', mergedTopics: [] })],
      losses: [site.loss(4)],
      heartbeat: { receivedAt: at, heartbeat: site.heartbeat(9) },
    }),
  ]);
  await landing.register([{ key: 'enrolment/factory-a', value: '{"alias":"factory-a"}' }]);
  await landing.close();
  keep('central', path);
}

await makeBuffer();
await makeLanding();
rmSync(folder, { recursive: true });
