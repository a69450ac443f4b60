import type { GroupView, Mirror } from '../mirror/mirror.ts';
import type { Route, StatusParts } from './app.ts';
import { ApiError, badParameter } from './errors.ts';
import { time } from './json.ts';
import { aliasOf, query } from './parameters.ts';
import { signedInAs } from './sign-in.ts';

/** Consumer groups of the sites' own Kafkas, and where they go on at central. */
export function groupsRoutes({ mirror, log }: StatusParts): Route[] {
  return [
    {
      path: '/api/v1/groups',
      get: async (c) => {
        const given = query(c.req.url, ['alias', 'group']);
        const asked = given.get('alias');
        const alias = asked === undefined ? undefined : aliasOf(asked);
        const views = (await mirror?.groups(alias)) ?? [];
        const group = given.get('group');
        const wanted = views.filter((view) => group === undefined || view.group === group);
        return c.json({ groups: wanted.map(groupJson) });
      },
    },
    {
      path: '/api/v1/groups/apply',
      post: async (c) => {
        const given = query(c.req.url, ['alias', 'group', 'dryRun']);
        const alias = aliasOf(given.get('alias') ?? '');
        const group = given.get('group');
        if (group === undefined) {
          throw badParameter('group', '', 'is missing', '/api/v1/groups lists the groups');
        }
        const dryRun = given.get('dryRun') === 'true';
        const applied = await withGroups(mirror).apply(alias, group, { dryRun });
        if (!dryRun) {
          const facts = { audit: true, event: 'group-apply', alias, by: signedInAs(c) };
          log.info({ ...facts, ...applied }, "audit: a group's positions were set by hand");
        }
        return c.json({ alias, dryRun, ...applied });
      },
    },
  ];
}

function withGroups(mirror: StatusParts['mirror']): Pick<Mirror, 'apply'> {
  if (mirror) return mirror;
  throw new ApiError(
    409,
    'no-kafka',
    'the embedded landing has no consumer groups: nobody reads it with the Kafka protocol',
    'with landing.type = "kafka" sites\' groups are translated',
  );
}

const groupJson = ({ remote, earlier, merged, ...view }: GroupView) => ({
  alias: view.alias,
  group: view.group,
  state: view.state,
  topic: view.topic,
  partition: view.partition,
  sourceOffset: view.sourceOffset,
  metadata: view.metadata,
  remote: remote && placeJson(remote),
  earlier: earlier.map(placeJson),
  merged: merged.map(placeJson),
  reportedAt: time(view.reportedAt),
});

const placeJson = ({ topic, offset, exactness }: GroupView['merged'][number]) => ({
  topic,
  offset,
  exact: exactness === 'exact',
  exactness,
});
