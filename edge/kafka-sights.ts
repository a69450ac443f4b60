import { atMost } from '#shared/std/at-most.ts';
import type { Clock } from '#shared/std/clock.ts';
import { type KafkaGroupsOptions, type KafkaSight, seeGroups } from './source/kafka-groups.ts';

/** One Kafka of the site; undefined before it was reached for the first time. */
export type SightOptions = KafkaGroupsOptions | undefined;

/**
 * What the Kafkas of a site were like when they were last seen. One that is down, or takes its
 * time, stays as it was and holds up nobody.
 */
export class KafkaSights {
  readonly #clock: Clock;
  readonly #seen: KafkaSight[] = [];
  readonly #looking: (Promise<void> | undefined)[] = [];
  /** Why the one that was last looked at in vain cannot be seen. */
  trouble: unknown;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Looks at each for `patienceMs` at most. undefined while one of them was never seen: what is told
   * of the others alone would void what central knows of it.
   */
  async look(
    clusters: readonly SightOptions[],
    patienceMs: number,
    signal: AbortSignal,
  ): Promise<KafkaSight | undefined> {
    this.trouble = undefined;
    const all = Promise.all(clusters.map((cluster, i) => this.#see(cluster, i)));
    await atMost(this.#clock, patienceMs, all, signal);
    if (signal.aborted) return undefined;
    return clusters.every((_, i) => this.#seen[i]) ? together(this.#seen) : undefined;
  }

  #see(cluster: SightOptions, index: number): Promise<void> | undefined {
    if (!cluster) return undefined;
    this.#looking[index] ??= seeGroups(cluster).then(
      (sight) => {
        this.#seen[index] = sight;
        this.#looking[index] = undefined;
      },
      (error: unknown) => {
        this.trouble = error;
        this.#looking[index] = undefined;
      },
    );
    return this.#looking[index];
  }
}

function together(sights: readonly KafkaSight[]): KafkaSight {
  const acls = sights.flatMap((one) => one.acls ?? []);
  return {
    groups: sights.flatMap(({ groups }) => groups),
    positions: sights.flatMap(({ positions }) => positions),
    topics: sights.flatMap(({ topics }) => topics),
    acls: sights.some((one) => one.acls) ? acls : null,
  };
}
