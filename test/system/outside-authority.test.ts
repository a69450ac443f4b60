import { copyFileSync, readFileSync } from 'node:fs';
import https from 'node:https';
import net from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { outsideCredentials } from '#central/enrol/outside.ts';
import { serverCertificateFiles } from '#central/enrol/server-certificate.ts';
import { loadEdgeConfig } from '#edge/config.ts';
import { systemClock } from '#shared/std/clock.ts';
import { silentLog } from '#shared/std/log.ts';
import { linkHeader, linkPath } from '#shared/wire/link.ts';
import { eventually } from '../contract/eventually.ts';
import { Certificates } from './certificates.ts';
import { EnrolledWorld } from './enrolled.ts';

let world: EnrolledWorld;
let outside: Certificates;
beforeEach(() => {
  world = new EnrolledWorld();
  outside = new Certificates();
});
afterEach(async () => {
  outside.remove();
  await world.close();
});

const shown = ({ certFile, keyFile }: { certFile: string; keyFile: string }) => ({
  cert: readFileSync(certFile),
  key: readFileSync(keyFile),
});

test('an outside authority names the sites: records land, and strangers stay out', async () => {
  const server = outside.issue('central');
  const site = outside.issue('site', 'URI:tributary:edge:factory-a');
  await world.openCentral(
    `link.cert_file = "${server.certFile}"
     link.key_file = "${server.keyFile}"
     link.ca_file = "${outside.caFile}"`,
    systemClock,
    'auto',
  );
  const url = world.collector.linkUrl;
  world.edgeSettings(
    'factory-a',
    `alias = "factory-a"
     central.url = "${url}"
     central.ca_file = "${outside.caFile}"
     central.cert_file = "${site.certFile}"
     central.key_file = "${site.keyFile}"`,
  );
  const agent = await world.startAgent('factory-a');
  await world.post(agent, 'sensor-data', '{"t":1}');
  interface Edges {
    edges: { alias: string; counts: { landed: number } }[];
  }
  await eventually(async () => {
    const { edges } = await world.get<Edges>('/api/v1/edges');
    expect(edges).toMatchObject([{ alias: 'factory-a', counts: { landed: 1 } }]);
  });
  const headers = { [linkHeader.alias]: 'factory-a' };
  const other = new Certificates();
  const rogues = [
    outside.issue('nobody'),
    outside.issue('two', 'URI:tributary:edge:factory-a, URI:tributary:edge:factory-b'),
    outside.issue('wrong', 'URI:tributary:edge:../factory-a'),
    other.issue('rogue', 'URI:tributary:edge:factory-a'),
  ];
  for (const rogue of rogues) {
    const answer = await world.request(linkPath.hello, { headers, ...shown(rogue) });
    expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('foreign') });
  }
  other.remove();
  const token = await world.enrol('factory-b').catch((error: Error) => error.message);
  expect(token).toContain('outside authority');
});

test('files that somebody renews are taken up; ones that cannot be read are told at start', async () => {
  const files = { ...outside.issue('a'), caFile: outside.caFile };
  const parts = { clock: systemClock, log: silentLog };
  const keeper = await serverCertificateFiles(files, parts);
  const before = String(keeper.context.cert);
  const next = outside.issue('b');
  copyFileSync(next.certFile, files.certFile);
  copyFileSync(next.keyFile, files.keyFile);
  const followed: unknown[] = [];
  keeper.follow((context) => followed.push(context));
  await keeper.check();
  expect(followed).toHaveLength(1);
  expect(String(keeper.context.cert)).not.toBe(before);
  keeper.close();
  const missing = serverCertificateFiles({ ...files, keyFile: '/none' }, parts);
  await expect(missing).rejects.toThrow(/link\.cert_file.*none/);
  expect(outsideCredentials(parts)).toBeDefined();
  const half = world.file('half.toml', 'alias = "a"\ncentral.ca_file = "x"');
  expect(() => loadEdgeConfig({ file: half, env: {} })).toThrow(/central\.cert_file/);
});

test('what the outside authority takes back is out within a second, on open connections too', async () => {
  const server = outside.issue('central');
  outside.issue('site', 'URI:tributary:edge:factory-a');
  outside.issue('other', 'URI:tributary:edge:factory-b');
  const { crlFile } = outside.revoke();
  const files = `link.cert_file = "${server.certFile}"
     link.key_file = "${server.keyFile}"
     link.ca_file = "${outside.caFile}"
     link.crl_file = "${crlFile}"`;
  await world.openCentral(files, systemClock, 'auto');
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  const say = async (name: string, alias: string, over = {}) => {
    const pair = {
      certFile: `${outside.folder}/${name}.crt`,
      keyFile: `${outside.folder}/${name}.key`,
    };
    const headers = { [linkHeader.alias]: alias };
    return (await world.request(linkPath.hello, { headers, ...shown(pair), ...over })).text;
  };
  // Known, but what it says is no hello.
  expect(await say('site', 'factory-a', { agent })).toContain('bad-message');
  outside.revoke('site');
  await eventually(async () => {
    expect(await say('site', 'factory-a', { agent })).toContain('"revoked"');
  });
  expect(await say('other', 'factory-b')).toContain('bad-message');
  expect(world.lines.some((line) => /"audit":true.*"code":"revoked"/.test(line))).toBe(true);
  // One that cannot be used leaves the one before in force.
  const other = new Certificates();
  copyFileSync(other.revoke().crlFile, crlFile);
  await eventually(() => {
    expect(world.lines.some((line) => line.includes('not signed by an authority'))).toBe(true);
  });
  other.remove();
  expect(await say('site', 'factory-a')).toContain('"revoked"');
  agent.destroy();
  await world.collector.stop();
  await expect(world.openCentral(files, systemClock, 'auto')).rejects.toThrow(/link\.crl_file/);
  const own = world.openCentral(`link.crl_file = "${crlFile}"`);
  await expect(own).rejects.toThrow(/goes with ca_file/);
});

test('whoever says nothing after connecting holds nobody up', async () => {
  await world.openCentral();
  const { hostname, port } = new URL(world.collector.linkUrl);
  const silent = Array.from({ length: 50 }, () => net.connect(Number(port), hostname));
  await Promise.all(silent.map((socket) => new Promise((done) => socket.once('connect', done))));
  expect((await world.request(linkPath.hello)).status).toBe(403);
  for (const socket of silent) socket.destroy();
});
