import { X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import tls from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadCredential } from '#edge/uplink/credential.ts';
import { newKey, requestFor } from '#edge/uplink/credential-request.ts';
import { enrolPath, parseToken } from '#shared/wire/enrol.ts';
import { linkHeader, linkPath } from '#shared/wire/link.ts';
import { eventually } from '../contract/eventually.ts';
import { EnrolledWorld } from './enrolled.ts';

let world: EnrolledWorld;
beforeEach(async () => {
  world = new EnrolledWorld();
  await world.openCentral();
});
afterEach(() => world.close());

const credentialOf = (name: string) => loadCredential(world.credentialPath(name))!;

async function joined(name: string) {
  const token = await world.enrol(name);
  const outcome = await world.join(name, token);
  expect(outcome).toMatchObject({ code: 0, errors: '' });
  return { token, ...outcome, ...credentialOf(name) };
}

const shown = ({ key, certificate }: { key: string; certificate: string }) => ({
  key,
  cert: certificate,
});

interface Edges {
  edges: { alias: string; state: string; counts: { landed: number } }[];
}
const landedOf = async (alias: string) =>
  (await world.get<Edges>('/api/v1/edges')).edges.find((edge) => edge.alias === alias)?.counts
    .landed;

test('enrol, join, run: records land over mutual TLS, and nothing secret is told', async () => {
  const { token, output, key } = await joined('factory-a');
  expect(output).toContain('This gateway is "factory-a" of https://127.0.0.1:');
  expect(statSync(world.credentialPath('factory-a')).mode & 0o777).toBe(0o600);
  const agent = await world.startAgent('factory-a');
  await world.post(agent, 'sensor-data', '{"t":1}');
  await world.post(agent, 'sensor-data', '{"t":2}');
  await eventually(async () => expect(await landedOf('factory-a')).toBe(2));
  const status = await (await fetch(`${agent.statusUrl}/api/v1/status`)).text();
  const told = [...world.lines, status, output, JSON.stringify(await world.get('/api/v1/central'))];
  for (const secret of [parseToken(token)!.secret, key.split('\n')[1]!]) {
    expect(told.join('\n')).not.toContain(secret);
  }
  const again = await world.join('other', token);
  expect(again.code).toBe(1);
  expect(again.errors).toContain('was used already');
  expect(world.lines.some((line) => /"audit":true.*"code":"token-used"/.test(line))).toBe(true);
});

test('a site that is disabled is out at once, and in again when it is enabled', async () => {
  await joined('factory-a');
  const agent = await world.startAgent('factory-a');
  await world.post(agent, 'sensor-data', '[1]');
  await eventually(async () => expect(await landedOf('factory-a')).toBe(1));
  const act = (action: string) =>
    fetch(`${world.collector.statusUrl}/api/v1/edges/factory-a/${action}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    });
  expect((await act('disable')).status).toBe(200);
  const { key, certificate } = credentialOf('factory-a');
  const headers = { [linkHeader.alias]: 'factory-a' };
  const refused = await world.request(linkPath.hello, { key, cert: certificate, headers });
  expect(refused).toMatchObject({ status: 403, text: expect.stringContaining('disabled') });
  expect((await act('enable')).status).toBe(200);
  const taken = await world.request(linkPath.hello, { key, cert: certificate, headers });
  expect(taken.status).toBe(400);
});

test('a site that joined and never came can be disabled and removed', async () => {
  const a = await joined('factory-a');
  const act = (action: string) =>
    fetch(`${world.collector.statusUrl}/api/v1/edges/factory-a/${action}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    });
  const say = () =>
    world.request(linkPath.hello, { headers: { [linkHeader.alias]: 'factory-a' }, ...shown(a) });
  expect((await act('disable')).status).toBe(200);
  expect(await say()).toMatchObject({ status: 403, text: expect.stringContaining('disabled') });
  expect((await act('remove')).status).toBe(200);
  expect(await say()).toMatchObject({ status: 403, text: expect.stringContaining('revoked') });
});

test('without a certificate, or with that of another site or authority, nobody comes in', async () => {
  const a = await joined('factory-a');
  const say = (alias: string, options = {}) =>
    world.request(linkPath.hello, { headers: { [linkHeader.alias]: alias }, ...options });
  expect(await say('factory-a')).toMatchObject({ status: 403 });
  const other = await say('factory-b', shown(a));
  expect(other).toMatchObject({ status: 403, text: expect.stringContaining('not-your-alias') });
  const stranger = new EnrolledWorld();
  await stranger.openCentral();
  await stranger.join('factory-a', await stranger.enrol('factory-a'));
  const foreign = loadCredential(stranger.credentialPath('factory-a'))!;
  const rogue = await say('factory-a', shown(foreign));
  expect(rogue).toMatchObject({
    status: 403,
    text: expect.stringContaining('foreign-certificate'),
  });
  await stranger.close();
  expect(world.lines.some((line) => line.includes('foreign-certificate'))).toBe(true);
  for (const bad of ['../factory-a', 'factory-a/x', 'factory-a%2e', '.', 'tributary', 'a.b']) {
    expect(await say(bad, shown(a))).toMatchObject({ status: 400 });
  }
});

test('anything older than TLS 1.3, and plain HTTP, is refused', async () => {
  const old = world.request(linkPath.hello, { maxVersion: 'TLSv1.2' });
  await expect(old).rejects.toThrow(/protocol version|SSL|EPROTO/i);
  const plain = fetch(world.collector.linkUrl.replace('https:', 'http:'));
  await expect(plain).rejects.toThrow();
});

test('a gateway believes only the central that issued its token', async () => {
  const token = parseToken(await world.enrol('factory-a'))!;
  const wrong = `${token.id}.${token.secret}.${'A'.repeat(43)}`;
  const outcome = await world.join('factory-a', wrong);
  expect(outcome).toMatchObject({ code: 1 });
  expect(outcome.errors).toContain('not the central that issued the token');
  // Nothing was sent: the token is still good.
  expect((await world.join('factory-a', `${token.id}.${token.secret}.${token.pin}`)).code).toBe(0);
});

test('what strangers send is bounded: size, shape, and the paths there are', async () => {
  const big = await world.request(enrolPath.enrol, { body: 'x'.repeat(20_000) });
  expect(big.status).toBe(413);
  expect((await world.request(enrolPath.enrol, { body: '{"token":5}' })).status).toBe(400);
  expect((await world.request(enrolPath.enrol, { method: 'GET', body: '' })).status).toBe(405);
  expect((await world.request(`${enrolPath.enrol}/../renew`)).status).toBe(403);
  expect((await world.request(enrolPath.renew, { body: '{"csr":"x"}' })).status).toBe(403);
  const csr = await requestFor(await newKey());
  const forged = `${'0'.repeat(16)}.${'A'.repeat(43)}.${'A'.repeat(43)}`;
  const body = JSON.stringify({ token: forged, csr, alias: null });
  const refused = await world.request(enrolPath.enrol, { body });
  expect(refused).toMatchObject({ status: 403, text: expect.stringContaining('token-unknown') });
  expect(refused.text).not.toContain('AAAA');
});

test('a renewed key works, with the certificate that central serves now', async () => {
  const a = await joined('factory-a');
  const key = await newKey();
  const body = JSON.stringify({ csr: await requestFor(key) });
  const answer = await world.request(enrolPath.renew, { ...shown(a), body });
  expect(answer.status).toBe(200);
  const { certificate, alias } = JSON.parse(answer.text) as { certificate: string; alias: string };
  expect(alias).toBe('factory-a');
  expect(new X509Certificate(certificate).serialNumber).not.toBe(
    new X509Certificate(a.certificate).serialNumber,
  );
  const headers = { [linkHeader.alias]: 'factory-a' };
  const said = await world.request(linkPath.hello, { key, cert: certificate, headers });
  expect(said.status).toBe(400);
  const { port } = new URL(world.collector.linkUrl);
  const socket = tls.connect({ port: Number(port), host: '127.0.0.1', ca: a.ca, servername: '' });
  await new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  expect(socket.getProtocol()).toBe('TLSv1.3');
  socket.destroy();
});
