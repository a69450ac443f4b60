import { limits } from '#shared/wire/limits.ts';
import { ref, type Schema, schemas } from './status-schemas.ts';

const json = (description: string, name: string): Schema => ({
  description,
  content: { 'application/json': { schema: ref(name) } },
});
const failure = (description: string): Schema => json(description, 'Error');
const plain = (description: string, type: string): Schema => ({
  description,
  content: { [type]: { schema: { type: 'string' } } },
});
const storeSilent = { '503': failure('The store does not answer; try again after Retry-After.') };

const get = (operationId: string, summary: string, responses: Schema, more: Schema = {}) => ({
  get: { operationId, summary, ...more, responses },
});

const health = (operationId: string) =>
  get(operationId, 'Whether the store answers and can write. Central may be away.', {
    '200': json('It does.', 'Health'),
    '503': json('It does not; checks.store.message says why.', 'Health'),
  });

const header = (name: string, description: string): Schema => ({
  name,
  in: 'header',
  description,
  schema: { type: 'string' },
});

const postRecords = {
  operationId: 'postRecords',
  summary: 'Takes records from programs on this machine: all of a request, or none.',
  description: [
    'application/json: one value, an array, or {"records": […]}. application/x-ndjson: one value',
    'a line. Any other type: the body is the value. A JSON object that has "value" or',
    '"valueBase64" and otherwise only key, keyBase64, timestamp, headers and partition is an envelope; any other',
    'JSON is the value itself, kept as it was sent.',
  ].join(' '),
  parameters: [
    { name: 'topic', in: 'path', required: true, schema: { type: 'string', maxLength: 249 } },
    { name: 'key', in: 'query', description: 'Key of the records.', schema: { type: 'string' } },
    header('tributary-key', 'Key of records that have none of their own.'),
    header('tributary-timestamp', 'Likewise; milliseconds or ISO 8601 with its zone.'),
    header('idempotency-key', 'A repeat within 24 hours is answered the same and not kept again.'),
  ],
  requestBody: {
    required: true,
    content: { 'application/json': {}, 'application/x-ndjson': {}, '*/*': {} },
  },
  responses: {
    '200': json('The records are durable.', 'Accepted'),
    '400': failure('The request is wrong; the message names record and field.'),
    '403': failure('Not from this machine, or from a page of somebody else.'),
    '413': failure('The body or a record is too large; nothing was kept.'),
    '415': failure('The body is encoded in a way that is not understood.'),
    '421': failure('The Host header is not a name of this machine for itself.'),
    '422': failure('The buffer will not keep this, however often it is sent.'),
    '429': failure('The buffer is full; try again after Retry-After.'),
    '503': failure('The disk is full, or the agent is stopping.'),
  },
};

const paths: { readonly [path: string]: Schema } = {
  '/': get('page', 'The same for a person.', { '200': plain('A page.', 'text/html') }),
  '/page.css': get('pageStyle', 'Of the page.', { '200': plain('Style.', 'text/css') }),
  '/page.js': get('pageScript', 'Of the page.', { '200': plain('Script.', 'text/javascript') }),
  '/livez': get('livez', 'The process answers.', { '200': json('It does.', 'Health') }),
  '/readyz': health('readyz'),
  '/healthz': health('healthz'),
  '/metrics': get('metrics', 'For Prometheus.', {
    '200': plain('Text format 0.0.4.', 'text/plain'),
    ...storeSilent,
  }),
  '/api/v1/status': get(
    'status',
    'Everything there is to know of this agent.',
    {
      '200': json('This moment.', 'Status'),
      '400': failure('streams is no number of streams.'),
      ...storeSilent,
    },
    {
      parameters: [
        {
          name: 'streams',
          in: 'query',
          description: 'How many streams to list at most.',
          schema: { type: 'integer', minimum: 1, maximum: limits.streamsPerEdge, default: 200 },
        },
      ],
    },
  ),
  '/v1/records/{topic}': { post: postRecords },
  '/openapi.json': get('openapi', 'This description.', {
    '200': { description: 'OpenAPI 3.1.', content: { 'application/json': {} } },
  }),
};

/** What the agent's own listener answers; test/edge/status-openapi.test.ts holds it to that. */
export const openapiDocument = (version: string) => ({
  openapi: '3.1.0',
  info: {
    title: 'Tributary edge agent: local API',
    version,
    description: [
      'For this machine only. Times are ISO 8601 UTC, durations seconds, sizes bytes; what is not',
      'known is null. Errors are {"error":{code, message, hint}}; 404, 405 and 421 (a Host header',
      'that is no name of this machine for itself) may come on every path.',
    ].join(' '),
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/' }],
  paths,
  components: { schemas },
});
