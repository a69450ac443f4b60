import { beforeEach, describe, expect, test } from 'vitest';
import { type Landing, LandingError, type Route } from '#central/landing/landing.ts';
import { encodeFrame } from '#shared/wire/frame.ts';
import { limits } from '#shared/wire/limits.ts';
import { linkPath } from '#shared/wire/link.ts';
import { Edge, id, openEdge } from './edge.ts';
import { World } from './world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

const code = (value: string) => ({ body: { error: { code: value } } });
const turn = () => new Promise(setImmediate);

/** A body that comes when the test says so. */
function trickle(): { stream: ReadableStream; send(bytes: Uint8Array): void; end(): void } {
  let controller!: ReadableStreamDefaultController;
  const stream = new ReadableStream({
    start: (c) => {
      controller = c;
    },
  });
  return {
    stream,
    send: (bytes) => controller.enqueue(bytes),
    end: () => controller.close(),
  };
}

describe('who may come in', () => {
  test.each(['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1'])(
    '%s is believed',
    async (peer) => {
      world.peer = peer;
      expect((await new Edge(world, 'factory-a').hello()).status).toBe(200);
    },
  );

  test.each(['10.0.0.7', '::ffff:10.0.0.7', 'fe80::1', '192.168.1.1', '', undefined])(
    '%s has to show a certificate',
    async (peer) => {
      world.peer = peer;
      expect(await new Edge(world, 'factory-a').hello()).toMatchObject({
        status: 403,
        body: { error: { code: 'no-credential', hint: expect.stringMatching(/tunnel/) } },
      });
    },
  );

  test('a page in a browser on this machine may not', async () => {
    const edge = new Edge(world, 'factory-a');
    const said = JSON.stringify(edge.message());
    const answer = await edge.post(linkPath.hello, said, { origin: 'http://evil.example' });
    expect(answer).toMatchObject({ status: 403, ...code('cross-origin') });
    const plain = await edge.post(linkPath.hello, said, { 'content-type': 'text/plain' });
    expect(plain).toMatchObject({ status: 415, ...code('wrong-type') });
  });

  test.each(['', 'a.b', 'tributary', 'x'.repeat(64), 'ünï'.normalize('NFD')])(
    'an alias "%s" is none',
    async (alias) => {
      const edge = new Edge(world, 'factory-a');
      const headers = { 'tributary-alias': encodeURI(alias) };
      const answer = await edge.post(linkPath.hello, JSON.stringify(edge.message()), headers);
      expect(answer).toMatchObject({ status: 400, ...code('bad-alias') });
    },
  );

  test('an alias in the header and another in the hello are refused', async () => {
    const edge = new Edge(world, 'factory-a');
    expect(await edge.hello({ alias: 'factory-b' })).toMatchObject({
      status: 400,
      ...code('mismatch'),
    });
    expect(await world.landing.aliases()).toEqual([]);
  });

  test('a session of another site is not a session of this one', async () => {
    const a = await openEdge(world, 'factory-a');
    const b = await openEdge(world, 'factory-b');
    const answer = await b.segments([b.segment(0, 1)], { 'tributary-session': a.session });
    expect(answer).toMatchObject({ status: 409, ...code('hello') });
    const never = new Edge(world, 'factory-c');
    expect(await never.segments([never.segment(0, 1)])).toMatchObject({ status: 409 });
  });

  test('another site’s epoch lands under one’s own name only', async () => {
    const a = await openEdge(world, 'factory-a');
    await a.segments([a.segment(0, 3)]);
    const b = await openEdge(world, 'factory-b');
    const { body } = await b.segments([b.segment(0, 2, { epoch: a.epoch })]);
    expect(body.acks).toMatchObject([{ epoch: a.epoch, through: 1 }]);
    expect(await world.valuesOf('factory-a.sensor-data')).toHaveLength(3);
    expect(await world.valuesOf('factory-b.sensor-data')).toHaveLength(2);
    expect((await a.segments([a.segment(3, 1)])).body.acks).toMatchObject([{ through: 3 }]);
  });
});

describe('what is no message gets an error that says why', () => {
  test.each([
    ['{', 'bad-message'],
    ['[]', 'bad-message'],
    ['', 'bad-message'],
    ['{"version":1}', 'bad-message'],
  ])('%s', async (text, expected) => {
    const edge = new Edge(world, 'factory-a');
    expect(await edge.post(linkPath.hello, text)).toMatchObject({ status: 400, ...code(expected) });
  });

  test('headers that are none', async () => {
    const edge = await openEdge(world);
    expect(await edge.segments([], { 'tributary-session': 'x' })).toMatchObject({
      status: 400,
      ...code('bad-session'),
    });
    expect(await edge.segments([], { 'tributary-clock': '-1' })).toMatchObject({
      status: 400,
      ...code('bad-clock'),
    });
    expect(await edge.segments([], { 'content-length': '1e3' })).toMatchObject({
      status: 400,
      ...code('bad-length'),
    });
  });

  test('paths and methods that are not there', async () => {
    const get = await world.intake.app.request(linkPath.hello);
    expect([get.status, await get.json()]).toMatchObject([
      405,
      { error: { code: 'method-not-allowed' } },
    ]);
    const nowhere = await world.intake.app.request('/link/v2/hello', { method: 'POST' });
    expect([nowhere.status, await nowhere.json()]).toMatchObject([
      404,
      { error: { code: 'not-found' } },
    ]);
  });
});

describe('bodies are bounded', () => {
  test('one that announces too much is refused before it is read', async () => {
    const edge = await openEdge(world);
    let read = false;
    const pull = () => {
      read = true;
    };
    const stream = new ReadableStream({ pull }, { highWaterMark: 0 });
    const length = { 'content-length': String(limits.requestBytes + 1) };
    expect(await edge.post(linkPath.segments, stream, length)).toMatchObject({
      status: 413,
      ...code('too-large'),
    });
    expect(read).toBe(false);
  });

  test('one that does not announce its length is cut off at the limit', async () => {
    const edge = await openEdge(world);
    let sent = 0;
    const stream = new ReadableStream({
      pull: (controller) => {
        sent += 1024 * 1024;
        controller.enqueue(new Uint8Array(1024 * 1024));
      },
    });
    const answer = await edge.post(linkPath.segments, stream);
    expect(answer).toMatchObject({ status: 413, ...code('too-large') });
    expect(sent).toBeLessThan(limits.requestBytes + 4 * 1024 * 1024);
  });

  test('a slow one runs out of time, and its memory is given back', async () => {
    world = new World({ settings: { bodyTimeoutMs: 5_000, memoryBytesPerAlias: 1_000 } });
    const edge = await openEdge(world);
    for (let i = 0; i < 3; i++) {
      const body = trickle();
      body.send(new Uint8Array(900));
      const answer = edge.post(linkPath.segments, body.stream);
      await world.pass(5_001);
      expect(await answer).toMatchObject({ status: 408, ...code('too-slow') });
    }
  });

  test('what one site has under way is bounded, and leaves the others alone', async () => {
    world = new World({ settings: { memoryBytesPerAlias: 10_000 } });
    const hostile = await openEdge(world, 'hostile');
    const fine = await openEdge(world, 'fine');
    const bodies = [trickle(), trickle()];
    const answers = bodies.map((body) => {
      body.send(new Uint8Array(4_000));
      return hostile.post(linkPath.segments, body.stream);
    });
    await turn();
    const third = await hostile.segments([hostile.segment(0, 20)]);
    expect(third).toMatchObject({ status: 429, retryAfter: '1', ...code('too-much-at-once') });
    expect((await fine.segments([fine.segment(0, 20)])).status).toBe(200);
    for (const body of bodies) body.end();
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([400, 400]);
    expect((await hostile.segments([hostile.segment(0, 20)])).status).toBe(200);
  });

  test('what all sites have under way is bounded', async () => {
    world = new World({ settings: { memoryBytesMax: 10_000 } });
    const edges = await Promise.all(['a', 'b', 'c'].map((alias) => openEdge(world, alias)));
    const bodies = edges.slice(0, 2).map((edge) => {
      const body = trickle();
      body.send(new Uint8Array(4_900));
      return { body, answer: edge.post(linkPath.segments, body.stream) };
    });
    await turn();
    const refused = await edges[2]!.segments([edges[2]!.segment(0, 10)]);
    expect(refused).toMatchObject({ status: 503, ...code('overloaded') });
    expect(Number(refused.retryAfter)).toBeGreaterThan(0);
    for (const { body } of bodies) body.end();
    await Promise.all(bodies.map(({ answer }) => answer));
    expect((await edges[2]!.segments([edges[2]!.segment(0, 10)])).status).toBe(200);
  });

  test('too many requests of one site at once are refused, none is lost', async () => {
    const edge = await openEdge(world);
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => edge.segments([edge.segment(0, 1)])),
    );
    const statuses = answers.map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    expect(await world.valuesOf('sensor-data')).toHaveLength(1);
  });

  test('a body that breaks off is an error, not a crash', async () => {
    const edge = await openEdge(world);
    const stream = new ReadableStream({
      start: (controller) => {
        controller.enqueue(new Uint8Array(10));
        controller.error(new Error('socket hang up'));
      },
    });
    expect(await edge.post(linkPath.segments, stream)).toMatchObject({
      status: 400,
      ...code('cut-off'),
    });
  });
});

describe('when the landing fails', () => {
  let fail: LandingError | Error | undefined;
  let failAfter = false;
  let route: Route;
  let given = (error: Error): Error => error;
  const wrap = (landing: Landing): Landing =>
    new Proxy(landing, {
      get: (target, name) => {
        if (name === 'route') return () => route;
        const value = Reflect.get(target, name) as unknown;
        if (name !== 'commit' || typeof value !== 'function') {
          return typeof value === 'function' ? value.bind(target) : value;
        }
        return async (...args: unknown[]) => {
          if (fail && !failAfter) throw given(fail);
          const landed = await value.apply(target, args);
          if (fail) throw fail;
          return landed;
        };
      },
    });
  beforeEach(() => {
    fail = undefined;
    failAfter = false;
    route = { to: 'here' };
    given = (error) => error;
    world = new World({ wrap });
  });

  test.each([
    ['full', 503, '30'],
    ['refused', 503, '30'],
    ['closed', 503, '1'],
    ['uncertain', 503, '1'],
    ['fenced', 409, null],
  ] as const)(
    '%s: nothing is acknowledged, and the edge tries again',
    async (reason, status, retry) => {
      const edge = await openEdge(world);
      fail = new LandingError(reason, 'the disk is full: free some space');
      const answer = await edge.segments([edge.segment(0, 3)]);
      expect(answer).toMatchObject({ status, retryAfter: retry });
      expect(answer.body.error?.message).toMatch(/disk is full/);
      expect(world.heard.landed).toEqual([]);
      fail = undefined;
      expect((await edge.segments([edge.segment(0, 3)])).body.acks).toMatchObject([{ through: 2 }]);
      expect(await world.valuesOf('sensor-data')).toHaveLength(3);
    },
  );

  test('what was written although it failed is not written again', async () => {
    const edge = await openEdge(world);
    fail = new LandingError('uncertain', 'the connection broke');
    failAfter = true;
    expect((await edge.segments([edge.segment(0, 3)])).status).toBe(503);
    fail = undefined;
    const { body } = await edge.segments([edge.segment(0, 3), edge.segment(3, 1)]);
    expect(body).toMatchObject({ acks: [{ through: 3 }], verdicts: [{ verdict: 'duplicate' }] });
    expect(await world.valuesOf('sensor-data')).toHaveLength(4);
  });

  test.each([
    [{ to: 'other', url: null }, 421, 'misdirected', undefined],
    [{ to: 'other', url: 'https://two' }, 421, 'misdirected', 'https://two'],
    [{ to: 'nobody' }, 503, 'moving', undefined],
  ] as const)(
    'since the site was left to another meanwhile, it is sent there: %j',
    async (to, status, said, location) => {
      const edge = await openEdge(world);
      given = (error) => {
        route = to;
        return error;
      };
      fail = new LandingError('uncertain', 'this collector leaves the site to others');
      const answer = await edge.segments([edge.segment(0, 3)]);
      expect(answer).toMatchObject({ status, ...code(said) });
      expect(answer.location).toBe(location ?? null);
    },
  );

  test('a heartbeat that was not committed does not count', async () => {
    const edge = await openEdge(world);
    fail = new LandingError('full', 'no room');
    expect((await edge.heartbeat()).status).toBe(503);
    expect(world.heard.heartbeats).toEqual([]);
  });

  test('in a way that nobody foresaw: an error of ours, and nothing is believed', async () => {
    const edge = await openEdge(world);
    fail = new TypeError('a bug');
    expect(await edge.segments([edge.segment(0, 3)])).toMatchObject({
      status: 500,
      ...code('internal'),
    });
    fail = undefined;
    expect((await edge.segments([edge.segment(0, 3)])).status).toBe(200);
  });
});

describe('sites beside each other', () => {
  test('one whose commits hang does not keep another waiting', async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    world = new World({
      wrap: (landing) =>
        new Proxy(landing, {
          get: (target, name) => {
            const value = Reflect.get(target, name) as unknown;
            if (typeof value !== 'function') return value;
            if (name !== 'commit') return value.bind(target);
            return async (writes: { alias: string; segments: unknown[] }[]) => {
              if (writes[0]!.alias === 'slow' && writes[0]!.segments.length > 0) await gate;
              return value.apply(target, [writes]);
            };
          },
        }),
    });
    const slow = await openEdge(world, 'slow');
    const fine = await openEdge(world, 'fine');
    const waiting = [slow.segments([slow.segment(0, 1)]), slow.segments([slow.segment(1, 1)])];
    for (let i = 0; i < 20; i++) {
      expect((await fine.segments([fine.segment(i, 1)])).status).toBe(200);
    }
    release();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200]);
    expect(await world.valuesOf('slow.sensor-data')).toHaveLength(2);
  });

  test('large requests of one leave another its turns', async () => {
    const large = await openEdge(world, 'large');
    const small = await openEdge(world, 'small');
    const frames = Array.from({ length: 500 }, (_, i) => large.segment(i * 100, 100));
    const body = Buffer.concat(frames.flatMap((frame) => encodeFrame(frame)));
    let done = false;
    const working = large.post(linkPath.segments, body).then((answer) => {
      done = true;
      return answer;
    });
    let landed = 0;
    for (; !done; await turn()) {
      expect((await small.segments([small.segment(landed, 1)])).status).toBe(200);
      landed += 1;
    }
    expect((await working).status).toBe(200);
    expect(landed).toBeGreaterThan(10);
  });

  test('names that somebody makes up are not remembered', async () => {
    for (let i = 0; i < 50; i++) {
      const made = new Edge(world, `made-up-${i}`);
      expect((await made.segments([made.segment(0, 1)])).status).toBe(409);
    }
    expect(await world.landing.aliases()).toEqual([]);
  });
});

test('closing finishes what is under way and refuses what comes after', async () => {
  const edge = await openEdge(world);
  const under = edge.segments([edge.segment(0, 1)]);
  await turn();
  await world.intake.close();
  expect((await under).status).toBe(200);
  expect(await edge.segments([edge.segment(1, 1)])).toMatchObject({
    status: 503,
    retryAfter: '2',
    ...code('stopping'),
  });
  expect(id('x')).toHaveLength(32);
});
