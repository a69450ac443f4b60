import net from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadCredential } from '#edge/uplink/credential.ts';
import { enrolPath } from '#shared/wire/enrol.ts';
import { limits } from '#shared/wire/limits.ts';
import { linkHeader, linkPath, segmentsContentType } from '#shared/wire/link.ts';
import { eventually } from '../contract/eventually.ts';
import { EnrolledWorld } from './enrolled.ts';

/**
 * What strangers and sites may try at a central, each with a clear error and a line in the audit.
 * Tokens, expiry, revocation: test/central/enrol; another site's records: segments.test.ts.
 */

let world: EnrolledWorld;
beforeEach(async () => {
  world = new EnrolledWorld();
  await world.openCentral();
});
afterEach(() => world.close());

/** A line of the audit says so, and from where. */
const audited = (code: string) =>
  eventually(() => {
    const line = world.lines.find((one) => one.includes(`"event":"refused","code":"${code}"`));
    expect(line).toContain('"audit":true');
    expect(line).toContain('"address":"');
  });

async function site(alias: string) {
  await world.join(alias, await world.enrol(alias));
  const { key, certificate } = loadCredential(world.credentialPath(alias))!;
  return { key, cert: certificate };
}

test('an older TLS', async () => {
  const old = world.request(linkPath.hello, { maxVersion: 'TLSv1.2' });
  await expect(old).rejects.toThrow(/protocol version/);
  await audited('tls-version');
});

test('plain HTTP where TLS is spoken', async () => {
  await expect(fetch(world.collector.linkUrl.replace('https:', 'http:'))).rejects.toThrow();
  await audited('plain-http');
});

test('bytes that mean nothing', async () => {
  const { hostname, port } = new URL(world.collector.linkUrl);
  const socket = net.connect(Number(port), hostname);
  await new Promise((resolve) => socket.write(Buffer.alloc(300, 0x61), resolve));
  await new Promise((resolve) => socket.once('close', resolve).resume());
  await audited('bad-connection');
});

test('no certificate', async () => {
  const answer = await world.request(linkPath.hello, { headers: { [linkHeader.alias]: 'a' } });
  expect(answer).toMatchObject({ status: 403, text: expect.stringContaining('join TOKEN') });
  await audited('no-credential');
});

test("another site's name", async () => {
  const headers = { [linkHeader.alias]: 'factory-b' };
  const answer = await world.request(linkPath.hello, { headers, ...(await site('factory-a')) });
  const told = expect.stringContaining('the credential is for \\"factory-a\\"');
  expect(answer).toMatchObject({ status: 403, text: told });
  await audited('not-your-alias');
});

test('a path for an alias', async () => {
  const identity = await site('factory-a');
  for (const alias of [
    '../factory-a',
    'factory-a/x',
    'factory-a%2e',
    '.',
    'tributary',
    'a.b',
    'a\tb',
  ]) {
    const headers = { [linkHeader.alias]: alias };
    const answer = await world.request(linkPath.hello, { headers, ...identity });
    expect(answer).toMatchObject({ status: 400, text: expect.stringContaining('bad-alias') });
  }
  await audited('bad-alias');
});

test('more than a stranger, or a site, may send', async () => {
  const big = await world.request(enrolPath.enrol, { body: 'x'.repeat(20_000) });
  expect(big).toMatchObject({ status: 413, text: expect.stringContaining('too-large') });
  await audited('too-large');
  const headers = {
    [linkHeader.alias]: 'factory-a',
    [linkHeader.session]: 'a'.repeat(32),
    'content-type': segmentsContentType,
    'content-length': String(limits.requestBytes + 1),
  };
  // Refused by what it announces, before it is read.
  const body = Buffer.alloc(0);
  const over = { headers, body, ...(await site('factory-a')) };
  expect(await world.request(linkPath.segments, over)).toMatchObject({ status: 413 });
});

test('a path for a topic, at a site', async () => {
  await site('factory-a');
  const agent = await world.startAgent('factory-a');
  const hostile = [
    '..%2F..%2Fetc',
    '%2e%2e',
    'a%2Fb',
    'a%00b',
    'tributary.losses',
    'x'.repeat(250),
  ];
  for (const topic of hostile) {
    const url = `${agent.sourceAddresses[0]!.address}/v1/records/${topic}`;
    const answer = await fetch(url, { method: 'POST', body: '{"t":1}' });
    expect([400, 404]).toContain(answer.status);
    expect(await answer.text()).toContain('"error"');
  }
});
