import { connect } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { openHttpSource } from '#edge/source/http.ts';
import type { HttpSettings } from '#edge/source/http-settings.ts';
import type { Source } from '#edge/source/source.ts';
import { systemClock } from '#shared/std/clock.ts';
import { RecordingContext } from './recording-context.ts';

const sources: Source[] = [];
afterEach(async () => {
  for (const source of sources.splice(0)) await source.stop();
});

async function open(settings: Partial<HttpSettings> = {}) {
  const context = new RecordingContext();
  const source = openHttpSource(
    { type: 'http', name: 'http', listen: '127.0.0.1:0', ...settings },
    context,
    { clock: systemClock },
  );
  sources.push(source);
  await source.start();
  return { context, source, url: `${source.address}/v1/records/sensor-data` };
}

const post = (
  url: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: { [name: string]: string } = {},
) => fetch(url, { method: 'POST', body, headers });

test('records arrive over a socket, and the source counts them', async () => {
  const { context, source, url } = await open();
  expect(source.state()).toMatchObject({ name: 'http', type: 'http', state: 'running' });
  const bytes = Buffer.alloc(200_000, 0xff);
  expect(await (await post(url, bytes)).json()).toEqual({ accepted: 1 });
  expect(context.records[0]?.value?.equals(bytes)).toBe(true);
  const ndjson = { 'content-type': 'application/x-ndjson', 'idempotency-key': 'a' };
  expect(await (await post(url, '1\n2\n', ndjson)).json()).toEqual({ accepted: 2 });
  await post(url, '1\n2\n', ndjson);
  expect(source.state()).toMatchObject({
    acceptedRecords: 3,
    detail: `listens on ${source.address}`,
  });
});

test('a refusal shows in the state, with its reason', async () => {
  const { source, url } = await open({ token: 'x' });
  expect((await post(url, 'x')).status).toBe(401);
  expect(source.state().detail).toContain('refused 1 request; last 401 unauthorized: ');
});

test('an unknown path says where records go', async () => {
  const { source } = await open();
  const answer = await fetch(`${source.address}/records`);
  expect(answer.status).toBe(404);
  expect((await answer.json()) as object).toMatchObject({
    error: { code: 'not-found', hint: 'records go to POST /v1/records/{topic}' },
  });
});

test('whoever sends too much is told so, and the next request is fine', async () => {
  const { context, url } = await open({ maxBodyBytes: 1_000_000 });
  const big = new Uint8Array(5_000_000);
  expect((await post(url, big)).status).toBe(413);
  const chunked = new ReadableStream({
    start(controller) {
      controller.enqueue(big);
      controller.close();
    },
  });
  const init = { method: 'POST', body: chunked, duplex: 'half' } as RequestInit;
  expect((await fetch(url, init)).status).toBe(413);
  expect((await post(url, 'x')).status).toBe(200);
  expect(context.records).toHaveLength(1);
});

test('a body that is cut short is never a record', async () => {
  const { context, source, url } = await open();
  const port = Number(new URL(url).port);
  const cut = (head: string) =>
    new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.end(`POST /v1/records/t HTTP/1.1\r\nhost: localhost\r\n${head}`);
      });
      socket.on('close', () => resolve());
      socket.resume();
    });
  await cut('content-length: 10\r\n\r\n12345');
  await cut('transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n');
  expect((await post(url, 'x')).status).toBe(200);
  await vi.waitFor(() => expect(source.state().detail).toContain('refused 2 requests'));
  expect(context.texts).toEqual([[undefined, 'x']]);
});

test('stop finishes what is in flight, takes nothing new, and may be called twice', async () => {
  const { context, source, url } = await open();
  const gate = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const deliver = context.deliver.bind(context);
  context.deliver = async (delivery) => {
    arrived.resolve();
    await gate.promise;
    return deliver(delivery);
  };
  const answer = post(url, 'last');
  await arrived.promise;
  const stopped = Promise.all([source.stop(), source.stop()]);
  await expect(post(url, 'late')).rejects.toThrow();
  gate.resolve();
  expect((await answer).status).toBe(200);
  await stopped;
  expect(source.state().state).toBe('stopped');
  expect(context.texts).toEqual([[undefined, 'last']]);
});

test('a taken port fails the start with the name of the source and the setting', async () => {
  const { source } = await open();
  const listen = new URL(source.address!).host;
  await expect(open({ name: 'http-2', listen })).rejects.toThrow(
    `listen of source "http-2" = "${listen}": another program`,
  );
  expect(sources.at(-1)?.state()).toMatchObject({ state: 'failed' });
});
