/** JSON Schema (2020-12, as OpenAPI 3.1 has it) in few words. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

type Properties = { readonly [name: string]: Schema };

/** Every property is there, and no other. */
export const object = (properties: Properties, description?: string): Schema => ({
  type: 'object',
  ...(description === undefined ? {} : { description }),
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

export const list = (items: Schema, description?: string): Schema => ({
  type: 'array',
  ...(description === undefined ? {} : { description }),
  items,
});

const plain =
  (type: string) =>
  (description: string): Schema => ({ type, description });
export const text = plain('string');
export const whole = plain('integer');
export const number = plain('number');
export const flag = plain('boolean');

export const recordsExact = flag(
  'Whether `records` is exact: with Kafka it is so many at most, since its markers of transactions ' +
    'and what compaction took have offsets, too.',
);

export const time = (description: string): Schema => ({
  type: 'string',
  format: 'date-time',
  description: `${description} ISO 8601 UTC.`,
});

export const oneOf = (values: readonly string[], description: string): Schema => ({
  type: 'string',
  enum: values,
  description,
});

/** Unknown is null. */
export const orNull = (schema: Schema): Schema => ({
  ...schema,
  type: [schema.type, 'null'],
  description: `${schema.description} null: not known.`,
});

export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

export const json = (description: string, schema: Schema): Schema => ({
  description,
  content: { 'application/json': { schema } },
});

const failure = (description: string) => json(description, ref('Error'));

export const failures = {
  badParameter: { '400': failure('A parameter is wrong; the message names it and its value.') },
  notFound: { '404': failure('There is no such thing.') },
  landing: { '503': failure('The landing does not answer; try again after Retry-After.') },
} as const;

export const alias: Schema = {
  type: 'string',
  pattern: '^[A-Za-z0-9][A-Za-z0-9_-]*$',
  maxLength: 63,
  description: 'The short name of the site.',
};

export const limit = (standard: number, maximum: number): Schema => ({
  type: 'integer',
  minimum: 1,
  maximum,
  default: standard,
  description: 'How many at most.',
});

export const parameter = (
  where: 'path' | 'query' | 'header',
  name: string,
  schema: Schema,
): Schema => ({
  name,
  in: where,
  required: where === 'path',
  description: schema.description,
  schema,
});
