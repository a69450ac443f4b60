import { expect, test } from 'vitest';
import {
  cameFrom,
  checkpointsTopic,
  heartbeatsTopic,
  isHeartbeatsTopic,
  isMm2Internal,
  landedTopic,
  offsetSyncsTopic,
  remoteHeartbeatsTopic,
} from '#shared/wire/mm2-topics.ts';
import { isInternalTopic } from '#shared/wire/topic-name.ts';

test("internal topics bear MirrorMaker 2's names", () => {
  expect(heartbeatsTopic).toBe('heartbeats');
  expect(remoteHeartbeatsTopic('factory-a')).toBe('factory-a.heartbeats');
  expect(checkpointsTopic('factory-a')).toBe('factory-a.checkpoints.internal');
  expect(offsetSyncsTopic('factory-a')).toBe('mm2-offset-syncs.factory-a.internal');
});

test('none of them can be the input of a flow or the target of a record', () => {
  for (const name of [remoteHeartbeatsTopic, checkpointsTopic, offsetSyncsTopic]) {
    expect(isInternalTopic(name('factory-a'))).toBe(true);
  }
});

test('identity naming keeps the source name, but for heartbeats', () => {
  expect(landedTopic('factory-a', 'sensor-data', 'default')).toBe('factory-a.sensor-data');
  expect(landedTopic('factory-a', 'sensor-data', 'identity')).toBe('sensor-data');
  expect(landedTopic('factory-a', 'heartbeats', 'identity')).toBe('factory-a.heartbeats');
  expect(landedTopic('factory-a', 'line.heartbeats', 'identity')).toBe('factory-a.line.heartbeats');
});

test('heartbeats are known over hops', () => {
  expect(['heartbeats', 'a.heartbeats', 'a.b.heartbeats'].every(isHeartbeatsTopic)).toBe(true);
  expect(['myheartbeats', 'heartbeats.a', 'a.heartbeats2'].some(isHeartbeatsTopic)).toBe(false);
});

test.each(['__consumer_offsets', '.hidden', 'a.checkpoints.internal', 'connect-internal'])(
  '%s is never replicated',
  (topic) => expect(isMm2Internal(topic)).toBe(true),
);

test.each(['sensor-data', 'internal', 'a.internal.b', '_schemas', 'factory.a'])(
  '%s may be replicated',
  (topic) => expect(isMm2Internal(topic)).toBe(false),
);

test('what has been at central is known by any of its prefixes', () => {
  expect(cameFrom('central', 'central.orders')).toBe(true);
  expect(cameFrom('central', 'factory-b.central.orders')).toBe(true);
  expect(cameFrom('central', 'orders')).toBe(false);
  expect(cameFrom('central', 'centrally.orders')).toBe(false);
  expect(cameFrom('central', 'orders.central')).toBe(false);
  expect(cameFrom('central', 'central.')).toBe(false);
});
