import { eventTypes } from '../words.ts';
import { edgeState } from './edges.ts';
import {
  alias,
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

const watermark = (of: string) =>
  orNull(time(`${of} complete through this time of acceptance, by the clock of central.`));

export const flowSchemas: { [name: string]: Schema } = {
  Flow: object(
    {
      into: text('The merged topic.'),
      from: list(text('Pattern of remote topics.')),
      partitions: whole('Of the merged topic.'),
      records: whole('In the merged topic.'),
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
        }),
      ),
    },
    'Remote topics feeding one merged topic.',
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
