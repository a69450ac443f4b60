import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { bundle, packagesOf } from '../../packaging/deb/bundle.ts';
import { readLock } from '../../packaging/deb/npm-archive.ts';
import { bill, copyrightOf } from '../../packaging/deb/provenance.ts';
import { targets } from '../../packaging/deb/target.ts';
import { attempt } from '../package/command.ts';

/** kafkajs is reached by paths inside it, and late: both have to survive in a package's one file. */

const entry = fileURLToPath(new URL('kafka-entry.ts', import.meta.url));

test('what a package holds of Kafka is one file that speaks to a broker, and its licence is told', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kafka-bundle-'));
  const meta = join(folder, 'meta.json');
  const lock = readLock();
  const target = Object.values(targets).find(({ node }) => node === process.arch)!;
  bundle([entry], { target, lock, folder, meta });
  expect(readdirSync(folder).filter((name) => name.endsWith('.mjs'))).toEqual(['kafka-entry.mjs']);
  // Nothing of it is looked for outside the file, where a gateway has nothing.
  const text = readFileSync(join(folder, 'kafka-entry.mjs'), 'utf8');
  expect(text).not.toMatch(/(?:import|require)\("kafkajs/);
  const heard: Buffer[] = [];
  const broker = createServer((socket) => {
    socket.on('data', (chunk) => {
      heard.push(chunk);
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => broker.listen(0, '127.0.0.1', resolve));
  const { port } = broker.address() as { port: number };
  const program = join(folder, 'kafka-entry.mjs');
  const { code, out, err } = await attempt(process.execPath, [program, `127.0.0.1:${port}`]);
  await new Promise((resolve) => broker.close(resolve));
  expect({ code, out, err }).toEqual({ code: 0, out: 'opened\nKafkaError\n', err: '' });
  // The first request of every connection: length, ApiVersions (18), and our name.
  expect(heard[0]!.readInt16BE(4)).toBe(18);
  expect(heard[0]!.toString('latin1')).toContain('bundled');
  const packages = packagesOf(meta);
  expect(packages).toContain('kafkajs');
  const subject = { name: 'x', version: '1', packages, lock, epoch: 0 };
  expect(bill(subject, [])).toContain('pkg:npm/kafkajs@');
  expect(copyrightOf(subject)).toMatch(/kafkajs \d[\d.]+ \(MIT\)[\s\S]*Copyright/);
  rmSync(folder, { recursive: true });
}, 60_000);
