import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { agentOf, edgeOf, edgesOf, post } from './api.ts';
import { Link } from './link.ts';
import { House, type Program } from './programs.ts';

/** Lag as a user sees it at central, beside the truth that only the test knows. */

const heartbeatMs = 500;
const patience = { timeout: 30_000, interval: 50 };

interface World {
  central: Program;
  edge: Program;
  link: Link;
}

async function open(linkMore = ''): Promise<World> {
  const house = new House();
  const central = house.central({ expect: ['site', 'ghost'] });
  await central.start();
  const link = await Link.open(() => central.ready.link!);
  const edge = house.edge({ alias: 'site', central: link.url, linkMore });
  await edge.start();
  await stateIs(central, 'live');
  return { central, edge, link };
}

const site = (central: Program) => edgeOf(central, 'site');
const stateIs = (central: Program, state: string) =>
  expect.poll(async () => (await site(central)).state, patience).toBe(state);

/** Whether what is said now is not less than the truth by more than a heartbeat interval. */
async function assertHonest(central: Program, acceptedAt: number): Promise<number> {
  // The truth before the question is the least that a later answer may say.
  const truth = (Date.now() - acceptedAt) / 1000;
  const { lag } = await site(central);
  expect(lag.seconds).toBeGreaterThanOrEqual(truth - heartbeatMs / 1000);
  return lag.seconds!;
}

for (const cut of ['refused', 'silent'] as const) {
  test(`a ${cut} link: offline, at least what is true, growing; then live and zero`, async () => {
    const { central, edge, link } = await open();
    await post(edge, 'k', ['before']);
    await expect.poll(async () => (await site(central)).counts.landed, patience).toBe(1);
    link.become(cut);
    const acceptedAt = Date.now();
    await post(edge, 'k', ['unseen']);
    await expect
      .poll(async () => (await site(central)).lag.atLeast, { timeout: 3 * heartbeatMs })
      .toBe(true);
    await stateIs(central, 'offline');
    let before = 0;
    for (let look = 0; look < 20; look += 1) {
      const seconds = await assertHonest(central, acceptedAt);
      expect(seconds).toBeGreaterThan(before);
      before = seconds;
      await sleep(100);
    }
    const said = await site(central);
    expect(said).toMatchObject({ state: 'offline', lag: { atLeast: true } });
    expect(said.lag.asOf).toBe(said.lastHeartbeatAt);
    expect(Date.parse(said.lag.asOf!)).toBeLessThanOrEqual(acceptedAt + heartbeatMs);

    link.become('up');
    await stateIs(central, 'live');
    await expect
      .poll(async () => (await site(central)).lag, patience)
      .toMatchObject({ records: 0, bytes: 0, seconds: 0, atLeast: false });
  }, 60_000);
}

test('a site that catches up says so, with the backlog that the edge has, and its age', async () => {
  const { central, edge, link } = await open('max_rate = "100KiB/s"');
  link.become('refused');
  const acceptedAt = Date.now();
  for (let request = 0; request < 8; request += 1) {
    const values = Array.from({ length: 50 }, () => randomBytes(750).toString('hex'));
    await post(edge, `key-${request}`, values);
  }
  await stateIs(central, 'offline');
  const { backlogRecords, backlogBytes } = (await agentOf(edge)).buffer;
  expect(backlogRecords).toBe(400);
  expect(backlogBytes).toBeGreaterThan(400 * 1500);
  link.become('up');
  await stateIs(central, 'catching-up');
  const seen: { records: number; bytes: number; landed: number }[] = [];
  while ((await site(central)).state === 'catching-up') {
    const ofEdge = (await agentOf(edge)).buffer;
    const { lag, counts } = await site(central);
    if (lag.records === null || lag.records === 0) continue;
    expect(lag.atLeast).toBe(false);
    expect(lag.records + counts.landed).toBe(400);
    // Central knows sooner what has landed; it never thinks that more is left than was a moment ago.
    expect(lag.records).toBeLessThanOrEqual(ofEdge.backlogRecords);
    seen.push({ records: lag.records, bytes: lag.bytes!, landed: counts.landed });
    if (lag.records === 400) await assertHonest(central, acceptedAt);
    await sleep(50);
  }
  expect(seen.length).toBeGreaterThan(0);
  for (const { records, bytes } of seen) {
    expect(bytes).toBeGreaterThan(0.9 * ((backlogBytes * records) / 400));
    expect(bytes).toBeLessThan(1.1 * ((backlogBytes * records) / 400));
  }
  await expect
    .poll(async () => await site(central), patience)
    .toMatchObject({ state: 'live', lag: { records: 0, seconds: 0, atLeast: false } });
  const { events } = await eventsOf(central);
  expect(events).toEqual(expect.arrayContaining(['offline → catching-up', 'catching-up → live']));
}, 90_000);

/** What the stream of events tells a client that comes late. */
async function eventsOf(central: Program): Promise<{ events: string[] }> {
  const answer = await fetch(`${central.ready.status}/api/v1/events`, {
    headers: { 'last-event-id': '0' },
  });
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes('→ live')) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  await reader.cancel();
  return { events: [...text.matchAll(/[a-z-]+ → [a-z-]+/g)].map(([change]) => change) };
}

test('a site that never came is never-seen, and nothing is said of its lag', async () => {
  const { central } = await open();
  const ghost = (await edgesOf(central)).find(({ alias }) => alias === 'ghost')!;
  expect(ghost).toMatchObject({
    state: 'never-seen',
    lastHeartbeatAt: null,
    lag: { records: null, bytes: null, seconds: null, atLeast: true, asOf: null },
    counts: { accepted: null, landed: 0, backlog: null, lost: 0 },
  });
}, 30_000);

test('a central that comes back while the edge is down does not know less than before', async () => {
  const { central, edge, link } = await open();
  await post(edge, 'k', ['landed']);
  await expect.poll(async () => (await site(central)).counts.landed, patience).toBe(1);
  link.become('refused');
  const acceptedAt = Date.now();
  await post(edge, 'k', ['waiting']);
  await edge.kill();
  const before = (await site(central)).lastHeartbeatAt;
  await central.kill();
  await central.start();
  const after = await site(central);
  expect(after).toMatchObject({ lag: { atLeast: true, asOf: before } });
  await assertHonest(central, acceptedAt);
  await stateIs(central, 'offline');
  await central.stop();
  await central.start();
  await assertHonest(central, acceptedAt);

  link.become('up');
  await edge.start();
  await stateIs(central, 'live');
  await expect
    .poll(async () => await site(central), patience)
    .toMatchObject({ counts: { accepted: 2, landed: 2, backlog: 0, lost: 0 } });
}, 60_000);
