import {
  failures,
  flag,
  json,
  object,
  oneOf,
  orNull,
  ref,
  type Schema,
  text,
  time,
  whole,
} from './schema.ts';

const central = object({
  centralId: text('Made once per landing; cursors of the sites belong to it.'),
  version: text('That runs.'),
  linkUrl: orNull(text('Where sites connect to.')),
  startedAt: time('When this run began.'),
  now: time('The clock of central.'),
  landing: object({
    kind: oneOf(['embedded', 'kafka'], 'Where records land.'),
    usedBytes: orNull(whole('Disk in use.')),
    maxBytes: orNull(whole('Disk allowed.')),
  }),
});

const finding = object({ ok: flag('Whether it is well.'), message: text('For a person.') });

const health = object({
  status: oneOf(['ok', 'failing'], 'The sum of the checks.'),
  version: text('That runs.'),
  checks: object({ landing: finding }),
});

const alive = object({
  status: oneOf(['ok'], 'The process answers.'),
  version: text('That runs.'),
  checks: object({}),
});

export const centralSchemas: { [name: string]: Schema } = {
  Central: central,
  Health: health,
  Alive: alive,
  Error: object({
    error: object({
      code: text('Stable, for programs.'),
      message: text('What is wrong, with the name and the value.'),
      hint: text('What to do.'),
    }),
  }),
};

const healthPath = (name: string) => ({
  get: {
    operationId: name,
    summary: 'Whether the landing answers and can write; sites that are down do not count',
    responses: { '200': json('It can.', ref('Health')), '503': json('It cannot.', ref('Health')) },
  },
});

export const centralPaths: { [path: string]: Schema } = {
  '/api/v1/central': {
    get: {
      operationId: 'getCentral',
      summary: 'Central itself',
      responses: { '200': json('Central.', ref('Central')), ...failures.landing },
    },
  },
  '/healthz': healthPath('healthz'),
  '/readyz': healthPath('readyz'),
  '/livez': {
    get: {
      operationId: 'livez',
      summary: 'Whether the process answers',
      responses: { '200': json('It does.', ref('Alive')) },
    },
  },
  '/metrics': {
    get: {
      operationId: 'metrics',
      summary: 'Prometheus text, tributary_central_…; what is not known has no line',
      responses: {
        '200': { description: 'All.', content: { 'text/plain': { schema: { type: 'string' } } } },
      },
    },
  },
  '/openapi.json': {
    get: {
      operationId: 'openapi',
      summary: 'This description',
      responses: { '200': json('OpenAPI 3.1.', { type: 'object' }) },
    },
  },
  '/': {
    get: {
      operationId: 'dashboard',
      summary: 'The dashboard',
      responses: {
        '200': { description: 'A page.', content: { 'text/html': { schema: { type: 'string' } } } },
      },
    },
  },
};
