import { expect, test } from 'vitest';
import { edgeView, fakeStatus, flowView } from './fakes.ts';

interface Message {
  id: string;
  event: string;
  data: { [name: string]: unknown };
}

type App = ReturnType<typeof fakeStatus>['app'];

/** Reads what has been sent so far, whenever asked. */
async function listen(app: App, lastEventId?: string) {
  const headers: Record<string, string> = lastEventId ? { 'last-event-id': lastEventId } : {};
  const response = await app.request('/api/v1/events', { headers });
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const reader = response.body!.getReader();
  const chunks: string[] = [];
  let ended = false;
  const pump = (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(Buffer.from(value).toString());
    }
    ended = true;
  })();
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    raw: async () => {
      await settle();
      return chunks.join('');
    },
    /** All that came since the last call. */
    take: async () => {
      await settle();
      return parse(chunks.splice(0).join(''));
    },
    ended: () => ended,
    leave: async () => {
      await reader.cancel();
      await pump;
    },
  };
}

function parse(text: string): Message[] {
  return text
    .split('\n\n')
    .filter((block) => block.startsWith('id:'))
    .map((block) => {
      const lines = Object.fromEntries(
        block
          .split('\n')
          .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      return { id: lines.id!, event: lines.event!, data: JSON.parse(lines.data!) };
    });
}

const names = (messages: Message[]) => messages.map(({ event }) => event);

test('a client gets how the fleet stands at once, then what happens, with id, event and data', async () => {
  const { app, fleet, close } = fakeStatus();
  fleet.views = [edgeView('factory-a'), edgeView('factory-b')];
  fleet.flowViews = [flowView('sensor-data')];
  const client = await listen(app);
  const first = await client.take();
  expect(names(first)).toEqual(['edges', 'flows']);
  expect(first[0]!.data).toMatchObject({
    at: '2026-01-31T08:00:00.000Z',
    complete: true,
    removed: [],
  });
  expect((first[0]!.data.edges as { alias: string }[]).map((edge) => edge.alias)).toEqual([
    'factory-a',
    'factory-b',
  ]);
  fleet.happen({ type: 'loss', message: 'line one\nid: 9\ndata: {}' });
  const [event, ...rest] = await client.take();
  expect(rest).toEqual([]);
  expect(event).toMatchObject({
    event: 'loss',
    data: { id: 1, alias: 'factory-a', message: 'line one\nid: 9\ndata: {}' },
  });
  expect(event!.id).toMatch(/^[0-9a-z]+-1$/);
  close();
});

test('only what changed is sent, at most once a second, and removals are told', async () => {
  const { app, fleet, pass, close } = fakeStatus();
  fleet.views = [edgeView('factory-a'), edgeView('factory-b')];
  const client = await listen(app);
  pass(1_000);
  await client.take();
  fleet.views = [edgeView('factory-b', { state: 'offline' })];
  expect(await client.take()).toEqual([]);
  pass(1_000);
  const [message, ...rest] = await client.take();
  expect(rest).toEqual([]);
  expect(message!.data).toMatchObject({ removed: ['factory-a'], complete: false });
  expect(message!.data.edges).toMatchObject([{ alias: 'factory-b', state: 'offline' }]);
  close();
});

test('a quiet fleet still shows a sign of life, and a comment keeps proxies awake', async () => {
  const { app, pass, close } = fakeStatus();
  const client = await listen(app);
  pass(1_000);
  await client.take();
  for (let n = 0; n < 3; n++) {
    pass(5_000);
    expect(names(await client.take())).toEqual(['edges']);
  }
  pass(15_000);
  expect(await client.raw()).toContain('\n\n: heartbeat\n\n');
  close();
});

test('resuming brings exactly what was missed', async () => {
  const { app, fleet, close } = fakeStatus();
  const first = await listen(app);
  fleet.happen({ message: 'one' });
  fleet.happen({ message: 'two' });
  const seen = (await first.take()).at(-1)!.id;
  await first.leave();
  fleet.happen({ message: 'three' });
  fleet.happen({ message: 'four' });
  const again = await (await listen(app, seen)).take();
  expect(names(again)).toEqual(['edge-state', 'edge-state', 'edges', 'flows']);
  expect(again.slice(0, 2).map(({ data }) => data.message)).toEqual(['three', 'four']);
  close();
});

test('resuming after what is no longer known begins with reset', async () => {
  const { app, fleet, close } = fakeStatus();
  for (let n = 0; n < 6; n++) fleet.happen({ message: `${n}` });
  fleet.ring.splice(0, 3);
  const [{ id }] = (await (await listen(app)).take()) as [Message];
  const run = id.split('-')[0];
  const resumed = async (last: string) => names(await (await listen(app, last)).take());
  expect((await resumed(`${run}-3`))[0]).toBe('edge-state');
  expect((await resumed(`${run}-2`))[0]).toBe('reset');
  expect((await resumed(`${run}-6`))[0]).toBe('edges');
  expect((await resumed('anotherrun-6')).slice(0, 2)).toEqual(['reset', 'edge-state']);
  expect((await resumed('nonsense: x'))[0]).toBe('reset');
  close();
});

test('clients are bounded; one that leaves makes room', async () => {
  const { app, close } = fakeStatus({}, 2);
  const first = await listen(app);
  await listen(app);
  const refused = await app.request('/api/v1/events');
  expect(refused.status).toBe(503);
  expect(refused.headers.get('retry-after')).not.toBeNull();
  await app.request('/api/v1/events', { method: 'HEAD' });
  await first.leave();
  await listen(app);
  close();
});

test('a client that does not read is bounded too: it misses steps and is brought up to date', async () => {
  const { app, fleet, pass, close } = fakeStatus();
  const many = (detail: string) =>
    Array.from({ length: 300 }, (_, n) => edgeView(`site-${n}`, { alarms: [detail] }));
  fleet.views = many('at first');
  const response = await app.request('/api/v1/events');
  for (let n = 0; n < 200; n++) {
    fleet.views = many(`${n}`);
    pass(1_000);
  }
  const reader = response.body!.getReader();
  let bytes = 0;
  let text = '';
  while (!text.includes('"alarms":["end"]')) {
    const { value } = await reader.read();
    bytes += value!.length;
    text += Buffer.from(value!).toString();
    fleet.views = many('end');
    pass(1_000);
  }
  expect(bytes).toBeLessThan(3_000_000);
  close();
});

test('a client that never reads is let go when too much has happened', async () => {
  const { app, fleet, close } = fakeStatus();
  await app.request('/api/v1/events');
  await app.request('/api/v1/events');
  expect(fleet.listeners.size).toBe(1);
  const left = await app.request('/api/v1/events');
  for (let n = 0; n < 2_000; n++) fleet.happen({ message: 'x'.repeat(1_000) });
  const reader = left.body!.getReader();
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
  }
  expect(bytes).toBeLessThan(2_000_000);
  close();
});

test('closing ends every stream and asks the fleet no more', async () => {
  const { app, fleet, pass, close } = fakeStatus();
  const client = await listen(app);
  close();
  await client.raw();
  expect(client.ended()).toBe(true);
  expect(fleet.listeners.size).toBe(0);
  fleet.edges = () => expect.unreachable('asked after close');
  pass(60_000);
  expect((await app.request('/api/v1/events')).status).toBe(503);
});
