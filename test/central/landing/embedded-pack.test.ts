import { expect, test } from 'vitest';
import { packCommit, unpackCommit } from '#central/landing/embedded-pack.ts';
import { Site } from '../../contract/landing-site.ts';

test('a commit crosses to the thread as it was', () => {
  const site = new Site('factory-a');
  const runs = [{ sequence: 0, sourceOffset: 7, count: 3, incarnation: '0'.repeat(32) }];
  const writes = [
    site.hello(5),
    site.write(6, {
      segments: [site.segment(3, { runs }), site.segment(1, { topic: 'x', mergedTopics: [] })],
      losses: [site.loss(2, { detail: 'Platte voll: größer' })],
      heartbeat: { receivedAt: 7, heartbeat: site.heartbeat(1) },
      flags: { adoptAllowed: true },
    }),
    { ...site.write(8), remove: true },
  ];
  expect(unpackCommit(packCommit(writes))).toEqual(writes);
  expect(unpackCommit(packCommit([]))).toEqual([]);
});
