import type { Kafka } from '#shared/kafka/kafka.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { isInternalTopic } from '#shared/wire/topic-name.ts';
import { Copier } from './kafka-copier.ts';
import type { CopyFlows } from './kafka-copy-sources.ts';
import { CopyWatch } from './kafka-copy-watch.ts';
import { shardOf } from './kafka-names.ts';
import type { CopyView } from './landing.ts';
import type { Shard } from './shard.ts';

export interface CopiesParts {
  kafka: Kafka;
  clock: Clock;
  log: Logger;
  flows: CopyFlows;
  /** Central's own alias. */
  alias: string;
  shards: readonly Shard[];
  /** Topics that landed here. */
  isLanded: (topic: string) => boolean;
}

/** Copies of this collector's shards are made here, and those of all are watched. */
export class Copies {
  readonly #copier: Copier;
  readonly #watch: CopyWatch;

  constructor({ log, shards, isLanded, ...parts }: CopiesParts) {
    const isBegun = shards.some(({ state }) => {
      return [...state.copies.values()].some(({ live }) => !live);
    });
    const shared = {
      ...parts,
      flows: { ...parts.flows, any: parts.flows.any || isBegun },
      // External ones have no alias that would tell whose copy it is.
      shardOfCopy: (topic: string, partition: number) =>
        shardOf(`${topic}/${partition}`, shards.length),
      isOurs: (topic: string) => isInternalTopic(topic) || isLanded(topic),
    };
    const copier = new Copier({
      ...{ ...shared, log },
      owned: () => shards.filter(({ owned }) => owned),
    });
    this.#copier = copier;
    this.#watch = new CopyWatch({
      ...{ ...shared, states: shards.map(({ state }) => state) },
      troubleOf: (key) => copier.troubleOf(key),
    });
  }

  views(): CopyView[] {
    return this.#watch.views();
  }

  async close(): Promise<void> {
    await Promise.all([this.#copier.close(), this.#watch.close()]);
  }
}
