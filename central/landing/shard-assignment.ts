import { murmur2 } from '#shared/wire/murmur2.ts';

/** What a collector tells the others of itself. */
export interface CollectorFacts {
  /** Where sites reach it; null: it has no address for others. */
  linkUrl: string | null;
  /** Names its flows: collectors that differ in them must not merge side by side. */
  flows: string;
}

export interface Member extends CollectorFacts {
  memberId: string;
}

/** Who owns what, as the leader decided; everybody gets the whole of it. */
export interface Assignment {
  /** By shard: the member, and where sites reach it; null: nobody. */
  owners: ({ memberId: string; linkUrl: string | null } | null)[];
  /** The flows of those who own shards; who has others owns none. */
  flows: string;
}

/**
 * Shares the shards evenly, by rendezvous hashing under a cap, so that who comes or goes moves few.
 * Collectors with other flows than `current` own none while one with `current` is left; then the
 * flows of most count.
 */
export function assignShards(
  members: readonly Member[],
  shards: number,
  current: string | null,
): Assignment {
  const flows = flowsOf(members, current);
  const fit = members.filter((member) => member.flows === flows);
  const cap = Math.ceil(shards / Math.max(1, fit.length));
  const taken = new Map<string, number>();
  const owners = Array.from({ length: shards }, (_, shard) => {
    const ranked = fit
      .filter(({ memberId }) => (taken.get(memberId) ?? 0) < cap)
      .map((member) => ({ member, weight: murmur2(Buffer.from(`${member.memberId}/${shard}`)) }))
      .sort((a, b) => b.weight - a.weight || (a.member.memberId < b.member.memberId ? -1 : 1));
    const member = ranked[0]?.member;
    if (!member) return null;
    taken.set(member.memberId, (taken.get(member.memberId) ?? 0) + 1);
    return { memberId: member.memberId, linkUrl: member.linkUrl };
  });
  return { owners, flows };
}

function flowsOf(members: readonly Member[], current: string | null): string {
  if (current !== null && members.some(({ flows }) => flows === current)) return current;
  const counts = new Map<string, number>();
  for (const { flows } of members) counts.set(flows, (counts.get(flows) ?? 0) + 1);
  const ranked = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return ranked[0]?.[0] ?? current ?? '';
}
