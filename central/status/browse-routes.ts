import type { Route, StatusParts } from './app.ts';
import { notFound } from './errors.ts';
import { checkpointJson, lossJson, recordJson, topicJson } from './json.ts';
import { aliasOf, instantOf, query, topicOf, wholeNumber } from './parameters.ts';
import { readRecords } from './records.ts';

const lossesDefault = 1_000;
const lossesMax = 10_000;
const recordsDefault = 100;
const recordsMax = 1_000;

/** What landed: checkpoints, losses, topics, records. */
export function browseRoutes(parts: StatusParts): Route[] {
  return [checkpointsRoute(parts), lossesRoute(parts), topicsRoute(parts), recordsRoute(parts)];
}

const checkpointsRoute = ({ landing }: StatusParts): Route => ({
  path: '/api/v1/checkpoints',
  get: async (c) => {
    const given = query(c.req.url, ['alias', 'topic']);
    const rows = await landing.checkpoints({
      alias: optional(given.get('alias'), aliasOf),
      topic: optional(given.get('topic'), topicOf),
    });
    return c.json({ checkpoints: rows.map(checkpointJson) });
  },
});

const lossesRoute = ({ landing }: StatusParts): Route => ({
  path: '/api/v1/losses',
  get: async (c) => {
    const given = query(c.req.url, ['alias', 'since', 'limit']);
    const limit = wholeNumber('limit', given.get('limit') ?? `${lossesDefault}`, 1, lossesMax);
    const found = await landing.losses({
      alias: optional(given.get('alias'), aliasOf),
      sinceMs: optional(given.get('since'), (value) => instantOf('since', value)),
      limit: limit + 1,
    });
    const losses = found.slice(0, limit).map(lossJson);
    return c.json({ losses, truncated: found.length > limit });
  },
});

const topicsRoute = ({ landing }: StatusParts): Route => ({
  path: '/api/v1/topics',
  get: async (c) => {
    query(c.req.url, []);
    return c.json({ topics: (await landing.topics()).map((topic) => topicJson(topic, landing)) });
  },
});

const recordsRoute = ({ landing }: StatusParts): Route => ({
  path: '/api/v1/topics/:topic/partitions/:partition/records',
  get: async (c) => {
    const given = query(c.req.url, ['offset', 'limit']);
    const topic = topicOf(c.req.param('topic') ?? '');
    const max = Number.MAX_SAFE_INTEGER;
    const partition = wholeNumber('partition', c.req.param('partition') ?? '', 0, 2 ** 31 - 1);
    const offset = wholeNumber('offset', given.get('offset') ?? '0', 0, max);
    const limit = wholeNumber('limit', given.get('limit') ?? `${recordsDefault}`, 1, recordsMax);
    const page = await readRecords(landing, topic, partition, offset, limit);
    if (page === undefined) {
      const message = `there is no partition ${partition} of a topic "${topic}"`;
      throw notFound(
        message,
        '/api/v1/topics, or "tributary-central topics", lists them and their partitions',
      );
    }
    return c.json({ records: page.records.map(recordJson), next: page.next });
  },
});

const optional = <T>(value: string | undefined, read: (value: string) => T): T | undefined =>
  value === undefined ? undefined : read(value);
