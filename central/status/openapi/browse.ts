import {
  failures,
  json,
  limit,
  list,
  object,
  oneOf,
  orNull,
  parameter,
  recordsExact,
  ref,
  type Schema,
  text,
  time,
  whole,
} from './schema.ts';

/** In these descriptions bytes that are valid UTF-8 are a string, others stand under …Base64. */
const bytesOf = (name: string) => ({
  [name]: { type: ['string', 'null'], description: `The ${name}; null stays null.` },
  [`${name}Base64`]: {
    type: 'string',
    contentEncoding: 'base64',
    description: `Instead of ${name} where its bytes are not UTF-8.`,
  },
});

const either = (name: string) => ({
  oneOf: [{ required: [name] }, { required: [`${name}Base64`] }],
});

const header = {
  type: 'array',
  prefixItems: [
    { type: 'string', description: 'Name.' },
    {
      description: 'Value; an object where its bytes are not UTF-8.',
      anyOf: [{ type: ['string', 'null'] }, object({ base64: text('The bytes.') })],
    },
  ],
  minItems: 2,
  maxItems: 2,
};

const record = {
  type: 'object',
  description: 'A record as it landed. A time outside the years 0 to 9999 is null.',
  properties: {
    offset: whole('In this partition.'),
    timestamp: orNull(time("The record's own time.")),
    ...bytesOf('key'),
    ...bytesOf('value'),
    headers: list(header, 'In their order, repeats included.'),
  },
  required: ['offset', 'timestamp', 'headers'],
  allOf: [either('key'), either('value')],
  additionalProperties: false,
};

const topic = object({
  topic: text('Name.'),
  kind: oneOf(['remote', 'merged', 'internal'], 'What it is for.'),
  partitions: whole('How many.'),
  records: whole('Readable now, over all partitions.'),
  recordsExact,
  troubles: list(text('How its settings do not fit what lands in it, and what follows.')),
  offsets: list(
    object({
      partition: whole('Number.'),
      startOffset: whole('Of the first record that is kept.'),
      endOffset: whole('Of the record that comes next.'),
    }),
  ),
});

export const browseSchemas: { [name: string]: Schema } = {
  Topic: topic,
  Record: record,
};

const recordsDescription = [
  'At most `limit` records, and about 4 MiB of them, from `offset` on (or the first that is',
  'kept). `next` is the offset to go on from, null at the end.',
].join(' ');

export const browsePaths: { [path: string]: Schema } = {
  '/api/v1/topics': {
    get: {
      operationId: 'listTopics',
      summary: 'What landed, by topic',
      responses: {
        '200': json('All topics.', object({ topics: list(ref('Topic')) })),
        ...failures.landing,
      },
    },
  },
  '/api/v1/topics/{topic}/partitions/{partition}/records': {
    get: {
      operationId: 'readRecords',
      summary: 'Records of a partition',
      description: recordsDescription,
      parameters: [
        parameter('path', 'topic', text('Name at central.')),
        parameter('path', 'partition', whole('Number.')),
        parameter('query', 'offset', { ...whole('Where to begin.'), minimum: 0, default: 0 }),
        parameter('query', 'limit', limit(100, 1_000)),
      ],
      responses: {
        '200': json(
          'A page.',
          object({ records: list(ref('Record')), next: orNull(whole('To go on from.')) }),
        ),
        ...failures.badParameter,
        ...failures.notFound,
        ...failures.landing,
      },
    },
  },
};
