import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadCentralConfig } from '#central/config.ts';
import { loadCredential } from '#edge/uplink/credential.ts';
import { Certificates } from './certificates.ts';
import { EnrolledWorld } from './enrolled.ts';

const token = 'f'.repeat(16) + '0'.repeat(16);

let world: EnrolledWorld;
beforeEach(() => {
  world = new EnrolledWorld();
});
afterEach(() => world.close());

async function open(text = token): Promise<void> {
  const file = world.file('token', text);
  await world.openCentral(`status.remote = "127.0.0.1:0"\nstatus.token_file = "${file}"`);
}

const ask = (
  path: string,
  headers: { [name: string]: string } = {},
  method = 'GET',
  identity: { cert?: Buffer | string; key?: Buffer | string } = {},
) =>
  world.request(path, {
    ...{ base: world.collector.remoteStatusUrl!, headers, method, ...identity },
    body: method === 'GET' ? '' : '{}',
  });
const shown = ({ certFile, keyFile }: { certFile: string; keyFile: string }) => ({
  cert: readFileSync(certFile),
  key: readFileSync(keyFile),
});

test('other machines see and change nothing without the token, the page and the probes included', async () => {
  await open();
  for (const path of ['/', '/api/v1/edges', '/healthz', '/metrics', '/openapi.json', '/none']) {
    expect((await ask(path)).status).toBe(401);
  }
  const basic = `Basic ${Buffer.from(`anybody:${token}`).toString('base64')}`;
  for (const authorization of [`Bearer ${token}`, basic]) {
    expect((await ask('/api/v1/edges', { authorization })).status).toBe(200);
    expect((await ask('/', { authorization })).status).toBe(200);
  }
  for (const authorization of [`Bearer ${token}x`, 'Bearer ', `Basic ${token}`, token]) {
    expect((await ask('/api/v1/edges', { authorization })).status).toBe(401);
  }
  expect(world.lines.filter((line) => line.includes('"code":"sign-in"'))).toHaveLength(1);
  expect(world.lines.join('\n')).not.toContain(token);
});

test("another site's page cannot use a browser that is signed in", async () => {
  await open();
  const authorization = `Bearer ${token}`;
  const { host } = new URL(world.collector.remoteStatusUrl!);
  const enrol = (origin: string) =>
    ask('/api/v1/edges/factory-a/enrol', { authorization, origin }, 'POST');
  expect((await enrol('https://evil.example')).status).toBe(403);
  expect((await enrol(`https://${host}`)).status).toBe(200);
  expect((await ask('/', { authorization, host: 'evil.example' })).status).toBe(421);
});

test('only TLS 1.3 is spoken there, and a weak token is refused at the start', async () => {
  await open();
  const base = world.collector.remoteStatusUrl!;
  await expect(world.request('/', { base, maxVersion: 'TLSv1.2' })).rejects.toThrow();
  await world.collector.stop();
  await expect(open('secret')).rejects.toThrow(/32 characters/);
});

test('a certificate of the named authority signs in; of another one, of a site, or of a stranger not', async () => {
  const people = new Certificates();
  const others = new Certificates();
  const alice = shown(people.issue('alice'));
  await world.openCentral(
    `status.remote = "127.0.0.1:0"\nstatus.client_ca_file = "${people.caFile}"
     status.client_names = ["alice", "factory-a"]`,
  );
  const edges = async (identity: object) =>
    (await ask('/api/v1/edges', {}, 'GET', identity)).status;
  expect(await edges(alice)).toBe(200);
  expect(await edges({})).toBe(401);
  expect(await edges(shown(people.issue('mallory')))).toBe(401);
  expect(await edges(shown(others.issue('alice')))).toBe(401);
  expect(await edges(shown(people.issue('factory-a', 'URI:tributary:edge:factory-a')))).toBe(401);
  await world.join('factory-b', await world.enrol('factory-b'));
  const site = loadCredential(world.credentialPath('factory-b'))!;
  expect(await edges({ key: site.key, cert: site.certificate })).toBe(401);
  expect((await ask('/api/v1/edges/x/enrol', {}, 'POST', alice)).status).toBe(200);
  expect(world.lines.some((line) => /edge-enrol.*"by":"certificate alice"/.test(line))).toBe(true);
  expect(world.lines.some((line) => /"event":"refused","code":"sign-in"/.test(line))).toBe(true);
  for (const each of [people, others]) each.remove();
});

test('a reverse proxy is believed from its own address alone', async () => {
  const at = (addresses: string) =>
    world.openCentral(
      `status.remote = "127.0.0.1:0"\nstatus.proxy_header = "X-Forwarded-User"
       status.proxy_addresses = ${addresses}\nstatus.names = ["tributary.example"]`,
    );
  const header = { 'x-forwarded-user': 'alice' };
  await at('["10.0.0.5", "10.1.0.0/24"]');
  expect((await ask('/api/v1/edges', header)).status).toBe(401);
  await world.collector.stop();
  await at('["127.0.0.0/30"]');
  expect((await ask('/api/v1/edges', header)).status).toBe(200);
  expect((await ask('/api/v1/edges', { 'x-forwarded-user': '' })).status).toBe(401);
  expect((await ask('/api/v1/edges')).status).toBe(401);
  // The names of the proxy are ours as well, and a page that came through it may make changes.
  const through = { ...header, host: 'tributary.example', origin: 'https://tributary.example' };
  expect((await ask('/api/v1/edges/x/enrol', through, 'POST')).status).toBe(200);
  expect((await ask('/', { ...header, host: 'evil.example' })).status).toBe(421);
  expect(world.lines.some((line) => line.includes('"by":"proxy alice"'))).toBe(true);
});

test('beyond loopback there is no listener without token and certificate', () => {
  const problems = (toml: string) => {
    const file = world.file('central.toml', toml);
    try {
      loadCentralConfig({ file, env: {} });
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(problems('status.remote = "0.0.0.0:8444"')).toContain('needs status.token_file');
  expect(problems('status.remote = "0.0.0.0:8444"')).toContain('set link.tls = "own"');
  const proxied = 'status = { remote = "0.0.0.0:8444", proxy_header = ';
  const own = '\nlink.tls = "own"';
  expect(problems(`${proxied}"X-User" }${own}`)).toContain('needs status.proxy_addresses');
  expect(problems(`${proxied}"Host", proxy_addresses = ["10.0.0.1"] }${own}`)).toContain('own');
  expect(problems(`${proxied}"X-User", proxy_addresses = ["any"] }${own}`)).toContain('no address');
  expect(problems(`${proxied}"X-User", proxy_addresses = ["::1", "10.0.0.0/8"] }${own}`)).toBe('');
  expect(problems('status.client_names = ["a"]')).toContain('needs status.client_ca_file');
  expect(problems('status.listen = "0.0.0.0:8080"')).toContain('has no sign-in');
  expect(problems('link = { listen = "0.0.0.0:8443", cert_file = "x" }')).toContain('link.ca_file');
  expect(problems('link = { listen = "0.0.0.0:8443" }')).toBe('');
});

test('the token may be a credential of systemd, and "none" is no token', () => {
  const file = world.file('central.toml', 'link.tls = "own"\nstatus.remote = "127.0.0.1:0"');
  const load = () => loadCentralConfig({ file, env: { CREDENTIALS_DIRECTORY: world.folder } });
  expect(load).toThrow(/needs status\.token_file/);
  world.file('status-token', 'none\n');
  expect(load).toThrow(/needs status\.token_file/);
  const path = world.file('status-token', token);
  expect(load().status.remote).toMatchObject({ tokenFile: path });
});
