import type { LandedRecord, Landing } from '#central/landing/landing.ts';

/** One record that a publisher gave to a site. */
export interface Published {
  id: string;
  alias: string;
  topic: string;
  key: string;
  /** Counts up per site, in the order of publishing. */
  order: number;
  /** Resolved: durable, as far as the site can promise. Otherwise it may or may not have been kept. */
  accepted: boolean;
  /** The disk that held it was destroyed before it landed: nobody promises anything. */
  excused: boolean;
}

export interface Landed {
  id: string;
  topic: string;
  partition: number;
  offset: number;
  key: string;
  alias: string;
  epoch: string;
  sequence: number;
}

/** Everything that a reader at central would see, in offset order per topic-partition. */
export async function readAll(landing: Landing): Promise<Landed[]> {
  const landed: Landed[] = [];
  for (const { topic, kind, partitions } of await landing.topics()) {
    if (kind === 'internal') continue;
    for (const { partition } of partitions) {
      let offset: number | null = 0;
      while (offset !== null) {
        const page = await landing.records(topic, partition, offset, 1000);
        if (!page) throw new Error(`no page of ${topic}-${partition} at ${offset}`);
        landed.push(...page.records.map((record) => describe(topic, partition, record)));
        offset = page.next;
      }
    }
  }
  return landed;
}

function describe(topic: string, partition: number, record: LandedRecord): Landed {
  const header = (name: string) =>
    record.headers.find(([each]) => each === name)?.[1]?.toString() ?? '';
  return {
    ...{ id: record.value?.toString() ?? '', topic, partition, offset: record.offset },
    key: record.key?.toString() ?? '',
    alias: header('tributary.alias'),
    epoch: header('tributary.epoch'),
    sequence: Number(header('tributary.sequence')),
  };
}

/** What is wrong with what landed, in words; empty when every promise was kept. */
export function judge(
  published: readonly Published[],
  landed: readonly Landed[],
  lostBySite: ReadonlyMap<string, number>,
): string[] {
  const remote = landed.filter(({ topic }) => topic !== 'merged');
  const merged = landed.filter(({ topic }) => topic === 'merged');
  return [
    ...twice(remote, 'remote'),
    ...twice(merged, 'merged'),
    ...disagreement(remote, merged),
    ...missing(published, remote, lostBySite),
    ...foreign(published, remote),
    ...disorder(published, remote),
    ...disorder(published, merged),
    ...sequencesBack(remote),
  ];
}

function twice(records: readonly Landed[], where: string): string[] {
  const seen = new Set<string>();
  return records.flatMap(({ id }) => {
    if (seen.has(id)) return [`${id} landed twice in ${where}`];
    seen.add(id);
    return [];
  });
}

function disagreement(remote: readonly Landed[], merged: readonly Landed[]): string[] {
  const ids = (records: readonly Landed[]) => new Set(records.map(({ id }) => id));
  const [a, b] = [ids(remote), ids(merged)];
  return [
    ...[...a.difference(b)].map((id) => `${id} is in its remote topic and not in the merged one`),
    ...[...b.difference(a)].map((id) => `${id} is in the merged topic and not in its remote one`),
  ];
}

/** Accepted records that are neither landed nor declared lost. */
function missing(
  published: readonly Published[],
  remote: readonly Landed[],
  lostBySite: ReadonlyMap<string, number>,
): string[] {
  const landed = new Set(remote.map(({ id }) => id));
  const gone = new Map<string, string[]>();
  for (const { id, alias, accepted, excused } of published) {
    if (!accepted || excused || landed.has(id)) continue;
    gone.set(alias, [...(gone.get(alias) ?? []), id]);
  }
  return [...gone].flatMap(([alias, ids]) => {
    const lost = lostBySite.get(alias) ?? 0;
    if (ids.length <= lost) return [];
    return [`${alias}: ${ids.length} accepted records missing, ${lost} declared lost: ${ids[0]} …`];
  });
}

function foreign(published: readonly Published[], remote: readonly Landed[]): string[] {
  const known = new Map(published.map((each) => [each.id, each]));
  return remote.flatMap(({ id, alias, topic }) => {
    const origin = known.get(id);
    if (!origin) return [`${id} was never published`];
    const right = origin.alias === alias && topic === `${alias}.${origin.topic}`;
    return right ? [] : [`${id} of ${origin.alias} landed in ${topic} under the name of ${alias}`];
  });
}

/** Per site and key, in the order of publishing within each topic. */
function disorder(published: readonly Published[], records: readonly Landed[]): string[] {
  const order = new Map(published.map((each) => [each.id, each.order]));
  const last = new Map<string, number>();
  return records.flatMap(({ id, alias, key, topic, partition }) => {
    const lane = `${topic}/${partition}/${alias}/${key}`;
    const now = order.get(id) ?? -1;
    const before = last.get(lane) ?? -1;
    last.set(lane, now);
    return now > before ? [] : [`${lane}: ${id} (${now}) behind ${before}`];
  });
}

function sequencesBack(remote: readonly Landed[]): string[] {
  const last = new Map<string, number>();
  return remote.flatMap(({ topic, partition, epoch, sequence }) => {
    const stream = `${topic}/${partition}/${epoch}`;
    const before = last.get(stream) ?? -1;
    last.set(stream, sequence);
    return sequence > before ? [] : [`${stream}: sequence ${sequence} behind ${before}`];
  });
}
