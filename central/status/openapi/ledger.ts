import { lossReasons } from '#shared/wire/loss.ts';
import {
  alias,
  failures,
  flag,
  json,
  limit,
  list,
  object,
  oneOf,
  orNull,
  parameter,
  ref,
  type Schema,
  text,
  time,
  whole,
} from './schema.ts';

const stream = {
  alias,
  epoch: text('Identity of the life of the buffer.'),
  topic: text('Name at the site.'),
  partition: whole('Number.'),
};

const checkpoint = object(
  {
    ...stream,
    partitionCount: whole('Partitions of the topic at the site.'),
    through: whole('Highest sequence landed or declared lost; -1: none.'),
    landedRecords: whole('Landed.'),
    landedBytes: whole('The same in payload bytes.'),
    lostRecords: whole('Declared lost.'),
    remoteTopic: text('Name at central.'),
    remoteOffset: whole('Next free offset there behind the last segment.'),
    merged: list(
      object({ topic: text('Merged topic.'), offset: whole('Next free offset there.') }),
    ),
    acceptedAt: orNull(time('When the last landed record was accepted, by the clock of the site.')),
    landedAt: orNull(time('When it landed, by the clock of central.')),
    session: text('The run of the agent that landed it.'),
  },
  'How far one stream has landed, and where.',
);

const loss = object(
  {
    ...stream,
    first: whole('First sequence of the range.'),
    span: whole('Sequences that the range takes.'),
    records: whole('Records lost; 0 where the source cannot tell.'),
    scope: oneOf(['stream', 'source'], 'source: lost before the site accepted them.'),
    bytes: whole('Payload bytes.'),
    from: orNull(time('When the oldest was accepted, by the clock of the site.')),
    to: orNull(time('When the newest was accepted, by the clock of the site.')),
    reason: oneOf(lossReasons, 'Why.'),
    detail: text('For a person.'),
    landedAt: time('When central took the declaration.'),
  },
  'A declared range that will never land.',
);

const more = flag('There are more: go on with `since` or a larger `limit`.');

export const ledgerSchemas: { [name: string]: Schema } = { Checkpoint: checkpoint, Loss: loss };

const aliasInQuery = parameter('query', 'alias', alias);

export const ledgerPaths: { [path: string]: Schema } = {
  '/api/v1/checkpoints': {
    get: {
      operationId: 'listCheckpoints',
      summary: 'How far each stream has landed',
      parameters: [aliasInQuery, parameter('query', 'topic', text('Name at the site.'))],
      responses: {
        '200': json('The checkpoints.', object({ checkpoints: list(ref('Checkpoint')) })),
        ...failures.badParameter,
        ...failures.landing,
      },
    },
  },
  '/api/v1/losses': {
    get: {
      operationId: 'listLosses',
      summary: 'The ledger of losses, oldest first',
      parameters: [
        aliasInQuery,
        parameter('query', 'since', text('ISO 8601 with a zone, or ms since 1970.')),
        parameter('query', 'limit', limit(1_000, 10_000)),
      ],
      responses: {
        '200': json('The losses.', object({ losses: list(ref('Loss')), truncated: more })),
        ...failures.badParameter,
        ...failures.landing,
      },
    },
  },
};
