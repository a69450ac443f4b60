import {
  alias,
  failures,
  json,
  list,
  object,
  oneOf,
  parameter,
  ref,
  type Schema,
  text,
  whole,
} from './schema.ts';

const kinds = [
  'missing',
  'partitions',
  'retention',
  'cleanup',
  'min-isr',
  'settings',
  'backlog',
  'refused',
];

const severity = 'danger: records are lost or cannot land as things stand.';

/** null is a word of its own here. */
const textOr = (description: string): Schema => ({ type: ['string', 'null'], description });

const drift = object(
  {
    alias,
    topic: text('At central.'),
    what: oneOf(kinds, 'What differs; refused: what was to follow was not taken.'),
    site: textOr('How it is at the site; null: there is nothing to tell.'),
    central: textOr('How it is at central; null: there is nothing to tell.'),
    severity: oneOf(['note', 'warning', 'danger'], severity),
    meaning: text('What follows from it.'),
    change: textOr('What central changes by itself; null: nothing does.'),
  },
  "A topic of a site's own Kafka, and central's, apart.",
);

export const auditSchemas: { [name: string]: Schema } = { Drift: drift };

export const auditPaths: { [path: string]: Schema } = {
  '/api/v1/audit': {
    get: {
      operationId: 'auditTopics',
      summary: "How topics of the sites' own Kafkas and those at central have drifted apart",
      description: 'Changes nothing. The worst first.',
      parameters: [parameter('query', 'alias', alias)],
      responses: {
        '200': json(
          'What differs.',
          object({
            topics: whole('So many that sites told of were compared.'),
            drifts: list(ref('Drift')),
            troubles: list(
              object({ topic: text('At central.'), trouble: text('How its settings do not fit.') }),
              'Whoever made the topic, and whether or not a site told of it.',
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
