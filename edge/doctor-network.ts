import { connect, createServer } from 'node:net';
import { readConnection } from '#shared/kafka/connection-settings.ts';
import type { Clock } from '#shared/std/clock.ts';
import { askHttp, NoAnswer } from '#shared/std/http-request.ts';
import { parseListen } from '#shared/std/listen-address.ts';
import { silentLog } from '#shared/std/log.ts';
import { linkPath } from '#shared/wire/link.ts';
import { topicFilter } from '#shared/wire/mm2-filter.ts';
import type { Finding } from './cli-doctor.ts';
import { settingsUrl } from './cli-edge.ts';
import type { EdgeConfig } from './config.ts';

const patienceMs = 5_000;

/** Whether the agent runs; it holds the buffer and the listeners then. */
export async function checkAgent(
  config: EdgeConfig,
): Promise<{ isRunning: boolean; finding: Finding }> {
  const check = 'agent';
  if (parseListen(config.status.listen).port === 0) {
    const message = 'status.listen picks any port: whether an agent runs is not known';
    return { isRunning: false, finding: { check, level: 'ok', message } };
  }
  const url = settingsUrl(config);
  try {
    const { status } = await askHttp(`${url}/healthz`, { timeoutMs: patienceMs });
    const message = `runs at ${url}, ${status === 200 ? 'healthy' : 'not healthy'}`;
    const advice = 'see "tributary-edge status" and its log';
    const finding: Finding =
      status === 200 ? { check, level: 'ok', message } : { check, level: 'fail', message, advice };
    return { isRunning: true, finding };
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    const message = `none runs: ${error.message}`;
    const advice = 'start it: systemctl start tributary-edge, or tributary-edge run';
    return { isRunning: false, finding: { check, level: 'warn', message, advice } };
  }
}

/** Whether the addresses that the agent would listen on are free. */
export async function checkListeners({ status, sources }: EdgeConfig): Promise<Finding[]> {
  const wanted = [
    { check: 'status.listen', listen: status.listen },
    ...sources.flatMap((one) =>
      'listen' in one ? [{ check: `source ${one.name}`, listen: one.listen }] : [],
    ),
  ];
  return Promise.all(
    wanted.map(async ({ check, listen }): Promise<Finding> => {
      const problem = await bindProblem(listen);
      if (problem === undefined) return { check, level: 'ok', message: `${listen} is free` };
      const advice =
        problem === 'EADDRINUSE'
          ? 'another program listens there: stop it, or choose another port'
          : 'choose an address of this machine and a port above 1023';
      return { check, level: 'fail', message: `${listen}: ${problem}`, advice };
    }),
  );
}

function bindProblem(listen: string): Promise<string | undefined> {
  const { host, port } = parseListen(listen);
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

/** Whether each central answers like one, and what its clock says. */
export async function checkCentral({ central }: EdgeConfig, clock: Clock): Promise<Finding[]> {
  return (await Promise.all(central.urls.map((url) => askCentral(url, clock)))).flat();
}

const offsetSecondsMax = 60;

async function askCentral(url: string, clock: Clock): Promise<Finding[]> {
  const check = 'central';
  try {
    // A GET opens no session: central answers that only POST is possible, and so shows what it is.
    const answer = await askHttp(`${url}${linkPath.hello}`, { timeoutMs: patienceMs });
    if (!isErrorBody(answer.text)) {
      const message = `${url} answers, but not like Tributary (status ${answer.status})`;
      const advice = 'central.url must be the address of link.listen at central';
      return [{ check, level: 'fail', message, advice }];
    }
    const answers: Finding = { check, level: 'ok', message: `${url} answers` };
    return [answers, clockFinding(answer.headers.date, clock)];
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    const { message } = error;
    const advice =
      'records are kept here until it does; check the address, the firewall, and central itself';
    return [{ check, level: 'fail', message, advice }];
  }
}

function isErrorBody(text: string): boolean {
  try {
    return typeof (JSON.parse(text) as { error?: { code?: unknown } }).error?.code === 'string';
  } catch {
    return false;
  }
}

function clockFinding(date: string | undefined, clock: Clock): Finding {
  const offset = date === undefined ? Number.NaN : (clock.now() - Date.parse(date)) / 1000;
  const check = 'clock';
  if (Number.isNaN(offset)) return { check, level: 'ok', message: 'central tells no time' };
  if (Math.abs(offset) <= offsetSecondsMax) {
    return { check, level: 'ok', message: `within ${offsetSecondsMax} s of central's` };
  }
  const message = `${Math.round(Math.abs(offset))} s ${offset > 0 ? 'ahead of' : 'behind'} central's`;
  const advice = 'records get wrong timestamps; set the clock (timedatectl set-ntp true)';
  return { check, level: 'warn', message, advice };
}

/** Whether the brokers that sources are clients of take connections. */
export async function checkBrokers({ sources }: EdgeConfig): Promise<Finding[]> {
  const clients = sources.flatMap((one) => ('url' in one ? [one] : []));
  return Promise.all(
    clients.map(async ({ name, url }): Promise<Finding> => {
      const check = `source ${name}`;
      const problem = await connectProblem(new URL(url));
      if (problem === undefined) return { check, level: 'ok', message: `${url} takes connections` };
      const advice = 'the agent keeps trying; start the broker or correct the url of this source';
      return { check, level: 'fail', message: `${url}: ${problem}`, advice };
    }),
  );
}

/** Whether the Kafkas that are replicated let us in, and show their topics. */
export async function checkKafkas({ alias, sources }: EdgeConfig): Promise<Finding[]> {
  const kafkas = sources.filter((one) => one.type === 'kafka');
  if (kafkas.length === 0) return [];
  const { openKafka } = await import('#shared/kafka/open-kafka.ts');
  return Promise.all(
    kafkas.map(async ({ name, connection, topics, topicsExclude, cutLoopsOf }) => {
      const check = `source ${name}`;
      const timeouts = { requestTimeoutMs: patienceMs, connectionTimeoutMs: patienceMs };
      try {
        const settings = { ...(await readConnection(connection)), clientId: `tributary-${alias}` };
        const kafka = openKafka({ ...settings, ...timeouts }, { log: silentLog });
        try {
          const wanted = topicFilter({ include: topics, exclude: topicsExclude, cutLoopsOf });
          const all = await kafka.admin.topics();
          const some = all.filter(({ topic }) => wanted(topic)).length;
          const message = `${connection.brokers[0]}: ${some} of ${all.length} topics are replicated`;
          return { check, level: 'ok', message } as const;
        } finally {
          await kafka.close();
        }
      } catch (error) {
        const advice = 'the agent keeps trying; start its brokers or correct brokers, tls and sasl';
        return { check, level: 'fail', message: (error as Error).message, advice } as const;
      }
    }),
  );
}

const defaultPorts: { readonly [scheme: string]: number } = {
  'mqtt:': 1883,
  'tcp:': 1883,
  'mqtts:': 8883,
  'ssl:': 8883,
  'ws:': 80,
  'wss:': 443,
};

function connectProblem({ protocol, hostname, port }: URL): Promise<string | undefined> {
  return new Promise((resolve) => {
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const socket = connect({ host, port: Number(port) || defaultPorts[protocol]! });
    const end = (problem?: string) => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(patienceMs, () => end(`no answer within ${patienceMs / 1000} s`));
    socket.once('connect', () => end());
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
