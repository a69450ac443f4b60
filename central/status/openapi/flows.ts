import { eventTypes } from '../words.ts';
import { edgeState } from './edges.ts';
import {
  alias,
  flag,
  json,
  list,
  number,
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

const watermark = (of: string) =>
  orNull(
    time(
      `${of} complete through this time, by the clock of central: of acceptance at sites, of the ` +
        'commit in topics that others write.',
    ),
  );

export const flowSchemas: { [name: string]: Schema } = {
  Flow: object(
    {
      into: text('The merged topic.'),
      from: list(text('Pattern of remote topics.')),
      external: flag('It takes topics that others write (MirrorMaker 2, for example).'),
      partitions: whole('Of the merged topic.'),
      records: whole('In the merged topic.'),
      recordsExact,
      recordsPerSecond: number('Arriving now.'),
      watermark: watermark('All sites together are'),
      heldBackBy: list(alias, 'The sites whose watermark is the lowest.'),
      sources: list(
        object({
          alias,
          topic: text('Name at the site.'),
          remoteTopic: text('Name at central.'),
          watermark: watermark('This site is'),
          state: edgeState,
          copy: {
            anyOf: [ref('FlowCopy'), { type: 'null' }],
            description: 'null: it is merged as it lands.',
          },
        }),
      ),
    },
    'Remote topics feeding one merged topic.',
  ),
  FlowCopy: object(
    {
      records: whole('Copied so far.'),
      behind: orNull(
        whole(
          "Offsets that have yet to be copied, transactions' markers included; null: not known.",
        ),
      ),
      trouble: orNull(
        text('Why it stands still; told by the collector that makes the copy, null elsewhere.'),
      ),
    },
    'A source that is copied: others write it, or the flow takes what landed before it was there.',
  ),
  Event: object(
    {
      id: whole('Counts up within a run of central.'),
      at: time('When it happened.'),
      type: oneOf(eventTypes, 'What happened; also the name of the event.'),
      alias: text('The site; empty when it concerns none.'),
      message: text('One sentence for a person.'),
    },
    'Something that happened in the fleet.',
  ),
  EdgesEvent: object(
    {
      at: time('Now, by the clock of central.'),
      edges: list(ref('Edge'), 'Those that changed; all when `complete`.'),
      removed: list(alias),
      complete: { type: 'boolean', description: 'Forget what is not in `edges`.' },
    },
    'Data of the event "edges".',
  ),
  FlowsEvent: object(
    { at: time('Now, by the clock of central.'), flows: list(ref('Flow')) },
    'Data of the event "flows".',
  ),
};

const eventsDescription = [
  'What happened (named after its type; data is an Event) and how it stands: "edges" (EdgesEvent)',
  'and "flows" (FlowsEvent), all at first and then what changed, at most once a second and at',
  'least every five. Resume with Last-Event-ID; "reset" says that what was missed is not known.',
].join(' ');

export const flowPaths: { [path: string]: Schema } = {
  '/api/v1/flows': {
    get: {
      operationId: 'listFlows',
      summary: 'Merged topics, how far each is complete, and who holds it back',
      responses: { '200': json('All flows.', object({ flows: list(ref('Flow')) })) },
    },
  },
  '/api/v1/events': {
    get: {
      operationId: 'listenEvents',
      summary: 'The changes of the fleet as server-sent events',
      description: eventsDescription,
      parameters: [parameter('header', 'Last-Event-ID', text('Id of the last event seen.'))],
      responses: {
        '200': {
          description: 'An endless stream.',
          content: { 'text/event-stream': { schema: { type: 'string' } } },
        },
        '503': json('Enough clients are listening.', ref('Error')),
      },
    },
  },
};
