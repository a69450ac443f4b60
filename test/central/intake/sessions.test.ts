import { beforeEach, describe, expect, test } from 'vitest';
import { Edge, id, openEdge } from './edge.ts';
import { epochMs, World } from './world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

/** The same disk, started again. */
function restarted(edge: Edge, session: string, over: Partial<Edge> = {}): Edge {
  const next = new Edge(world, edge.alias);
  return Object.assign(
    next,
    { epoch: edge.epoch, session: id(session), previous: edge.session },
    over,
  );
}

describe('a hello', () => {
  test('is answered with what the edge needs to know', async () => {
    const edge = new Edge(world, 'factory-a');
    const { status, body } = await edge.hello({ streams: [edge.stream({ head: 5 })] });
    expect(status).toBe(200);
    expect(body).toEqual({
      outcome: 'accepted',
      centralId: world.landing.centralId,
      session: edge.session,
      clock: epochMs,
      heartbeatIntervalMs: 5_000,
      limits: { requestBytes: 8 * 1024 * 1024, segmentBytes: 1024 * 1024 },
      checkpoints: [{ epoch: edge.epoch, topic: 'sensor-data', partition: 0, through: -1 }],
    });
    expect(world.heard.hellos).toMatchObject([{ hello: { alias: 'factory-a' }, checkpoints: [] }]);
  });

  test('learns what landed of its streams, never more than they hold', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 5)]);
    const fork = restarted(edge, 's2', { epoch: id('e2') });
    const streams = [edge.stream({ head: 2, confirmed: 2 }), fork.stream({ head: 9 })];
    const { body } = await fork.hello({ streams });
    expect(body).toMatchObject({
      outcome: 'accepted',
      checkpoints: [{ through: 2 }, { through: -1 }],
    });
  });

  test('survives a restart of central, and the session goes on', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 5)]);
    world.restart();
    expect((await edge.segments([edge.segment(5, 1)])).status).toBe(200);
    const streams = [edge.stream({ head: 5, cursor: 4 })];
    expect((await edge.hello({ streams })).body).toMatchObject({ checkpoints: [{ through: 5 }] });
  });

  test('ends the session before it', async () => {
    const edge = await openEdge(world);
    const next = restarted(edge, 's2');
    expect((await next.hello()).body.outcome).toBe('accepted');
    expect(await edge.segments([edge.segment(0, 1)])).toMatchObject({
      status: 409,
      body: { error: { code: 'hello' } },
    });
    expect(await edge.heartbeat()).toMatchObject({ status: 409 });
    expect((await next.segments([next.segment(0, 1)])).status).toBe(200);
  });

  test('of a copy is told to fork, which ends nobody’s session', async () => {
    const edge = await openEdge(world);
    const stream = edge.stream({ head: 9, confirmed: 9 });
    const copy = restarted(edge, 'copy');
    const next = restarted(edge, 's2');
    await next.hello({ streams: [stream] });
    await next.segments([next.segment(0, 10)]);
    const { status, body } = await copy.hello({ streams: [stream] });
    expect(status).toBe(200);
    expect(body).toMatchObject({ outcome: 'fork', scope: 'unconfirmed', keep: [] });
    expect(world.heard.troubles).toMatchObject([{ type: 'fork', alias: 'factory-a' }]);
    expect((await next.segments([next.segment(10, 1)])).status).toBe(200);
    copy.epoch = id('e2');
    copy.session = id('copy-2');
    expect((await copy.hello({ streams: [stream] })).body.outcome).toBe('accepted');
  });

  test('of a buffer whose sequences are not here waits for a person', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 3)]);
    const ahead = restarted(edge, 's2');
    const streams = [ahead.stream({ head: 12, cursor: 7, confirmed: 12 })];
    const { body } = await ahead.hello({ streams });
    expect(body).toMatchObject({ outcome: 'adopt-needed', holes: [{ first: 3, span: 5 }] });
    expect(await world.landing.losses({ limit: 10 })).toEqual([]);
    await world.intake.admin.adopt('factory-a');
    world.restart();
    const adopted = await ahead.hello({ streams });
    expect(adopted.body).toMatchObject({ outcome: 'accepted', checkpoints: [{ through: 7 }] });
    expect(await world.landing.losses({ limit: 10 })).toMatchObject([
      { first: 3, span: 5, records: 5, reason: 'central-rollback', topic: 'sensor-data' },
    ]);
    expect(world.heard.hellos.at(-1)).toMatchObject({ adopted: 5 });
    const later = restarted(ahead, 's3');
    const again = await later.hello({
      streams: [later.stream({ head: 12, cursor: 10, confirmed: 12 })],
    });
    expect(again.body.outcome).toBe('adopt-needed');
  });

  test('that nobody is waiting for cannot be adopted', async () => {
    await expect(world.intake.admin.adopt('nobody')).rejects.toThrow(/never said hello/);
    await expect(world.intake.admin.remove('nobody')).rejects.toThrow(/never said hello/);
  });
});

/** Sites whose records have places at a source, and buffers that do not know how far those landed. */
describe('a buffer that would read again what has landed', () => {
  const life = '7'.repeat(32);
  const placed = (edge: Edge, first: number, count: number, sourceOffset: number) => ({
    ...edge.segment(first, count),
    runs: [{ sequence: first, sourceOffset, count, incarnation: life }],
  });
  const place = (next: number) => ({
    ...{ topic: 'sensor-data', partition: 0, incarnation: life, next },
  });

  test('is told how far its source has landed, when it is new', async () => {
    const edge = await openEdge(world);
    await edge.segments([placed(edge, 0, 5, 100)]);
    world.restart();
    const fresh = new Edge(world, edge.alias);
    Object.assign(fresh, { epoch: id('e2'), session: id('s2') });
    const { body } = await fresh.hello({ sourcesAt: -1 });
    expect(body).toMatchObject({
      ...{ outcome: 'fork', scope: 'all', keep: [], sources: [place(105)], sourcesAt: 5 },
    });
    // Nobody's session ends by that, and what lands meanwhile is told, too.
    await edge.segments([placed(edge, 5, 1, 105)]);
    Object.assign(fresh, { epoch: id('e3'), session: id('s3') });
    const again = await fresh.hello({ sourcesAt: 5 });
    expect(again.body).toMatchObject({ outcome: 'fork', sources: [place(106)], sourcesAt: 6 });
    Object.assign(fresh, { epoch: id('e4'), session: id('s4') });
    expect((await fresh.hello({ sourcesAt: 6 })).body.outcome).toBe('accepted');
    const next = restarted(fresh, 's5');
    expect((await next.hello({ sourcesAt: -1 })).body.outcome).toBe('accepted');
  });

  test('is told when it is older than the epoch that landed, and keeps what landed of its own', async () => {
    const edge = await openEdge(world);
    await edge.segments([placed(edge, 0, 5, 100)]);
    const other = new Edge(world, edge.alias);
    Object.assign(other, { epoch: id('e2'), session: id('s2') });
    await other.hello();
    await other.segments([placed(other, 0, 3, 105)]);
    const back = restarted(edge, 's3');
    const streams = [back.stream({ head: 9, cursor: 2, confirmed: 9 })];
    expect((await back.hello({ sourcesAt: -1, streams })).body).toMatchObject({
      ...{ outcome: 'fork', scope: 'all', sources: [place(108)], sourcesAt: 8 },
      keep: [{ epoch: edge.epoch, through: 4 }],
    });
  });

  test('is told of a copy that only came back, and landed since, under the session that it had', async () => {
    const edge = await openEdge(world);
    await edge.segments([placed(edge, 0, 5, 100)]);
    const other = new Edge(world, edge.alias);
    Object.assign(other, { epoch: id('e2'), session: id('s2') });
    expect((await other.hello({ sourcesAt: 5 })).body.outcome).toBe('accepted');
    const streams = [edge.stream({ head: 4, cursor: 4 })];
    expect((await edge.hello({ sourcesAt: -1, streams })).body.outcome).toBe('accepted');
    await edge.segments([placed(edge, 5, 1, 105)]);
    expect((await other.hello({ sourcesAt: 5 })).body).toMatchObject({
      ...{ outcome: 'fork', sources: [place(106)], sourcesAt: 6 },
    });
  });

  test('keeps what copies share in its epoch, of a source that landed elsewhere only what has landed', async () => {
    const edge = await openEdge(world);
    const topics = ['sensor-data', 'other'];
    const shared = { head: 9, cursor: 2, confirmed: 9 };
    const streams = topics.map((topic) => edge.stream({ ...shared, topic }));
    await edge.segments([placed(edge, 0, 3, 100), { ...edge.segment(0, 3, { topic: 'other' }) }]);
    const owner = restarted(edge, 's2');
    await owner.hello({ sourcesAt: -1, streams });
    await owner.segments([placed(owner, 3, 1, 103)]);
    const fresh = new Edge(world, edge.alias);
    Object.assign(fresh, { epoch: id('e2'), session: id('s3') });
    await fresh.hello({ sourcesAt: 4 });
    await fresh.segments([placed(fresh, 0, 2, 104)]);
    const keep = [
      { epoch: edge.epoch, topic: 'sensor-data', through: 3 },
      { epoch: edge.epoch, topic: 'other', through: 9 },
    ];
    // One that would go on, one that another has passed, and one that is not to be told.
    const back = await owner.hello({ sourcesAt: -1, streams });
    expect(back.body).toMatchObject({ outcome: 'fork', sources: [place(106)], keep });
    const copy = restarted(edge, 's4');
    const forked = await copy.hello({ sourcesAt: -1, streams });
    expect(forked.body).toMatchObject({ outcome: 'fork', sources: [place(106)], keep });
    expect((await copy.hello({ streams })).body).toMatchObject({ scope: 'unconfirmed', keep: [] });
  });

  test('goes by what landed last, where a log was cut back at its source', async () => {
    const edge = await openEdge(world);
    await edge.segments([placed(edge, 0, 5, 100), placed(edge, 5, 2, 90)]);
    const fresh = new Edge(world, edge.alias);
    Object.assign(fresh, { epoch: id('e2'), session: id('s2') });
    expect((await fresh.hello({ sourcesAt: -1 })).body).toMatchObject({ sources: [place(92)] });
  });

  test('is let in as it is where nothing with a place has landed, or it does not ask', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 5)]);
    const fresh = new Edge(world, edge.alias);
    Object.assign(fresh, { epoch: id('e2'), session: id('s2') });
    expect((await fresh.hello({ sourcesAt: -1 })).body.outcome).toBe('accepted');
    await fresh.segments([placed(fresh, 0, 1, 0)]);
    const old = new Edge(world, edge.alias);
    Object.assign(old, { epoch: id('e3'), session: id('s3') });
    expect((await old.hello()).body.outcome).toBe('accepted');
  });
});

describe('an alias', () => {
  test('that was disabled stays out until it is enabled', async () => {
    const edge = await openEdge(world);
    await world.intake.admin.disable('factory-a');
    for (const answer of [
      await edge.hello(),
      await edge.segments([edge.segment(0, 1)]),
      await edge.heartbeat(),
    ]) {
      expect(answer).toMatchObject({ status: 403, body: { error: { code: 'disabled' } } });
    }
    world.restart();
    expect((await edge.hello()).status).toBe(403);
    await world.intake.admin.enable('factory-a');
    expect((await edge.segments([edge.segment(0, 1)])).status).toBe(200);
    expect(world.heard.others).toEqual(['disabled factory-a', 'enabled factory-a']);
  });

  test('that was removed begins anew', async () => {
    const edge = await openEdge(world);
    await edge.segments([edge.segment(0, 2)]);
    await world.intake.admin.remove('factory-a');
    expect((await edge.segments([edge.segment(2, 1)])).status).toBe(409);
    expect((await edge.hello()).body).toMatchObject({ outcome: 'accepted' });
  });

  test('may not have the name that a merged topic begins with', async () => {
    world = new World({ flows: [{ into: 'factory-a.all', from: ['*.sensor-data'] }] });
    expect(await new Edge(world, 'factory-a').hello()).toMatchObject({
      status: 403,
      body: { error: { code: 'alias-taken', hint: expect.stringMatching(/rename the flow/) } },
    });
  });

  test('more than central bears do not come into being, and those that are go on', async () => {
    world = new World({ settings: { aliasesMax: 2 } });
    const edge = await openEdge(world, 'factory-a');
    await openEdge(world, 'factory-b');
    expect(await new Edge(world, 'factory-c').hello()).toMatchObject({
      status: 403,
      body: { error: { code: 'too-many-sites' } },
    });
    expect((await edge.hello()).status).toBe(200);
    await world.intake.admin.remove('factory-b');
    expect((await new Edge(world, 'factory-c').hello()).status).toBe(200);
  });
});

describe('two machines with one alias', () => {
  test('take turns that cost little, and a person is told', async () => {
    const one = await openEdge(world);
    const other = Object.assign(new Edge(world, 'factory-a'), {
      epoch: id('e2'),
      session: id('t'),
    });
    const statuses: number[] = [];
    for (let i = 0; i < 10; i++) {
      statuses.push((await (i % 2 ? one : other).hello()).status);
      await world.pass(1_000);
    }
    expect(statuses).toEqual([200, 200, 200, 200, 429, 200, 429, 200, 429, 200]);
    const refused = await other.hello();
    expect(Number(refused.retryAfter)).toBeGreaterThan(40);
    expect(refused.body.error?.code).toBe('clone');
    expect(world.heard.troubles.at(-1)).toMatchObject({ type: 'clone', alias: 'factory-a' });
    expect((await one.segments([one.segment(0, 1)])).status).toBe(200);
    await world.pass(60_000);
    expect((await other.hello()).status).toBe(200);
  });

  test('are not seen in an agent that is started again and again', async () => {
    let edge = await openEdge(world);
    for (let i = 0; i < 20; i++) {
      edge = restarted(edge, `run-${i}`);
      expect((await edge.hello()).status).toBe(200);
    }
    expect(world.heard.troubles).toEqual([]);
  });

  test('and hellos without end are slowed down', async () => {
    const edge = await openEdge(world);
    const answers = [];
    for (let i = 0; i < 70; i++) answers.push((await edge.hello()).status);
    expect(answers.slice(0, 59)).toEqual(Array(59).fill(200));
    expect(answers.at(-1)).toBe(429);
  });
});

describe('a heartbeat', () => {
  test('counts once it is committed, also after a restart', async () => {
    const edge = await openEdge(world);
    expect(await edge.heartbeat({ number: 3 })).toMatchObject({ status: 200, body: {} });
    expect(world.heard.heartbeats).toMatchObject([
      { alias: 'factory-a', committed: { receivedAt: epochMs, heartbeat: { number: 3 } } },
    ]);
    const [summary] = await world.landing.aliases();
    expect(summary?.heartbeat?.heartbeat.number).toBe(3);
  });

  test('that the network held up does not undo a newer one', async () => {
    const edge = await openEdge(world);
    for (const number of [5, 4, 5, 6]) {
      expect((await edge.heartbeat({ number })).status).toBe(200);
    }
    expect(world.heard.heartbeats.map(({ committed }) => committed.heartbeat.number)).toEqual([
      5, 6,
    ]);
  });

  test('names in its body whom its headers name, or is refused', async () => {
    const edge = await openEdge(world);
    await openEdge(world, 'factory-b');
    for (const over of [{ alias: 'factory-b' }, { session: id('other') }]) {
      expect(await edge.heartbeat(over)).toMatchObject({
        status: 400,
        body: { error: { code: 'mismatch' } },
      });
    }
    expect(world.heard.heartbeats).toEqual([]);
  });
});
