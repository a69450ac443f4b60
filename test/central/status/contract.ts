import { Ajv2020 } from 'ajv/dist/2020.js';
import { openapiDocument } from '#central/status/openapi/openapi.ts';

/** Answers against their description. */

export const document = openapiDocument('0.1.0');
export const ajv = new Ajv2020({
  strict: true,
  strictRequired: false,
  allErrors: true,
  allowUnionTypes: true,
});
ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
ajv.addVocabulary(['components']);

export interface Operation {
  operationId: string;
  parameters?: { name: string; in: string }[];
  responses: { [status: string]: { content: { [type: string]: { schema: object } } } };
}

export const operation = (method: string, path: string) =>
  (document.paths[path] as { [method: string]: Operation } | undefined)?.[method];

/** What is wrong with an answer; nothing when it is as described. */
export function complaints(method: string, path: string, status: number, body: unknown): string[] {
  const described = operation(method, path)?.responses[status];
  if (described === undefined) return [`${status} is not described`];
  const schema = described.content['application/json']?.schema;
  const validate = ajv.compile({ ...schema, components: document.components });
  validate(body);
  return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`);
}
