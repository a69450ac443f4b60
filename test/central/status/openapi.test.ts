import { expect, test } from 'vitest';
import type { Landing } from '#central/landing/landing.ts';
import type { LossRecord } from '#shared/wire/link.ts';
import { ajv, complaints, document, type Operation, operation } from './contract.ts';
import {
  edgeView,
  epochMs,
  fakeMirror,
  fakeStatus,
  flowView,
  landed,
  partitionOf,
  streamView,
  unseenView,
} from './fakes.ts';

/** The description is checked against what is really answered, path by path, both ways. */

const id = 'a'.repeat(32);
const stream = { alias: 'factory-a', epoch: id, topic: 'x', partition: 0 };

const loss: LossRecord = {
  ...stream,
  first: 1,
  span: 2,
  records: 2,
  scope: 'stream',
  bytes: 3,
  from: null,
  to: epochMs,
  reason: 'evicted',
  detail: 'full',
  landedAt: epochMs,
};

const landing: Partial<Landing> = {
  checkpoints: async () => [
    {
      ...stream,
      partitionCount: 1,
      through: 4,
      landedRecords: 5,
      landedBytes: 6,
      lostRecords: 0,
      remoteTopic: 'factory-a.x',
      remoteOffset: 5,
      merged: [{ topic: 'x', offset: 5 }],
      acceptedAt: null,
      landedAt: epochMs,
      session: id,
      ...{ sourceIncarnation: null, sourceNext: null },
    },
  ],
  losses: async () => [loss, { ...loss, reason: 'source-gap', scope: 'source', records: 0 }],
  topics: async () => [
    {
      topic: 'factory-a.x',
      kind: 'remote',
      partitions: [{ partition: 0, startOffset: 0, endOffset: 2 }],
      records: 2,
    },
  ],
  records: partitionOf('factory-a.x', [
    landed(0, { headers: [['h', Buffer.from([0xff])]], timestamp: -1 }),
    landed(1, { key: null, value: Buffer.from([0xff]), headers: [['h', null]] }),
  ]),
};

function full(over: Partial<Landing> = {}) {
  const status = fakeStatus({ ...landing, ...over }, undefined, fakeMirror);
  status.fleet.views = [edgeView('factory-a', { alarms: ['forked'] }), unseenView('factory-b')];
  status.fleet.streams = [streamView(), streamView({ head: null, oldestUnlandedAt: null })];
  status.fleet.flowViews = [flowView('x'), flowView('y', { watermark: null, sources: [] })];
  return status;
}

/** Described path, asked path. */
const answered: [path: string, asked: string][] = [
  ['/api/v1/edges', '/api/v1/edges'],
  ['/api/v1/edges/{alias}', '/api/v1/edges/factory-a'],
  ['/api/v1/edges/{alias}', '/api/v1/edges/factory-b'],
  ['/api/v1/edges/{alias}', '/api/v1/edges/nobody'],
  ['/api/v1/edges/{alias}', '/api/v1/edges/no.body'],
  ['/api/v1/flows', '/api/v1/flows'],
  ['/api/v1/checkpoints', '/api/v1/checkpoints?alias=factory-a&topic=x'],
  ['/api/v1/checkpoints', '/api/v1/checkpoints?alias=a.b'],
  ['/api/v1/groups', '/api/v1/groups?alias=factory-a'],
  ['/api/v1/groups', '/api/v1/groups?alias=-'],
  ['/api/v1/audit', '/api/v1/audit'],
  ['/api/v1/audit', '/api/v1/audit?alias=factory-a'],
  ['/api/v1/audit', '/api/v1/audit?alias=-'],
  ['/api/v1/losses', '/api/v1/losses?limit=1'],
  ['/api/v1/losses', '/api/v1/losses?since=x'],
  ['/api/v1/topics', '/api/v1/topics'],
  [
    '/api/v1/topics/{topic}/partitions/{partition}/records',
    '/api/v1/topics/factory-a.x/partitions/0/records',
  ],
  [
    '/api/v1/topics/{topic}/partitions/{partition}/records',
    '/api/v1/topics/factory-a.x/partitions/0/records?limit=1',
  ],
  [
    '/api/v1/topics/{topic}/partitions/{partition}/records',
    '/api/v1/topics/factory-a.x/partitions/7/records',
  ],
  ['/api/v1/central', '/api/v1/central'],
  ['/api/v1/authority', '/api/v1/authority'],
  ['/healthz', '/healthz'],
  ['/readyz', '/readyz'],
  ['/livez', '/livez'],
  ['/openapi.json', '/openapi.json'],
];

test.each(answered)('%s is answered as described: %s', async (path, asked) => {
  const { status, body } = await full().get(asked);
  expect(complaints('get', path, status, body)).toEqual([]);
});

test('changes and their refusals are answered as described', async () => {
  const { app } = full();
  for (const action of ['adopt', 'disable', 'enable', 'remove']) {
    for (const [alias, headers] of [
      ['factory-a', { 'content-type': 'application/json' }],
      ['factory-a', { 'content-type': 'text/plain' }],
      ['factory-a', { 'content-type': 'application/json', origin: 'http://evil.example' }],
      ['nobody', { 'content-type': 'application/json' }],
    ] as [string, Record<string, string>][]) {
      const asked = `/api/v1/edges/${alias}/${action}`;
      const response = await app.request(asked, { method: 'POST', headers });
      const path = `/api/v1/edges/{alias}/${action}`;
      const found = complaints('post', path, response.status, await response.json());
      expect([asked, headers, found]).toEqual([asked, headers, []]);
    }
  }
});

test('groups are put in their places as described', async () => {
  for (const [{ app }, query, status] of [
    [full(), '?alias=factory-a&group=line-dashboard', 200],
    [full(), '?alias=factory-a&group=nobody&dryRun=true', 200],
    [full(), '?alias=factory-a', 400],
    [full(), '?group=line-dashboard', 400],
    [fakeStatus(), '?alias=factory-a&group=line-dashboard', 409],
  ] as const) {
    const path = '/api/v1/groups/apply';
    const headers = { 'content-type': 'application/json' };
    const response = await app.request(`${path}${query}`, { method: 'POST', headers });
    expect([query, response.status]).toEqual([query, status]);
    expect(complaints('post', path, status, await response.json())).toEqual([]);
  }
});

test('the authority is replaced and retired as described', async () => {
  const { app } = full();
  const headers = { 'content-type': 'application/json' };
  for (const [path, query, status] of [
    ['/api/v1/authority/rotate', '', 409],
    ['/api/v1/authority/retire', '', 409],
    ['/api/v1/authority/retire', '?evenSo=true', 200],
    ['/api/v1/authority/retire', '?other=1', 400],
  ] as const) {
    const response = await app.request(`${path}${query}`, { method: 'POST', headers });
    expect([query, response.status]).toEqual([query, status]);
    expect(complaints('post', path, status, await response.json())).toEqual([]);
  }
});

test('a failing landing is answered as described', async () => {
  const { get } = full({ probe: () => Promise.reject(new Error('disk is full')) });
  const { status, body } = await get('/healthz');
  expect(status).toBe(503);
  expect(complaints('get', '/healthz', status, body)).toEqual([]);
});

test('events carry data as described', async () => {
  const { app, fleet, close } = full();
  fleet.happen({});
  const response = await app.request('/api/v1/events');
  setImmediate(close);
  const schemas: { [event: string]: string } = { edges: 'EdgesEvent', flows: 'FlowsEvent' };
  const seen: string[] = [];
  for (const [, event, data] of (await response.text()).matchAll(/event: (.*)\ndata: (.*)\n/g)) {
    const $ref = `#/components/schemas/${schemas[event!] ?? 'Event'}`;
    const validate = ajv.compile({ $ref, components: document.components });
    validate(JSON.parse(data!));
    expect([event, validate.errors]).toEqual([event, null]);
    seen.push(event!);
  }
  expect(seen).toEqual(['edge-state', 'edges', 'flows']);
});

test('every described GET path is answered, and its type is as described', async () => {
  const { app, close } = full();
  for (const path of Object.keys(document.paths)) {
    const described = operation('get', path);
    if (described === undefined) continue;
    const asked = path
      .replace('{alias}', 'factory-a')
      .replace('{topic}', 'factory-a.x')
      .replace('{partition}', '0');
    const response = await app.request(asked, { method: 'HEAD' });
    expect([path, response.status]).toEqual([path, 200]);
    const type = response.headers.get('content-type')?.split(';')[0];
    expect([path, Object.keys(described.responses['200']!.content)]).toEqual([path, [type]]);
  }
  close();
});

test('every served path is described', async () => {
  const { app } = full();
  const described = new Set(Object.keys(document.paths));
  const served = app.routes
    .filter(({ method, path }) => method === 'GET' && !path.endsWith('*'))
    .map(({ path }) => path.replace(/:([a-z]+)/g, '{$1}'))
    .filter((path) => !/\.(js|css|svg)$/.test(path));
  expect(served.filter((path) => !described.has(path))).toEqual([]);
});

test('the document holds together: references resolve, parameters match paths, ids are unique', () => {
  const text = JSON.stringify(document);
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    expect(Object.keys(document.components.schemas)).toContain(name);
  }
  const ids: string[] = [];
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const { operationId, parameters = [] } of Object.values(methods) as Operation[]) {
      ids.push(operationId);
      const named = [...path.matchAll(/\{([a-z]+)\}/g)].map(([, name]) => name);
      const given = parameters.filter((p) => p.in === 'path').map((p) => p.name);
      expect([path, given]).toEqual([path, named]);
    }
  }
  expect(new Set(ids).size).toBe(ids.length);
  expect(document.openapi).toBe('3.1.0');
});

test('no object of the contract is open: every field is there, and no other', () => {
  const open: string[] = [];
  const walk = (node: unknown, where: string): void => {
    if (node === null || typeof node !== 'object') return;
    const schema = node as { [key: string]: unknown };
    if (schema.type === 'object' && schema.properties !== undefined) {
      if (schema.additionalProperties !== false) open.push(where);
    }
    for (const [key, value] of Object.entries(schema)) walk(value, `${where}/${key}`);
  };
  walk(document, '');
  expect(open).toEqual([]);
});
