import {
  alias,
  failures,
  flag,
  json,
  list,
  object,
  oneOf,
  parameter,
  ref,
  type Schema,
  text,
  time,
  whole,
} from './schema.ts';

const exactness = [
  'exact: all that is before the position is before this place, and all behind it is behind.',
  'ahead: records before the position have yet to land; who begins here reads them once more.',
  'before: records behind the position may have landed before what is known; who begins here',
  'may miss them.',
].join(' ');

const place = object({
  topic: text('At central.'),
  offset: whole('Next to read.'),
  exact: flag('Whether it is exact.'),
  exactness: oneOf(['exact', 'ahead', 'before'], exactness),
});

const group = object({
  alias: text('The site.'),
  group: text("The group at the site's own Kafka."),
  state: text("Kafka's: Stable, Empty, …"),
  topic: text('Topic at the site.'),
  partition: whole('Number.'),
  sourceOffset: whole('Next to read at the site.'),
  metadata: text('What the group committed beside it.'),
  remote: { anyOf: [ref('Place'), { type: 'null' }], description: 'null: nothing landed yet.' },
  earlier: list(ref('Place'), 'In what was the remote topic before landing.naming changed.'),
  merged: list(ref('Place'), 'In each merged topic.'),
  reportedAt: time('When the site told this position.'),
});

export const groupsSchemas: { [name: string]: Schema } = { Place: place, Group: group };

const outcome = [
  'set; current: central is there already, or further on; active: the group has members at',
  'central, and was left alone; unknown: the site told nothing of it, or nothing has landed.',
].join(' ');

export const groupsPaths: { [path: string]: Schema } = {
  '/api/v1/groups': {
    get: {
      operationId: 'listGroups',
      summary: "Consumer groups of the sites' own Kafkas, and where they go on at central",
      description: 'Always empty with the embedded landing, which has no consumer groups.',
      parameters: [
        parameter('query', 'alias', alias),
        parameter('query', 'group', text('Of this name only.')),
      ],
      responses: {
        '200': json('A position each.', object({ groups: list(ref('Group')) })),
        ...failures.badParameter,
        ...failures.landing,
      },
    },
  },
  '/api/v1/groups/apply': {
    post: {
      operationId: 'applyGroup',
      summary: "Put a group's translated positions into central's consumer offsets",
      description: 'Never back, never under a group with members. Remote and merged topics.',
      parameters: [
        parameter('query', 'alias', alias),
        parameter('query', 'group', text('The group.')),
        parameter('query', 'dryRun', {
          ...{ type: 'boolean', default: false },
          description: 'Only say what would be set.',
        }),
      ],
      responses: {
        '200': json(
          'What was set, or would be.',
          object({
            alias: text('The site.'),
            dryRun: flag('Nothing was set.'),
            group: text('The group.'),
            outcome: oneOf(['set', 'current', 'active', 'unknown'], outcome),
            offsets: list(
              object({
                topic: text('At central.'),
                partition: whole('Number.'),
                offset: whole('Next to read.'),
              }),
            ),
          }),
        ),
        ...failures.badParameter,
        ...{ '409': json('The landing is no Kafka.', ref('Error')) },
        ...failures.landing,
      },
    },
  },
};
