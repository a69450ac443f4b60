import { lossReasons } from '#shared/wire/loss.ts';

/** The answers of the agent's API, in JSON Schema (2020-12, which OpenAPI 3.1 uses). */

export interface Schema {
  readonly [keyword: string]: unknown;
}

/** Every property is there, and no other. */
const object = (properties: { readonly [name: string]: Schema }, description?: string): Schema => ({
  type: 'object',
  ...(description === undefined ? {} : { description }),
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

const plain =
  (type: string) =>
  (description: string): Schema => ({ type, description });
const text = plain('string');
const whole = plain('integer');
const number = plain('number');
const flag = plain('boolean');
const time = (description: string): Schema => ({
  type: 'string',
  format: 'date-time',
  description,
});
const orNull = (schema: Schema): Schema => ({ ...schema, type: [schema.type, 'null'] });
const list = (items: Schema, description: string): Schema => ({
  type: 'array',
  items,
  description,
});
const oneOf = (values: readonly string[], description: string): Schema => ({
  type: 'string',
  enum: values,
  description,
});
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

const stream = {
  epoch: text('Identity of the buffer that numbered the records.'),
  topic: text('Topic at this site, without prefix.'),
  partition: whole('Partition of the topic.'),
};

export const schemas: { readonly [name: string]: Schema } = {
  Error: object({
    error: {
      type: 'object',
      properties: {
        code: text('For programs; stays the same over versions.'),
        message: text('For people: what is wrong, with the field and its value.'),
        hint: text('What to do.'),
      },
      required: ['code', 'message'],
      additionalProperties: false,
    },
  }),
  Accepted: object({ accepted: whole('Records that are durable now.') }),
  Health: object({
    status: oneOf(['ok', 'failing'], 'All checks together.'),
    version: text("The agent's version."),
    checks: {
      type: 'object',
      additionalProperties: object({
        ok: flag('Whether it passed.'),
        message: text('What was found.'),
      }),
    },
  }),
  Status: object({
    alias: text("The site's short name."),
    epoch: text('Epoch that new records get.'),
    session: text('This run of the agent.'),
    version: text("The agent's version."),
    at: time('When this was so.'),
    uptimeSeconds: whole('Since the agent started.'),
    central: ref('Central'),
    buffer: ref('Buffer'),
    counts: object(
      {
        accepted: whole('Records made durable here since the epoch began.'),
        acknowledged: whole('Of them, acknowledged by central: accepted - backlog - lost.'),
        backlog: whole('Of them, waiting.'),
        lost: whole('Of them, declared lost.'),
      },
      'Where every accepted record is.',
    ),
    sources: list(ref('Source'), 'In the order of the settings.'),
    streams: list(ref('Stream'), 'See streamsOmitted.'),
    streamsOmitted: flag('There are more streams than ?streams= asks for.'),
    losses: list(ref('Loss'), 'The newest 50, newest first.'),
  }),
  Central: object({
    url: orNull(text('The central that is tried or used; null when none is set.')),
    id: orNull(text('The central that the cursors belong to; null before the first contact.')),
    state: oneOf(
      ['connecting', 'connected', 'not-landing', 'waiting', 'adopt-needed', 'stopped'],
      'not-landing: central answers, and cannot land what it is sent. ' +
        'adopt-needed: a person has to run "tributary-central edges adopt".',
    ),
    lastAckAt: orNull(time('When central last acknowledged something.')),
    lastError: orNull(text('The newest failure; null after a success of the same.')),
    failingSince: orNull(time('Since when something fails: hellos, records or heartbeats.')),
    nextAttemptAt: orNull(time('When it is tried again; null when not waiting.')),
    clockOffsetSeconds: orNull(number("Central's clock minus ours.")),
    requestBytes: whole('Size that requests aim at now.'),
    held: list(text('A stream, and why.'), 'What central cannot take just now; it is tried again.'),
    sentBytes: whole('Sent since the start, repeats included.'),
    sentFrames: whole('Likewise.'),
  }),
  Buffer: object({
    usedBytes: whole('Disk in use.'),
    maxBytes: whole('Disk that may be used: buffer.max_bytes.'),
    whenFull: oneOf(['drop-oldest', 'block'], 'buffer.when_full.'),
    blocked: flag('A source waits for room.'),
    backlogRecords: whole('Records not acknowledged by central.'),
    backlogBytes: whole('Their size.'),
    oldestSeconds: orNull(number('Since the oldest of them was accepted; null without any.')),
    quarantined: whole('Segments set aside as unusable.'),
    lossesPending: whole('Loss records not yet at central.'),
  }),
  Source: object({
    name: text('Unique on this edge.'),
    type: text('mqtt, http, host or kafka.'),
    state: oneOf(['starting', 'running', 'degraded', 'failed', 'stopped'], 'How it is.'),
    detail: text('One sentence for a person.'),
    acceptedRecords: whole('Since the agent started.'),
  }),
  Stream: object({
    ...stream,
    head: whole('Highest sequence appended; -1 when none.'),
    cursor: whole('Highest sequence acknowledged; -1 when none.'),
    acceptedRecords: whole('Since the epoch began.'),
    backlogRecords: whole('Not acknowledged yet.'),
    backlogBytes: whole('Their size.'),
    oldestSeconds: orNull(number('Since the oldest of them was accepted; null without any.')),
    lostRecords: whole('Declared lost since the epoch began.'),
  }),
  Loss: object({
    ...stream,
    first: whole('First sequence of the range.'),
    span: whole('Sequences that it takes.'),
    records: whole('Records lost; 0 when the source could not tell.'),
    scope: oneOf(['stream', 'source'], 'source: lost before we accepted them, not in counts.'),
    bytes: whole('Their size.'),
    from: orNull(time('When the oldest was accepted.')),
    to: orNull(time('When the newest was accepted.')),
    reason: oneOf(lossReasons, 'Why.'),
    detail: text('Why, for a person.'),
    declaredAt: time('When it was declared.'),
    landed: flag('Central knows of it.'),
  }),
};
