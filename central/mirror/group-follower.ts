import type { GroupOffset, KafkaAdmin } from '#shared/kafka/kafka.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { syncGroups } from './group-sync.ts';
import type { AppliedGroup, GroupView, MirrorHost } from './mirror.ts';
import type { Place } from './translate.ts';

type GroupAdmin = Pick<KafkaAdmin, 'describeGroups' | 'groupOffsets' | 'setGroupOffsets'>;

interface FollowerParts {
  admin: GroupAdmin;
  clock: Clock;
  log: Logger;
  ofOneSite: MirrorHost['ofOneSite'];
}

/** Least time between two rounds, ms: each asks the coordinators of all groups. */
const intervalMs = 10_000;

/**
 * Central's own `__consumer_offsets` follow the sites' groups, in the remote topics. (Where several
 * sites land in one topic, a group has a position for each of them, and none is right for what the
 * others landed: there `translate --apply` says whose.)
 */
export class GroupFollower {
  readonly #parts: FollowerParts;
  #followedAt = Number.NEGATIVE_INFINITY;
  /** What is set, or was found to be further on, by group: asked again only where it moves. */
  readonly #settled = new Map<string, string>();

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  /** Rejects with a KafkaError; groups done by then are done. */
  async follow(views: () => readonly GroupView[]): Promise<void> {
    const { admin, clock, log, ofOneSite } = this.#parts;
    if (clock.monotonic() - this.#followedAt < intervalMs) return;
    this.#followedAt = clock.monotonic();
    const wanted = new Map<string, GroupOffset[]>();
    const now = views();
    const named = now.flatMap((view) => remotePlaces(view).map(({ topic }) => topic));
    const alone = ofOneSite(new Set(named));
    for (const view of now) {
      const mine = remotePlaces(view).filter(({ topic }) => alone.has(topic));
      const places = offsetsAt(view, mine);
      if (places.length === 0) continue;
      wanted.set(view.group, [...(wanted.get(view.group) ?? []), ...places]);
    }
    for (const [group, offsets] of wanted) {
      if (this.#settled.get(group) === JSON.stringify(offsets)) wanted.delete(group);
    }
    for (const { group, outcome, offsets } of await syncGroups(admin, wanted)) {
      if (outcome === 'active') this.#settled.delete(group);
      else this.#settled.set(group, JSON.stringify(wanted.get(group)));
      if (outcome === 'set') log.debug({ group, offsets }, 'group positions followed');
    }
  }
}

/** One group's places in remote and merged topics, as an administrator sets them. */
export async function applyGroup(
  admin: GroupAdmin,
  group: string,
  views: readonly GroupView[],
  dryRun: boolean,
): Promise<AppliedGroup> {
  const wanted = views.flatMap((view) => offsetsAt(view, [...remotePlaces(view), ...view.merged]));
  if (wanted.length === 0) return { group, outcome: 'unknown', offsets: [] };
  const [result] = await syncGroups(admin, new Map([[group, wanted]]), { dryRun });
  const { outcome, offsets } = result!;
  return {
    ...{ group, outcome },
    offsets: offsets.map(({ topic, partition, offset }) => ({ topic, partition, offset })),
  };
}

const remotePlaces = ({ remote, earlier }: GroupView): Place[] =>
  remote ? [remote, ...earlier] : [];

/** A place that might lie behind records that are not known to have been read is left out. */
function offsetsAt({ partition, metadata }: GroupView, places: readonly Place[]): GroupOffset[] {
  return places
    .filter(({ exactness }) => exactness !== 'before')
    .map(({ topic, offset }) => ({ topic, partition, offset, metadata }));
}
