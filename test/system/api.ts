import { expect } from 'vitest';
import { httpOf, type Program } from './programs.ts';

/** The APIs of both programs, as a user asks them. */

export interface EdgeAnswer {
  alias: string;
  state: string;
  lastHeartbeatAt: string | null;
  lag: {
    records: number | null;
    bytes: number | null;
    seconds: number | null;
    atLeast: boolean;
    asOf: string | null;
  };
  losses: { records: number };
  epoch: string | null;
  counts: { accepted: number | null; landed: number; backlog: number | null; lost: number };
  alarms: string[];
}

export interface AgentAnswer {
  epoch: string;
  central: { state: string; lastError: string | null };
  buffer: { usedBytes: number; backlogRecords: number; backlogBytes: number; blocked: boolean };
  counts: { accepted: number; acknowledged: number; backlog: number; lost: number };
  sources: { name: string; state: string; detail: string; acceptedRecords: number }[];
  losses: { reason: string; records: number; scope: string; detail: string; landed: boolean }[];
}

export interface LossAnswer {
  alias: string;
  reason: string;
  scope: string;
  records: number;
  first: number;
  detail: string;
}

export interface MergedRecord {
  partition: number;
  offset: number;
  key: string | null;
  value: string;
  headers: [name: string, value: string | null][];
}

export async function ask<T>(url: string): Promise<T> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(20_000) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

export const edgesOf = async (central: Program): Promise<EdgeAnswer[]> =>
  (await ask<{ edges: EdgeAnswer[] }>(`${central.ready.status}/api/v1/edges`)).edges;

export const edgeOf = (central: Program, alias: string): Promise<EdgeAnswer> =>
  ask(`${central.ready.status}/api/v1/edges/${alias}`);

export const lossesOf = async (central: Program): Promise<LossAnswer[]> =>
  (await ask<{ losses: LossAnswer[] }>(`${central.ready.status}/api/v1/losses`)).losses;

export const agentOf = (edge: Program): Promise<AgentAnswer> =>
  ask(`${edge.ready.status}/api/v1/status`);

/** Every record of a topic at central, partition by partition in the order of their offsets. */
export async function recordsOf(central: Program, topic: string): Promise<MergedRecord[]> {
  const api = `${central.ready.status}/api/v1/topics`;
  const { topics } = await ask<{ topics: { topic: string; partitions: number }[] }>(api);
  const partitions = topics.find((one) => one.topic === topic)?.partitions ?? 0;
  const all: MergedRecord[] = [];
  for (let partition = 0; partition < partitions; partition += 1) {
    let next: number | null = 0;
    while (next !== null) {
      const page: { records: Omit<MergedRecord, 'partition'>[]; next: number | null } = await ask(
        `${api}/${topic}/partitions/${partition}/records?offset=${next}&limit=1000`,
      );
      for (const record of page.records) all.push({ ...record, partition });
      next = page.next;
    }
  }
  return all;
}

/** Posts values to `sensor-data` as one request; throws unless it is answered with 200. */
export async function post(edge: Program, key: string, values: readonly string[]): Promise<void> {
  const response = await postTo(httpOf(edge), key, values);
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
}

export const postTo = (
  url: string,
  key: string,
  values: readonly string[],
  headers: { readonly [name: string]: string } = {},
): Promise<Response> =>
  fetch(`${url}/v1/records/sensor-data`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson', ...headers },
    body: values.map((value) => JSON.stringify({ key, value })).join('\n'),
    signal: AbortSignal.timeout(20_000),
  });

/** Waits until the edge has nothing left that central lacks, and central has heard so. */
export async function drained(central: Program, edge: Program, alias: string, timeout = 60_000) {
  await expect
    .poll(async () => (await agentOf(edge)).counts.backlog, { timeout, interval: 200 })
    .toBe(0);
  await expect
    .poll(async () => (await edgeOf(central, alias)).lag, { timeout: 20_000, interval: 100 })
    .toMatchObject({ records: 0, bytes: 0, seconds: 0, atLeast: false });
}

/** Fails unless the terms agree, each counted by whoever knows it. */
export async function assertAccounts(central: Program, edge: Program, alias: string) {
  const [ours, theirs] = [await agentOf(edge), await edgeOf(central, alias)];
  const { accepted, landed, backlog, lost } = theirs.counts;
  expect(accepted).toBe(ours.counts.accepted);
  expect(accepted).toBe(landed + backlog! + lost);
  expect(lost).toBe(ours.counts.lost);
  expect(theirs.alarms.filter((alarm) => alarm.startsWith('counts'))).toEqual([]);
  return theirs;
}
