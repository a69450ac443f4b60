import { expect, test } from 'vitest';
import { edgeView, fakeStatus } from './fakes.ts';

const json = { 'content-type': 'application/json' };
const adopt = '/api/v1/edges/factory-a/adopt';

function site() {
  const status = fakeStatus();
  status.fleet.views = [edgeView('factory-a')];
  const post = async (headers: Record<string, string>, body?: string) => {
    const response = await status.app.request(adopt, { method: 'POST', headers, body });
    return response.status;
  };
  return { ...status, post };
}

test('names of another host are refused, so that DNS rebinding reads nothing', async () => {
  const { app } = site();
  const ask = (host: string, path = '/api/v1/edges') => app.request(path, { headers: { host } });
  for (const host of ['127.0.0.1:8080', 'localhost:9000', '[::1]:1', '127.9.9.9', 'LOCALHOST']) {
    expect([host, (await ask(host)).status]).toEqual([host, 200]);
  }
  const strange = [
    'evil.example',
    '127.0.0.1.evil.example:8080',
    'localhost.',
    '0.0.0.0',
    '[::2]',
    '',
  ];
  for (const host of strange) {
    for (const path of ['/api/v1/edges', '/', '/metrics', '/nowhere']) {
      const response = await ask(host, path);
      expect([host, path, response.status]).toEqual([host, path, 421]);
      expect(JSON.parse(await response.text()).error.code).toBe('wrong-host');
    }
  }
});

test('a form or a page of another site changes nothing', async () => {
  const { fleet, post } = site();
  for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data']) {
    expect(await post({ 'content-type': type }, 'a=b')).toBe(415);
  }
  expect(await post({})).toBe(415);
  for (const origin of ['http://evil.example', 'null', 'http://localhost:1', 'https://localhost']) {
    expect([origin, await post({ ...json, origin })]).toEqual([origin, 403]);
  }
  expect(await post({ ...json, 'sec-fetch-site': 'cross-site' })).toBe(403);
  expect(await post({ ...json, 'sec-fetch-site': 'same-site' })).toBe(403);
  expect(fleet.asked).toEqual([]);
});

test('our own page and a command line may', async () => {
  const { fleet, post } = site();
  const own = { host: '127.0.0.1:8080', origin: 'http://127.0.0.1:8080' };
  expect(await post({ ...json, ...own, 'sec-fetch-site': 'same-origin' }, '{}')).toBe(200);
  expect(await post({ 'content-type': 'application/json; charset=utf-8' }, ' { } ')).toBe(200);
  expect(fleet.asked).toEqual(['adopt factory-a', 'adopt factory-a']);
});

test('a body that says something is refused, an endless one is cut off', async () => {
  const { fleet, post } = site();
  expect(await post(json, '{"force":true}')).toBe(400);
  expect(await post(json, '[]')).toBe(400);
  let pulled = 0;
  const endless = new ReadableStream({
    pull: (controller) => {
      pulled += 1;
      controller.enqueue(Buffer.alloc(512, 32));
    },
  });
  const request = new Request(`http://localhost${adopt}`, {
    method: 'POST',
    headers: json,
    body: endless,
    duplex: 'half',
  } as RequestInit);
  expect((await site().app.request(request)).status).toBe(413);
  expect(pulled).toBeLessThan(10);
  expect(fleet.asked).toEqual([]);
});

test('wrong methods get 405 and the right ones', async () => {
  const { app } = site();
  const ask = (method: string, path: string) => app.request(path, { method, headers: json });
  const cases: [method: string, path: string, allow: string][] = [
    ['POST', '/api/v1/edges', 'GET, HEAD'],
    ['DELETE', '/api/v1/edges/factory-a', 'GET, HEAD'],
    ['GET', adopt, 'POST'],
    ['OPTIONS', adopt, 'POST'],
    ['PUT', '/', 'GET, HEAD'],
    ['POST', '/metrics', 'GET, HEAD'],
  ];
  for (const [method, path, allow] of cases) {
    const response = await ask(method, path);
    expect([method, path, response.status]).toEqual([method, path, 405]);
    expect(response.headers.get('allow')).toBe(allow);
    expect(JSON.parse(await response.text()).error.code).toBe('method-not-allowed');
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  }
});

test('HEAD answers as GET does, without a body', async () => {
  const { app } = site();
  for (const path of ['/', '/api/v1/edges', '/healthz', '/metrics', '/api/v1/events']) {
    const response = await app.request(path, { method: 'HEAD' });
    expect([path, response.status, await response.text()]).toEqual([path, 200, '']);
  }
});

test('path tricks and endless addresses reach no file', async () => {
  const { app } = site();
  const tricks = [
    '/../package.json',
    '/page/../status.ts',
    '/%2e%2e/status.ts',
    '/..%2fstatus.ts',
    '/app.js/..%2f..%2fstatus.ts',
    '/status.ts',
    '/page/app.js',
    '/index.html%00',
    '/__proto__',
    '/constructor',
    '//evil.example',
    '/api/v1/edges/',
  ];
  for (const path of tricks) {
    const response = await app.request(`http://localhost${path}`);
    expect([path, response.status]).toEqual([path, 404]);
    expect(JSON.parse(await response.text()).error.hint).toContain('/openapi.json');
  }
  expect((await app.request(`/api/v1/edges?${'x'.repeat(5_000)}`)).status).toBe(414);
});

test('every answer keeps scripts of others out and caches away from the API', async () => {
  const { app } = site();
  for (const path of ['/', '/app.js', '/api/v1/edges', '/nowhere', '/api/v1/edges/a.b']) {
    const { headers } = await app.request(path);
    const policy = headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toMatch(path.startsWith('/api') ? /^no-store$/ : /^no-/);
  }
});
