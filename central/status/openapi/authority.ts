import { failures, json, list, object, orNull, ref, type Schema, text } from './schema.ts';

const pin = (words: string) => text(`SHA-256 of the key (SPKI), base64url: ${words}`);

export const authoritySchemas: { [name: string]: Schema } = {
  Authority: object({
    pin: pin('the authority that signs; join tokens pin it.'),
    pinBefore: orNull(pin('the one before, while what it signed is still good.')),
    sitesBefore: list(text('Alias.'), 'Sites whose newest certificate is of the one before.'),
  }),
};

const none = { '409': json('Not as things stand; the message says why.', ref('Error')) };

const change = (operationId: string, summary: string, more: Schema = {}) => ({
  post: {
    operationId,
    summary,
    ...more,
    requestBody: { content: { 'application/json': { schema: object({}) } } },
    responses: {
      '200': json('How it stands now.', ref('Authority')),
      ...failures.badParameter,
      '403': json('A page of another site asked.', ref('Error')),
      ...none,
      '413': json('The body is too large.', ref('Error')),
      '415': json('Content-Type is not application/json.', ref('Error')),
    },
  },
});

export const authorityPaths: { [path: string]: Schema } = {
  '/api/v1/authority': {
    get: {
      operationId: 'getAuthority',
      summary: "The authority that signs sites' certificates",
      responses: { '200': json('How it stands.', ref('Authority')), ...none },
    },
  },
  '/api/v1/authority/rotate': change(
    'rotateAuthority',
    'Let another key sign; what the one before signed stays good until it is retired',
  ),
  '/api/v1/authority/retire': change(
    'retireAuthority',
    'Take nothing any longer that the authority before signed',
    {
      parameters: [
        {
          name: 'evenSo',
          in: 'query',
          required: false,
          description: 'Also while there are sites that would have to join again.',
          schema: { type: 'boolean' },
        },
      ],
    },
  ),
};
