import { expect, test } from 'vitest';
import type { LandingHarness } from '../../contract/landing-bench.ts';
import { readAll, sequenceOf } from '../../contract/landing-dump.ts';
import { Site } from '../../contract/landing-site.ts';
import { openInline } from './embedded-harness.ts';

const merged = 'all-readings';

async function landed(segments: number): Promise<{ harness: LandingHarness; site: Site }> {
  const harness = await openInline({ retentionMs: 3_600_000 });
  const site = new Site('a');
  await harness.landing.commit([site.hello(1)]);
  await land(harness, site, segments, []);
  return { harness, site };
}

async function land(harness: LandingHarness, site: Site, times: number, mergedTopics: string[]) {
  const segments = Array.from({ length: times }, () => site.segment(2, { mergedTopics }));
  await harness.landing.commit([site.write(harness.now(), { segments })]);
}

const sequences = async (harness: LandingHarness) =>
  (await readAll(harness.landing, merged, 0)).map(sequenceOf);

test('what landed before the flow is in its topic, in order, once', async () => {
  const { harness, site } = await landed(2500);
  for (let i = 0; i < 2; i++) {
    await harness.landing.backfillMerged!(merged, ['a.readings', 'b.readings']);
    expect(await sequences(harness)).toEqual([...Array(5000).keys()]);
  }
  const [row] = await harness.landing.checkpoints({});
  expect(row?.merged).toEqual([{ topic: merged, offset: 5000 }]);
  await land(harness, site, 1, [merged]);
  await harness.landing.backfillMerged!(merged, ['a.readings']);
  expect(await sequences(harness)).toEqual([...Array(5002).keys()]);
  await harness.close();
});

test('it goes on where it was when it dies in the middle', async () => {
  const { harness } = await landed(2500);
  const unhandled = harness.landing.backfillMerged!(merged, ['a.readings']);
  await harness.landing.close();
  await expect(unhandled).rejects.toMatchObject({ code: 'closed' });
  await harness.crash();
  const before = (await readAll(harness.landing, merged, 0)).length;
  expect(before).toBeGreaterThan(0);
  expect(before).toBeLessThan(5000);
  await harness.landing.backfillMerged!(merged, ['a.readings']);
  expect(await sequences(harness)).toEqual([...Array(5000).keys()]);
  await harness.close();
});

test('a pause of the flow is filled, and partitions stay partitions', async () => {
  const { harness, site } = await landed(1);
  await land(harness, site, 2, [merged]);
  await land(harness, site, 3, []);
  const segment = site.segment(4, { partition: 2, mergedTopics: [] });
  await harness.landing.commit([site.write(harness.now(), { segments: [segment] })]);
  await harness.landing.backfillMerged!(merged, ['a.readings']);
  // The first segment is older than what the topic has of this stream: putting it behind would turn
  // their order around.
  expect(await sequences(harness)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  const partition = await readAll(harness.landing, merged, 2);
  expect(partition.map(sequenceOf)).toEqual([0, 1, 2, 3]);
  await harness.close();
});

test('a name that another kind of topic has is refused', async () => {
  const { harness } = await landed(1);
  await expect(harness.landing.backfillMerged!('a.readings', ['a.readings'])).rejects.toMatchObject(
    { code: 'refused' },
  );
  await harness.close();
});
