import { expect, onTestFinished, test } from 'vitest';
import { eventually } from '../contract/eventually.ts';
import { EnrolledWorld } from './enrolled.ts';

interface Page {
  records: { value: string; headers: [string, string][] }[];
}

test('two gateways into one topic of that name: each record once, each site in its order', async () => {
  const world = new EnrolledWorld();
  onTestFinished(() => world.close());
  await world.openCentral(
    `landing.naming = "identity"
     [[flow]]
     into = "all"
     from = ["*.sensor-data"]`,
  );
  const sites = ['factory-a', 'factory-b'];
  const agents = [];
  for (const site of sites) {
    const { code, errors } = await world.join(site, await world.enrol(site));
    expect([code, errors]).toEqual([0, '']);
    agents.push(await world.startAgent(site));
  }
  const count = 30;
  const values = (site: string) => Array.from({ length: count }, (_, i) => `${site} ${i}`);
  await Promise.all(
    agents.map(async (agent, i) => {
      for (const value of values(sites[i]!)) await world.post(agent, 'sensor-data', value);
    }),
  );
  const page = (topic: string) =>
    world.get<Page>(`/api/v1/topics/${topic}/partitions/0/records?offset=0&limit=1000`);
  for (const topic of ['sensor-data', 'all']) {
    await eventually(async () => {
      expect((await page(topic)).records).toHaveLength(sites.length * count);
    });
    const { records } = await page(topic);
    for (const site of sites) {
      const own = records.filter(({ headers }) =>
        headers.some(([name, value]) => name === 'tributary.alias' && value === site),
      );
      expect(own.map(({ value }) => value)).toEqual(values(site));
    }
  }
  const { topics } = await world.get<{ topics: { topic: string; kind: string }[] }>(
    '/api/v1/topics',
  );
  expect(topics.map(({ topic, kind }) => `${topic} ${kind}`).sort()).toEqual([
    'all merged',
    'sensor-data remote',
  ]);
});
