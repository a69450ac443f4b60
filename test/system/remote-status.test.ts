import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadCentralConfig } from '#central/config.ts';
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

const ask = (path: string, headers: { [name: string]: string } = {}, method = 'GET') =>
  world.request(path, {
    ...{ base: world.collector.remoteStatusUrl!, headers, method },
    body: method === 'GET' ? '' : '{}',
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
  expect(problems('status.listen = "0.0.0.0:8080"')).toContain('has no sign-in');
  expect(problems('link = { listen = "0.0.0.0:8443", cert_file = "x" }')).toContain('link.ca_file');
  expect(problems('link = { listen = "0.0.0.0:8443" }')).toBe('');
});
