import { type ClientRequest, request } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Audit } from '#central/audit.ts';
import { openLinkServer } from '#central/intake/link-server.ts';
import { openIntake } from '#central/intake/open-intake.ts';
import { openMerge } from '#central/merge/merge.ts';
import { systemClock } from '#shared/std/clock.ts';
import type { HttpServer } from '#shared/std/http-server.ts';
import { silentLog } from '#shared/std/log.ts';
import { encodeFrame } from '#shared/wire/frame.ts';
import { limits } from '#shared/wire/limits.ts';
import { linkPath, segmentsContentType } from '#shared/wire/link.ts';
import { Edge } from './edge.ts';
import { World } from './world.ts';

/** The same app behind a real listener: what a socket adds. */
let world: World;
let server: HttpServer;
let edge: Edge;

async function listen(bodyTimeoutMs: number): Promise<void> {
  world = new World();
  const { landing, heard } = world;
  const intake = openIntake({
    ...{ landing, merge: openMerge([]), fleet: heard, clock: systemClock, log: silentLog },
    settings: { bodyTimeoutMs },
  });
  server = await openLinkServer(intake.app, '127.0.0.1:0', new Audit(silentLog, () => 0));
  edge = new Edge(world, 'factory-a');
}
beforeEach(() => listen(20_000));
afterEach(() => server.close(100));

interface Reply {
  status: number;
  body: { error?: { code: string } };
}

function open(
  path: string,
  headers: object,
  type = segmentsContentType,
): [ClientRequest, Promise<Reply>] {
  const sent = request(`${server.url}${path}`, {
    method: 'POST',
    headers: {
      'content-type': type,
      'tributary-alias': edge.alias,
      'tributary-session': edge.session,
      ...headers,
    },
  });
  const reply = new Promise<Reply>((resolve, reject) => {
    sent.on('error', reject);
    sent.on('response', async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve({ status: response.statusCode!, body: JSON.parse(Buffer.concat(chunks).toString()) });
    });
  });
  reply.catch(() => {});
  return [sent, reply];
}

async function post(path: string, body: Uint8Array, type?: string): Promise<Reply> {
  const [sent, reply] = open(path, { 'content-length': body.length }, type);
  sent.end(body);
  return reply;
}

const hello = () =>
  post(linkPath.hello, Buffer.from(JSON.stringify(edge.message())), 'application/json');

describe('over a socket', () => {
  test('loopback is believed, and records land', async () => {
    expect(await hello()).toMatchObject({ status: 200 });
    const body = Buffer.concat(encodeFrame(edge.segment(0, 1_000)));
    expect(await post(linkPath.segments, body)).toMatchObject({
      status: 200,
      body: { acks: [{ through: 999 }] },
    });
    expect(await world.valuesOf('factory-a.sensor-data')).toHaveLength(1_000);
  });

  test('a request that is refused early gets its answer, however large it is', async () => {
    const large = Buffer.alloc(limits.requestBytes);
    expect(await post(linkPath.segments, large)).toMatchObject({ status: 409 });
    await hello();
    edge.session = 'f'.repeat(32);
    for (let i = 0; i < 3; i++) {
      expect(await post(linkPath.segments, large)).toMatchObject({
        status: 409,
        body: { error: { code: 'hello' } },
      });
    }
  });

  test('a body that never ends is cut off, and the listener goes on', async () => {
    await server.close(0);
    await listen(300);
    await hello();
    const [sent, reply] = open(linkPath.segments, { 'content-length': 1_000 });
    sent.write('x');
    expect(await reply).toMatchObject({ status: 408, body: { error: { code: 'too-slow' } } });
    sent.destroy();
    expect(await hello()).toMatchObject({ status: 200 });
  });

  test('a client that goes away in the middle leaves nothing behind', async () => {
    await hello();
    for (let i = 0; i < 5; i++) {
      const [sent] = open(linkPath.segments, { 'content-length': 1_000_000 });
      sent.write(Buffer.alloc(100_000));
      await new Promise((resolve) => sent.once('socket', resolve));
      sent.destroy();
    }
    const body = Buffer.concat(encodeFrame(edge.segment(0, 10)));
    expect(await post(linkPath.segments, body)).toMatchObject({ status: 200 });
  });
});
