import { edgeStates } from '../words.ts';
import {
  alias,
  failures,
  flag,
  json,
  list,
  number,
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

export const edgeState = oneOf(
  edgeStates,
  'offline: no heartbeat for 15 s; stalled: a backlog that has not moved for 30 s.',
);

const lag = object(
  {
    records: orNull(whole('Accepted at the site and not landed yet.')),
    bytes: orNull(whole('The same in payload bytes.')),
    seconds: orNull(number('Since the oldest record not yet landed was accepted.')),
    atLeast: flag('The site is silent: the true lag may be worse, and `seconds` grows.'),
    asOf: orNull(time('The last committed heartbeat, on which this rests.')),
  },
  'How far central is behind the site, by the clock of central.',
);

const source = object({
  name: text('Unique at this site.'),
  type: text('mqtt, http, host, kafka or send.'),
  state: oneOf(['starting', 'running', 'degraded', 'failed', 'stopped'], 'As the site sees it.'),
  detail: text('One sentence for a person.'),
  acceptedRecords: whole('Accepted since the agent started.'),
});

const edgeProperties = {
  alias,
  state: edgeState,
  stateSince: time('When it came into this state.'),
  lastHeartbeatAt: orNull(time('The last heartbeat that was committed.')),
  lag,
  rates: object({
    recordsPerSecond: number('Landing now.'),
    bytesPerSecond: number('Landing now, payload.'),
  }),
  buffer: object({
    usedBytes: orNull(whole('On the disk of the site.')),
    maxBytes: orNull(whole('Its cap.')),
    etaFullSeconds: orNull(
      number('Until the cap at the present pace; null also when not filling.'),
    ),
  }),
  losses: object({ records: whole('Declared lost; /api/v1/losses has the ledger.') }),
  epoch: orNull(text('Identity of the present life of its buffer.')),
  version: orNull(text('Of the agent.')),
  clockOffsetSeconds: orNull(number('How far the clock of the site is ahead of central.')),
  sources: list(source),
  counts: object(
    {
      accepted: orNull(whole('At the site.')),
      landed: whole('At central.'),
      backlog: orNull(whole('At the site.')),
      lost: whole('Declared.'),
    },
    'Each counted on its own: accepted = landed + backlog + lost.',
  ),
  alarms: list(text('Why a person should look.')),
};

const stream = object(
  {
    epoch: text('Identity of the life of the buffer that it belongs to.'),
    topic: text('Name at the site.'),
    partition: whole('Number.'),
    remoteTopic: text('Name at central.'),
    head: orNull(whole('Highest sequence at the site; -1: none.')),
    through: whole('Highest sequence landed or declared lost; -1: none.'),
    backlog: object({
      records: orNull(whole('Not landed yet.')),
      bytes: orNull(whole('The same in bytes.')),
    }),
    oldestUnlandedAt: orNull(time('When the oldest record not yet landed was accepted.')),
    landedRecords: whole('Landed.'),
    lostRecords: whole('Declared lost.'),
  },
  'One (topic, partition) log of one epoch.',
);

const joinToken = object(
  {
    alias,
    token: text('One time, for `tributary-edge join`; shown here only.'),
    expiresAt: time('Good until then.'),
    linkUrl: orNull(text('Where the site reaches central.')),
  },
  'Makes a gateway the site.',
);

export const edgeSchemas: { [name: string]: Schema } = {
  Edge: object(edgeProperties, 'One site.'),
  EdgeWithStreams: object(
    { ...edgeProperties, streams: list(ref('Stream')) },
    'One site with every stream.',
  ),
  Stream: stream,
  JoinToken: joinToken,
  Action: object({
    alias,
    action: oneOf(['adopt', 'disable', 'enable', 'remove'], 'What was asked for.'),
    done: flag('It is committed.'),
  }),
};

const aliasInPath = parameter('path', 'alias', alias);

const action = (name: string, summary: string) => ({
  post: {
    operationId: `${name}Edge`,
    summary,
    description: 'Content-Type must be application/json; the body is {} or empty.',
    parameters: [aliasInPath],
    requestBody: { content: { 'application/json': { schema: object({}) } } },
    responses: {
      '200': json('Done.', ref('Action')),
      ...failures.badParameter,
      '403': json('A page of another site asked.', ref('Error')),
      ...failures.notFound,
      '409': json('Not in its present state; the message says why.', ref('Error')),
      '413': json('The body is too large.', ref('Error')),
      '415': json('Content-Type is not application/json.', ref('Error')),
      ...failures.landing,
    },
  },
});

export const edgePaths: { [path: string]: Schema } = {
  '/api/v1/edges': {
    get: {
      operationId: 'listEdges',
      summary: 'All sites',
      responses: { '200': json('All sites.', object({ edges: list(ref('Edge')) })) },
    },
  },
  '/api/v1/edges/{alias}': {
    get: {
      operationId: 'getEdge',
      summary: 'One site with its streams',
      parameters: [aliasInPath],
      responses: {
        '200': json('The site.', ref('EdgeWithStreams')),
        ...failures.badParameter,
        ...failures.notFound,
      },
    },
  },
  '/api/v1/edges/{alias}/enrol': {
    post: {
      ...action('enrol', 'Issue a join token; it replaces one that was not used yet').post,
      parameters: [aliasInPath, parameter('query', 'ttl', whole('Seconds; default 86400.'))],
      responses: {
        '200': json('The token.', ref('JoinToken')),
        ...failures.badParameter,
        '403': json('A page of another site asked.', ref('Error')),
        '409': json('The link has no authority of its own.', ref('Error')),
        '413': json('The body is too large.', ref('Error')),
        '415': json('Content-Type is not application/json.', ref('Error')),
        ...failures.landing,
      },
    },
  },
  '/api/v1/edges/{alias}/adopt': action('adopt', 'Let the next hello of a site leave a hole'),
  '/api/v1/edges/{alias}/disable': action('disable', 'Let a site in no more'),
  '/api/v1/edges/{alias}/enable': action('enable', 'Let a disabled site in again'),
  '/api/v1/edges/{alias}/remove': action('remove', 'Forget a site; its topics stay'),
};
