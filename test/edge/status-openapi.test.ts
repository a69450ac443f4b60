import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { DeliverError } from '#edge/deliver-error.ts';
import { createStatus } from '#edge/status.ts';
import { openapiDocument } from '#edge/status-openapi.ts';
import { openSubject } from './status-subject.ts';

const document = JSON.parse(JSON.stringify(openapiDocument('0.1.0')));
const ajv = new Ajv2020({ strict: false, allErrors: true });
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
ajv.addSchema(document, 'api');

function open() {
  const parts = openSubject();
  return { ...parts, app: createStatus({ ...parts.subject, context: parts.context }) };
}

type App = ReturnType<typeof open>['app'];

/** Asks, and holds the answer to what the document says of this path, method and status. */
async function hold(app: App, path: string, init: RequestInit & { as?: string } = {}) {
  const method = (init.method ?? 'GET').toLowerCase();
  const described = document.paths[init.as ?? path.replace(/\?.*/, '')]?.[method];
  expect(described, `${method} ${path} is described`).toBeDefined();
  const response = await app.request(path, init);
  const answer = described.responses[response.status];
  expect(answer, `${method} ${path} ${response.status} is described`).toBeDefined();
  const type = response.headers.get('content-type')!.split(';')[0]!;
  expect(Object.keys(answer.content)).toEqual([type]);
  const name = answer.content[type].schema?.$ref?.split('/').at(-1);
  if (name === undefined) return response.status;
  const validate = ajv.getSchema(`api#/components/schemas/${name}`)!;
  expect(validate(await response.json()), ajv.errorsText(validate.errors)).toBe(true);
  return response.status;
}

const records = { as: '/v1/records/{topic}', method: 'POST' };

test('what is really answered is what the description says', async () => {
  const { app } = open();
  for (const path of Object.keys(document.paths)) {
    if (!path.includes('{')) expect(await hold(app, path), path).toBe(200);
  }
  expect(await hold(app, '/v1/records/t', { ...records, body: 'x' })).toBe(200);
});

test('also when nothing is known yet', async () => {
  const { app, uplink, buffer, sources } = open();
  Object.assign(uplink, { url: null, centralId: null, lastAckAt: null, clockOffsetSeconds: null });
  buffer.totals.oldestAgeMs = null;
  buffer.streamCount = 0;
  sources.length = 0;
  expect(await hold(app, '/api/v1/status')).toBe(200);
});

test('and when it goes wrong', async () => {
  const { app, buffer, context } = open();
  expect(await hold(app, '/api/v1/status?streams=x')).toBe(400);
  buffer.failure = new Error('disk I/O error');
  for (const path of ['/healthz', '/readyz', '/api/v1/status', '/metrics'])
    expect(await hold(app, path), path).toBe(503);
  const post = (body: string, headers: { [name: string]: string } = {}, topic = 't') =>
    hold(app, `/v1/records/${topic}`, { ...records, body, headers });
  expect(await post('{', { 'content-type': 'application/json' })).toBe(400);
  expect(await post('x', { origin: 'http://evil.example' })).toBe(403);
  expect(await post('x', { host: 'evil.example' })).toBe(421);
  expect(await post('x', { 'content-encoding': 'br' })).toBe(415);
  expect(await post('x'.repeat(1_000_000))).toBe(413);
  for (const [code, status] of [
    ['buffer-full', 429],
    ['disk-full', 503],
    ['too-many-streams', 422],
  ] as const) {
    context.failure = new DeliverError(code, 'because');
    expect(await post('x')).toBe(status);
  }
});

test('every path of the app is described, and every schema is used', async () => {
  const { app } = open();
  const paths = new Set(app.routes.map(({ path }) => path.replace(/:(\w+)/, '{$1}')));
  paths.delete('/*');
  expect([...paths].sort()).toEqual(Object.keys(document.paths).sort());
  const text = JSON.stringify(document);
  for (const name of Object.keys(document.components.schemas))
    expect(text).toContain(`"#/components/schemas/${name}"`);
});
