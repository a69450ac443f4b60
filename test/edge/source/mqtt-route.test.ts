import { describe, expect, test } from 'vitest';
import { matchLevels, Routes } from '#edge/source/mqtt-route.ts';
import { type Route, routeProblem, urlProblem } from '#edge/source/mqtt-settings.ts';

const route = (filter: string, topic: string, key?: string): Route => ({
  filter,
  topic,
  qos: 1,
  ...(key === undefined ? {} : { key }),
});

const find = (routes: Route[], mqttTopic: string) => {
  const found = new Routes(routes).find(mqttTopic);
  return 'refused' in found
    ? found.refused
    : { topic: found.topic, key: found.key?.toString() ?? null };
};

test('wildcards match as MQTT says', () => {
  const match = (filter: string, topic: string) => matchLevels(filter.split('/'), topic.split('/'));
  expect(match('a/b', 'a/b')).toEqual([]);
  expect(match('a/b', 'a/b/c')).toBeUndefined();
  expect(match('a/b/c', 'a/b')).toBeUndefined();
  expect(match('+/t', 'x/t')).toEqual(['x']);
  expect(match('+', 'x/t')).toBeUndefined();
  expect(match('+/+', '/x')).toEqual(['', 'x']);
  expect(match('/+', '/x')).toEqual(['x']);
  expect(match('a/#', 'a/b/c')).toEqual(['b/c']);
  expect(match('a/#', 'a')).toEqual(['']);
  expect(match('#', 'a/b')).toEqual(['a/b']);
  expect(match('a/+/#', 'a/b')).toEqual(['b', '']);
});

test('a wildcard in front does not take the topics of the broker itself', () => {
  expect(find([route('#', 'all')], '$SYS/uptime')).toContain('no route');
  expect(find([route('+/uptime', 'all')], '$SYS/uptime')).toContain('no route');
  expect(find([route('$SYS/#', 'sys')], '$SYS/uptime')).toMatchObject({ topic: 'sys' });
});

test('templates give topic and key, and the first route wins', () => {
  const routes = [
    route('sensors/+/temperature', 'sensor-data', '{1}'),
    route('plant/+/line/#', 'plant-{1}', '{2}|{topic}'),
    route('#', '{topic}'),
  ];
  const sensor = { topic: 'sensor-data', key: 's 1' };
  expect(find(routes, 'sensors/s 1/temperature')).toEqual(sensor);
  expect(find(routes, 'plant/a b/line/1/2')).toEqual({
    topic: 'plant-a_b',
    key: '1/2|plant/a b/line/1/2',
  });
  expect(find(routes, 'x/ü/y')).toEqual({ topic: 'x___y', key: null });
});

test('the group of a shared subscription is the business of the broker', () => {
  const shared = route('$share/edges/a/+', 't', '{1}');
  expect(routeProblem(shared)).toBeUndefined();
  expect(find([shared], 'a/b')).toEqual({ topic: 't', key: 'b' });
});

test('a device cannot name a topic that is not for it', () => {
  const routes = [route('#', '{topic}')];
  expect(find(routes, 'checkpoints.internal')).toContain('is reserved');
  expect(find(routes, 'internal')).toContain('is reserved');
  expect(find(routes, 'heartbeats')).toContain('is reserved');
  expect(find(routes, 'tributary.losses')).toContain('is reserved');
  expect(find(routes, '..')).toContain('must not be');
  expect(find(routes, 'x'.repeat(300))).toContain('is longer');
  expect(find(routes, 'a/+/b')).toContain('holds a wildcard');
  expect(find(routes, 'a\0b')).toContain('U+0000');
  expect(find(routes, '')).toContain('is empty');
});

test('remembers a bounded number of topics', () => {
  const routes = new Routes([route('+', 't', '{1}')]);
  for (let index = 0; index < 25_000; index += 1) {
    expect(routes.find(String(index))).toMatchObject({ key: Buffer.from(String(index)) });
  }
});

describe('a route that cannot work is told with field and reason', () => {
  test.each([
    [route('', 't'), 'filter "" must not be empty'],
    [route('a/b+', 't'), 'alone between slashes'],
    [route('a/#/b', 't'), '"#" at its end only'],
    [route('$share/g', 't'), 'must be "$share/<group>/<filter>"'],
    [route('a/+', 't-{2}'), 'topic "t-{2}" names {2}, but the filter has 1 wildcard'],
    [route('a/+', 't', '{0}'), 'key "{0}" has {0}; known are {topic}, {1}'],
    [route('a/+', 't', '{name}'), 'key "{name}" has {name}'],
    [route('a/+', 't{1'), 'has a brace without its partner'],
    [route('a', ''), 'topic "" must be a topic name'],
    [route('a', 'a b'), 'topic "a b" may hold letters'],
    [route('a', 'tributary.losses'), 'is reserved'],
    [{ ...route('a', 't'), qos: 3 as 2 }, 'qos 3 must be 0, 1 or 2'],
  ])('%j', (bad, words) => {
    expect(routeProblem(bad)).toContain(words);
  });

  test('and one that works is not', () => {
    expect(routeProblem(route('sensors/+/temperature', 'sensor-data', '{1}'))).toBeUndefined();
    expect(routeProblem(route('#', 'all', '{1}{topic}'))).toBeUndefined();
  });
});

test('an address of a broker is checked', () => {
  expect(urlProblem('mqtt://localhost:1883')).toBeUndefined();
  expect(urlProblem('wss://broker.example/mqtt')).toBeUndefined();
  expect(urlProblem('localhost:1883')).toContain('must begin with');
  expect(urlProblem('http://localhost')).toContain('must begin with');
  expect(urlProblem('nonsense')).toContain('must be an address');
});
