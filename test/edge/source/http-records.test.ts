import { expect, test } from 'vitest';
import { DeliverError } from '#edge/deliver-error.ts';
import { type RecordsRouteOptions, recordsRoute } from '#edge/source/http-records.ts';
import { systemClock } from '#shared/std/clock.ts';
import { limits } from '#shared/wire/limits.ts';
import { RecordingContext } from './recording-context.ts';

function open(options: Partial<RecordsRouteOptions> = {}) {
  const context = new RecordingContext();
  const app = recordsRoute(context, { clock: systemClock, ...options });
  const post = async (
    path: string,
    body: string | Uint8Array<ArrayBuffer> | ReadableStream,
    headers: { [name: string]: string } = {},
  ) => {
    const response = await app.request(path, {
      method: 'POST',
      body,
      headers,
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
    } as RequestInit);
    const answer = (await response.json()) as {
      accepted?: number;
      error?: { code: string; message: string; hint?: string };
    };
    return { status: response.status, headers: response.headers, body: answer };
  };
  return { context, app, post };
}

const json = { 'content-type': 'application/json' };

test('200 comes only after the buffer has said that the records are durable', async () => {
  const { context, post } = open();
  const durable = Promise.withResolvers<void>();
  context.gate = durable.promise;
  let answered = false;
  const answer = post('/v1/records/sensor-data', '[1,2]', json).finally(() => {
    answered = true;
  });
  await new Promise(setImmediate);
  expect(answered).toBe(false);
  durable.resolve();
  expect(await answer).toMatchObject({ status: 200, body: { accepted: 2 } });
  expect(context.deliveries).toMatchObject([{ topic: 'sensor-data', whenFull: 'refuse' }]);
});

test('key and time come by header, the key also by query, bytes as sent', async () => {
  const { context, post } = open();
  const utf8 = Buffer.from('Gerät-7').toString('latin1');
  await post('/v1/records/t', 'a', { 'tributary-key': utf8, 'tributary-timestamp': '1234567' });
  await post('/v1/records/t?key=Ger%C3%A4t-8', 'b');
  expect(context.texts).toEqual([
    ['Gerät-7', 'a'],
    ['Gerät-8', 'b'],
  ]);
  expect(context.records[0]?.timestamp).toBe(1_234_567);
  expect(Math.abs(context.records[1]!.timestamp - systemClock.now())).toBeLessThan(5_000);
  expect(await post('/v1/records/t?key=a', 'b', { 'tributary-key': 'c' })).toMatchObject({
    status: 400,
  });
  expect(await post('/v1/records/t', 'b', { 'tributary-timestamp': 'noon' })).toMatchObject({
    status: 400,
    body: { error: { message: 'header tributary-timestamp = "noon" is no time' } },
  });
});

test('the same Idempotency-Key gets the same answer and appends once, per topic', async () => {
  const { context, post } = open();
  const headers = { ...json, 'idempotency-key': 'req-1' };
  const first = await post('/v1/records/a', '[1,2]', headers);
  const second = await post('/v1/records/a', '[1,2]', headers);
  const elsewhere = await post('/v1/records/b', '[1,2]', headers);
  expect([first.body, second.body]).toEqual([{ accepted: 2 }, { accepted: 2 }]);
  expect(first.headers.get('idempotent-replayed')).toBeNull();
  expect(second.headers.get('idempotent-replayed')).toBe('true');
  expect(elsewhere.headers.get('idempotent-replayed')).toBeNull();
  expect(context.deliveries.map(({ topic }) => topic)).toEqual(['a', 'b']);
  expect(await post('/v1/records/a', '1', { 'idempotency-key': 'x'.repeat(256) })).toMatchObject({
    status: 400,
    body: { error: { code: 'bad-idempotency-key' } },
  });
});

test('one bad record and nothing of the request is kept', async () => {
  const { context, post } = open();
  const big = 'x'.repeat(limits.recordBytes + 1);
  const cases: [body: string, status: number, message: string][] = [
    ['[1,{"value":1,"partition":-1}]', 400, 'records[1].partition'],
    [JSON.stringify(['ok', { value: big }]), 413, 'records[1]: record is 921601 bytes'],
    ['[1,{"value":1,"headers":{"tributary.alias":"x"}}]', 400, 'records[1]: header "tributary.'],
    ['[1,{"value":1,"headers":{"a":"b"', 400, 'is not closed'],
  ];
  for (const [body, status, message] of cases) {
    const answer = await post('/v1/records/t', body, json);
    expect(answer.status).toBe(status);
    expect(answer.body.error?.message).toContain(message);
  }
  expect(await post('/v1/records/t', big)).toMatchObject({ status: 413 });
  expect(context.deliveries).toEqual([]);
});

test.each([
  ['buffer-full', 429, '5'],
  ['disk-full', 503, '30'],
  ['io', 503, '5'],
  ['closed', 503, '5'],
  ['bad-topic', 400, null],
  ['too-many-streams', 422, null],
] as const)('%s is answered with %i and its reason', async (code, status, retryAfter) => {
  const { context, post } = open();
  context.failure = new DeliverError(code, `the reason for ${code}`);
  const answer = await post('/v1/records/t', 'x');
  expect(answer.status).toBe(status);
  expect(answer.headers.get('retry-after')).toBe(retryAfter);
  if (code === 'closed') expect(answer.body.error?.code).toBe('closing');
  else expect(answer.body.error).toMatchObject({ code, message: `the reason for ${code}` });
  expect(answer.body.error?.hint).toBeTruthy();
});

test('what nobody foresaw is a 500, never a 200', async () => {
  const { context, post } = open();
  context.failure = new TypeError('oops');
  expect(await post('/v1/records/t', 'x')).toMatchObject({
    status: 500,
    body: { error: { code: 'internal' } },
  });
});

test('with a token, only its bearer is heard', async () => {
  const { context, post } = open({ token: 's3cret' });
  for (const authorization of [undefined, 's3cret', 'Basic s3cret', 'Bearer s3cre', 'Bearer ']) {
    const answer = await post('/v1/records/t', 'x', authorization ? { authorization } : {});
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('Bearer');
    expect(JSON.stringify(answer.body)).not.toContain('s3cret');
  }
  expect(context.deliveries).toEqual([]);
  expect(await post('/v1/records/t', 'x', { authorization: 'Bearer s3cret' })).toMatchObject({
    status: 200,
  });
});

test('only the topics of the allow-list are written, whole names', async () => {
  const { post } = open({ topics: ['sensor-*', 'production.line?'] });
  const status = async (topic: string) => (await post(`/v1/records/${topic}`, 'x')).status;
  expect(await status('sensor-data')).toBe(200);
  expect(await status('production.line7')).toBe(200);
  for (const topic of ['my-sensor-data', 'productionxline7', 'production.line77', 'other'])
    expect(await status(topic), topic).toBe(403);
});

test('names that are no topic, or reserved, are refused before the body is read', async () => {
  const { post } = open();
  for (const topic of ['a%2Fb', 'gr%C3%BCn', 'tributary.losses', 'heartbeats', 'x'.repeat(250)])
    expect(await post(`/v1/records/${topic}`, 'x'), topic).toMatchObject({
      status: 400,
      body: { error: { code: 'bad-topic' } },
    });
});

test('a body over the limit is refused, announced or not', async () => {
  const { context, post } = open({ maxBodyBytes: 10 });
  const stream = () =>
    new ReadableStream({
      pull(controller) {
        controller.enqueue(new Uint8Array(6));
      },
    });
  expect(await post('/v1/records/t', '12345678901', { 'content-length': '11' })).toMatchObject({
    status: 413,
    body: { error: { message: 'the body is 11 bytes; the limit is 10' } },
  });
  expect(await post('/v1/records/t', stream())).toMatchObject({ status: 413 });
  expect(await post('/v1/records/t', '1234567890')).toMatchObject({ status: 200 });
  expect(context.deliveries).toHaveLength(1);
});

test('many requests at once hold a bounded amount of memory, and one alone always gets on', async () => {
  const { context, post } = open({ maxBodyBytes: 1_000 });
  const gate = Promise.withResolvers<void>();
  context.gate = gate.promise;
  const answers = Array.from({ length: 12 }, () => post('/v1/records/t', 'x'.repeat(1_000)));
  const refused = await Promise.race(answers);
  expect(refused).toMatchObject({ status: 429, body: { error: { code: 'busy' } } });
  expect(refused.headers.get('retry-after')).toBe('1');
  gate.resolve();
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(6);
  const many = JSON.stringify(Array.from({ length: 400 }, () => 1));
  expect(await post('/v1/records/t', many, json)).toMatchObject({ status: 200 });
});

test('a large request leaves others their turn while it is read', async () => {
  const { context, post } = open();
  let turns = 0;
  const count = () => {
    turns += 1;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const ndjson = { 'content-type': 'application/x-ndjson' };
  const answer = await post('/v1/records/t', '1\n'.repeat(50_000), ndjson);
  clearImmediate(timer);
  expect(answer.body).toEqual({ accepted: 50_000 });
  expect(context.records).toHaveLength(50_000);
  expect(turns).toBeGreaterThanOrEqual(20);
});

test('an encoded body is not taken for its content', async () => {
  const { post } = open();
  expect(await post('/v1/records/t', 'x', { 'content-encoding': 'gzip' })).toMatchObject({
    status: 415,
  });
});

test('another method is told which one to use', async () => {
  const { app } = open();
  const answer = await app.request('/v1/records/t');
  expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'POST']);
});

test("somebody else's page cannot write through the browser of a person here", async () => {
  const { context, post } = open();
  const host = 'localhost:8081';
  for (const [name, value] of [
    ['origin', 'https://evil.example'],
    ['origin', 'null'],
    ['sec-fetch-site', 'cross-site'],
  ] as const) {
    expect(await post('/v1/records/t', 'x', { host, [name]: value })).toMatchObject({
      status: 403,
      body: { error: { code: 'cross-origin' } },
    });
  }
  expect(context.deliveries).toEqual([]);
  expect(await post('/v1/records/t', 'x', { host, origin: `http://${host}` })).toMatchObject({
    status: 200,
  });
});

test("on the agent's own listener, only this machine under its own name is heard", async () => {
  const { app, post } = open({ loopbackOnly: true });
  for (const host of ['evil.example', 'evil.example:8081', '192.168.0.5:8081', '127.0.0.1.evil.io'])
    expect(await post('/v1/records/t', 'x', { host }), host).toMatchObject({
      status: 421,
      body: { error: { code: 'wrong-host' } },
    });
  for (const host of ['localhost:8081', '127.0.0.1:8081', '[::1]:8081'])
    expect(await post('/v1/records/t', 'x', { host }), host).toMatchObject({ status: 200 });
  const from = (remoteAddress: string) =>
    app.request('/v1/records/t', { method: 'POST', body: 'x' }, {
      incoming: { socket: { remoteAddress } },
    } as never);
  expect((await from('192.168.0.9')).status).toBe(403);
  expect((await from('::ffff:127.0.0.1')).status).toBe(200);
});
