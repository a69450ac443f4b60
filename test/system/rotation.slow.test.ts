import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCentral } from '#central/cli.ts';
import { loadCredential } from '#edge/uplink/credential.ts';
import { newKey, requestFor } from '#edge/uplink/credential-request.ts';
import { HttpTransport } from '#edge/uplink/http-transport.ts';
import { enrolPath } from '#shared/wire/enrol.ts';
import { linkHeader } from '#shared/wire/link.ts';
import { eventually } from '../contract/eventually.ts';
import { capturedIo } from '../shared/std/captured-io.ts';
import { EnrolledWorld } from './enrolled.ts';

/** The authority of a central that runs is replaced; its sites are connected, or away. */

let world: EnrolledWorld;
beforeEach(async () => {
  world = new EnrolledWorld();
  await world.openCentral();
});
afterEach(() => world.close());

async function central(...words: string[]) {
  const io = capturedIo();
  const code = await runCentral([...words, '--url', world.collector.statusUrl], io);
  return { code, text: io.output() + io.errors() };
}

const credentialOf = (name: string) => loadCredential(world.credentialPath(name))!;

interface Edges {
  edges: { alias: string; counts: { landed: number } }[];
}
const landedOf = async (alias: string) =>
  (await world.get<Edges>('/api/v1/edges')).edges.find((edge) => edge.alias === alias)?.counts
    .landed;

test('a site that was away believes the new authority by the old one, and renews over it', async () => {
  await world.join('factory-a', await world.enrol('factory-a'));
  const agent = await world.startAgent('factory-a');
  await world.post(agent, 'sensor-data', '[1]');
  await eventually(async () => expect(await landedOf('factory-a')).toBe(1));
  await world.join('factory-b', await world.enrol('factory-b'));
  const before = credentialOf('factory-b');

  const rotated = await central('authority', 'rotate');
  expect(rotated.text).toContain('2 sites have not renewed since: factory-a, factory-b');
  await world.post(agent, 'sensor-data', '[2]');
  await eventually(async () => expect(await landedOf('factory-a')).toBe(2));

  // factory-b comes back: new connection, old certificate, knows only the old authority.
  const away = await world.startAgent('factory-b');
  await world.post(away, 'sensor-data', '[3]');
  await eventually(async () => expect(await landedOf('factory-b')).toBe(1));
  const headers = { [linkHeader.alias]: 'factory-b', 'content-type': 'application/json' };
  const transport = new HttpTransport(before);
  const url = world.collector.linkUrl;
  const body = Buffer.from(JSON.stringify({ csr: await requestFor(await newKey()) }));
  const answer = await transport.post({
    ...{ url, path: enrolPath.renew, headers, body, timeoutMs: 5_000 },
  });
  transport.close();
  expect(answer.status).toBe(200);
  expect((await central('authority')).text).toContain('1 sites have not renewed since: factory-a');
  const early = await central('authority', 'retire');
  expect(early).toMatchObject({ code: 1, text: expect.stringContaining('join again: factory-a') });
  expect((await central('authority', 'retire', '--even-so')).code).toBe(0);
  expect(world.lines.some((line) => line.includes('"event":"authority-rotated"'))).toBe(true);
});

test('a token that pins the old authority is good for a join after the rotation', async () => {
  const token = await world.enrol('factory-a');
  await central('authority', 'rotate');
  expect(await world.join('factory-a', token)).toMatchObject({ code: 0, errors: '' });
  expect((await world.join('factory-b', await world.enrol('factory-b'))).code).toBe(0);
  const agent = await world.startAgent('factory-a');
  await world.post(agent, 'sensor-data', '[1]');
  await eventually(async () => expect(await landedOf('factory-a')).toBe(1));
});

test('a site that is connected renews by itself, and nothing of the old authority is left', async () => {
  await world.join('factory-a', await world.enrol('factory-a'));
  const before = credentialOf('factory-a');
  // Sites spread themselves over ten minutes; this one draws the first moment.
  const agent = await world.startAgent('factory-a', () => 0);
  await world.post(agent, 'sensor-data', '[1]');
  await eventually(async () => expect(await landedOf('factory-a')).toBe(1));
  expect(credentialOf('factory-a')).toEqual(before);
  await central('authority', 'rotate');
  await eventually(async () =>
    expect((await central('authority')).text).toContain('every site has renewed since'),
  );
  expect(credentialOf('factory-a').ca).not.toBe(before.ca);
  expect((await central('authority', 'retire')).code).toBe(0);
  await world.post(agent, 'sensor-data', '[2]');
  await eventually(async () => expect(await landedOf('factory-a')).toBe(2));
});
