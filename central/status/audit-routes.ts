import type { BacklogAge, TopicDrift } from '../mirror/mirror.ts';
import type { Route, StatusParts } from './app.ts';
import { ApiError } from './errors.ts';
import { aliasOf, query } from './parameters.ts';

/** How topics of the sites' own Kafkas and those at central have drifted apart; changes nothing. */
export function auditRoutes({ mirror, landing, fleet, clock }: StatusParts): Route[] {
  return [
    {
      path: '/api/v1/audit',
      get: async (c) => {
        const asked = query(c.req.url, ['alias']).get('alias');
        const alias = asked === undefined ? undefined : aliasOf(asked);
        if (!mirror) throw noTopics();
        const { topics, drifts } = await mirror.audit(alias, backlogAges(fleet, clock.now()));
        const compared = new Set(topics);
        const troubles = (await landing.topics())
          .filter(({ topic }) => {
            return alias === undefined || topic.startsWith(`${alias}.`) || compared.has(topic);
          })
          .flatMap(({ topic, troubles = [] }) => troubles.map((trouble) => ({ topic, trouble })));
        return c.json({ topics: topics.length, drifts: drifts.map(driftJson), troubles });
      },
    },
  ];
}

const noTopics = () =>
  new ApiError(
    409,
    'no-kafka',
    'the embedded landing has no Kafka topics, whose settings could differ',
    'with landing.type = "kafka" topics follow those of the sites',
  );

/** By the fleet's view of each stream; a site is looked up once. */
function backlogAges(fleet: StatusParts['fleet'], now: number): BacklogAge {
  const sites = new Map<string, Map<string, number>>();
  const oldestOf = (alias: string) => {
    const known = sites.get(alias);
    if (known) return known;
    const oldest = new Map<string, number>();
    for (const { topic, oldestUnlandedAt } of fleet.edge(alias)?.streams ?? []) {
      if (oldestUnlandedAt === null) continue;
      oldest.set(topic, Math.min(oldest.get(topic) ?? oldestUnlandedAt, oldestUnlandedAt));
    }
    sites.set(alias, oldest);
    return oldest;
  };
  return (alias, topic) => {
    const oldest = oldestOf(alias).get(topic);
    return oldest === undefined ? null : Math.max(0, now - oldest);
  };
}

const driftJson = (drift: TopicDrift) => ({
  alias: drift.alias,
  topic: drift.topic,
  what: drift.what,
  site: drift.site,
  central: drift.central,
  severity: drift.severity,
  meaning: drift.meaning,
  change: drift.change,
});
