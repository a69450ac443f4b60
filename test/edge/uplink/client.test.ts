import { expect, test } from 'vitest';
import { LinkClient, type LinkError } from '#edge/uplink/client.ts';
import { type Transport, TransportError } from '#edge/uplink/transport.ts';

/** Collectors that all send on to `owner`. */
function sendingTo(owner: string) {
  const asked: string[] = [];
  const transport: Transport = {
    post: async ({ url }) => {
      asked.push(url);
      const error = { code: 'misdirected', message: `served at ${owner}` };
      const body = Buffer.from(JSON.stringify({ error }));
      return { status: 421, headers: { location: owner }, body };
    },
    close() {},
  };
  return { asked, transport };
}

const ask = (client: LinkClient) =>
  client.segments('0'.repeat(32), new Uint8Array(), 0, 1_000).catch(({ code }: LinkError) => code);

test('a collector sends us on to the owner that it names', async () => {
  const { asked, transport } = sendingTo('https://two');
  const client = new LinkClient({ transport, urls: ['https://one'], alias: 'factory-a' });
  expect(await ask(client)).toBe('misdirected');
  expect(client.isHandedOn).toBe(true);
  await ask(client);
  expect(asked).toEqual(['https://one', 'https://two']);
  client.tryNext();
  expect([client.url, client.isHandedOn]).toEqual(['https://one', false]);
});

test('sent on to where it will not go, it looks for the owner among those that it knows', async () => {
  const { asked, transport } = sendingTo('http://elsewhere');
  const urls = ['https://one', 'https://two', 'https://three'];
  const client = new LinkClient({ transport, urls, alias: 'factory-a' });
  for (let i = 0; i < 4; i++) expect(await ask(client)).toBe('misdirected');
  expect(asked).toEqual(['https://one', 'https://two', 'https://three', 'https://one']);
});

test('an owner that does not answer is not asked again before the others were', async () => {
  const urls = ['https://one', 'https://two', 'https://three'];
  const { asked, transport } = sendingTo('https://three');
  const gone: Transport = {
    ...transport,
    post: async (request) => {
      const answer = await transport.post(request);
      if (request.url === 'https://three') throw new TransportError('connect ECONNREFUSED');
      return answer;
    },
  };
  const client = new LinkClient({ transport: gone, urls, alias: 'factory-a' });
  for (let i = 0; i < 6; i++) if ((await ask(client)) === 'unreachable') client.tryNext();
  const [one, two, three] = urls;
  expect(asked).toEqual([one, three, two, one, three, two]);
});

test('several requests that are sent away at once go on to the next, once', async () => {
  const { asked, transport } = sendingTo('http://elsewhere');
  const urls = ['https://one', 'https://two', 'https://three'];
  const client = new LinkClient({ transport, urls, alias: 'factory-a' });
  await Promise.all([ask(client), ask(client), ask(client)]);
  await ask(client);
  expect(asked.at(-1)).toBe('https://two');
});

test('who was away is asked again once another has answered, and what we gave up accuses nobody', async () => {
  const urls = ['https://one', 'https://two'];
  const asked: string[] = [];
  let answer: (url: string) => number | undefined = () => undefined;
  const transport: Transport = {
    post: async ({ url }) => {
      asked.push(url);
      const status = answer(url);
      if (status === undefined) throw new TransportError('connect ECONNREFUSED');
      const error = { code: 'misdirected', message: 'left to others' };
      const body = status === 200 ? { acks: [], verdicts: [] } : { error };
      return { status, headers: {}, body: Buffer.from(JSON.stringify(body)) };
    },
    close() {},
  };
  const client = new LinkClient({ transport, urls, alias: 'factory-a' });
  expect(await ask(client)).toBe('unreachable');
  client.tryNext();
  answer = () => 200;
  await ask(client);
  answer = (url) => (url === 'https://two' ? 421 : 200);
  expect(await ask(client)).toBe('misdirected');
  await ask(client);
  expect(asked).toEqual(['https://one', 'https://two', 'https://two', 'https://one']);

  answer = () => undefined;
  const over = AbortSignal.abort();
  await client.segments('0'.repeat(32), new Uint8Array(), 0, 1_000, over).catch(() => {});
  client.tryNext();
  answer = () => 421;
  await ask(client);
  await ask(client);
  expect(asked.slice(-2)).toEqual(['https://two', 'https://one']);
});
