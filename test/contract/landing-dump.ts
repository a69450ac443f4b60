import type { Landing } from '#central/landing/landing.ts';
import type { WireRecord } from '#shared/wire/record.ts';

/** Everything that a landing tells, as plain data: two landings of equal dumps hold the same. */
export async function dump(landing: Landing): Promise<unknown> {
  const aliases = await landing.aliases();
  const states = await Promise.all(aliases.map(({ alias }) => landing.load(alias)));
  const topics = await landing.topics();
  const records: { [name: string]: unknown } = {};
  for (const { topic, partitions } of topics) {
    for (const { partition } of partitions) {
      records[`${topic}/${partition}`] = (await readAll(landing, topic, partition)).map(plain);
    }
  }
  return {
    centralId: landing.centralId,
    aliases,
    states,
    checkpoints: await landing.checkpoints({}),
    losses: await landing.losses({ limit: 1000 }),
    topics,
    records,
  };
}

/** Transactions' markers take offsets too: how many depends on how commits were grouped. */
export function withoutOffsets(value: unknown): unknown {
  const hidden = new Set(['remoteOffset', 'offset', 'startOffset', 'endOffset']);
  const text = JSON.stringify(value, (key, inner) => {
    if (key === 'topics') return (inner as { topic: string }[]).map(({ topic }) => topic);
    return hidden.has(key) ? undefined : inner;
  });
  return JSON.parse(text.replace(/"\d+\|/g, '"|'));
}

export type Read = WireRecord & { offset: number };

/** All records of a partition, page by page. */
export async function readAll(
  landing: Landing,
  topic: string,
  partition: number,
  limit = 1000,
): Promise<Read[]> {
  const all: Read[] = [];
  for (let offset: number | null = 0; offset !== null; ) {
    const page = await landing.records(topic, partition, offset, limit);
    if (!page) throw new Error(`no ${topic}/${partition}`);
    all.push(...page.records);
    offset = page.next;
  }
  return all;
}

const plain = ({ offset, key, value, headers, timestamp }: Read) =>
  [
    offset,
    timestamp,
    key?.toString('latin1') ?? null,
    value?.toString('latin1') ?? null,
    headers.map(([name, content]) => `${name}=${content?.toString('latin1')}`).join(),
  ].join('|');

export const sequenceOf = (record: WireRecord): number =>
  Number(record.headers.find(([name]) => name === 'tributary.sequence')?.[1]?.toString());
