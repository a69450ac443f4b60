import { showCount, showSeconds } from '#shared/std/text-table.ts';
import type { Child } from './start-process.ts';

/** What `npm start` tells a newcomer. */

export interface Running {
  central: Child;
  edges: readonly Child[];
}

const addressOf = ({ ready }: Child, source: string): URL =>
  new URL(ready.sources!.find(({ name }) => name === source)!.address);

export function welcome(
  { central, edges }: Running,
  folder: string,
  kafka: readonly string[] | null,
): string {
  const { status } = central.ready;
  const first = edges[0]!;
  const mqtt = addressOf(first, 'mqtt');
  const http = addressOf(first, 'http');
  const port = mqtt.port === '1883' ? '' : ` -p ${mqtt.port}`;
  const url = status === 'http://127.0.0.1:8080' ? '' : ` --url ${status}`;
  const message = `-t sensors/oven-1/temperature -m '{"c":21.5}'`;
  const post = `${http.origin}/v1/records/sensor-data`;
  return `
Tributary runs on this machine. Ctrl-C stops it; what it holds stays in ${folder}.

  Dashboard   ${status}/
  Collecting  every 2 s the vitals of this machine (host-metrics)
${edges.map((edge) => collecting(edge)).join('\n')}

Publish a message:

  npx mqtt pub -h 127.0.0.1${port} -q 1 ${message}

or post one:

  curl -H 'content-type: application/json' -d '{"c":21.5}' ${post}

and see it in the merged topic at central:

  npx tributary-central records sensor-data${url}
${kafka ? inKafkaWords(kafka) : ''}`;
}

const inKafkaWords = (brokers: readonly string[]): string => `
or in Kafka itself, where it is one of factory-a.sensor-data and of sensor-data:

  kcat -C -b ${brokers.join(',')} -t sensor-data -e -f '%T %k %s  %h\\n'
`;

function collecting(edge: Child): string {
  const mqtt = addressOf(edge, 'mqtt').host;
  const http = addressOf(edge, 'http').host;
  return `              ${edge.name}: MQTT at ${mqtt} (sensors/#), HTTP at ${http}, → sensor-data`;
}

export const flakyWords = (seed: number): string =>
  `The links are cut and restored at random (seed ${seed}; again with --seed ${seed}).
Watch the lag grow, be honest, and drain.
`;

interface EdgeLine {
  alias: string;
  state: string;
  lag: { records: number | null; seconds: number | null; atLeast: boolean };
  counts: { landed: number };
}

/** One line about all sites. */
export function fleetLine(edges: readonly EdgeLine[]): string {
  const shown = edges.map(({ alias, state, lag, counts }) => {
    const least = lag.atLeast && lag.seconds !== null ? '≥ ' : '';
    const behind = `${least}${showSeconds(lag.seconds)}`;
    const waiting = lag.records ? `, ${showCount(lag.records)} waiting` : '';
    return `${alias} ${state}, ${behind} behind${waiting}, ${showCount(counts.landed)} landed`;
  });
  return shown.join(' | ');
}
