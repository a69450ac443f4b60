import type { KafkaError, OutgoingBatch } from '#shared/kafka/kafka.ts';
import { atMost } from '#shared/std/at-most.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import { encodeMm2Heartbeat } from '#shared/wire/mm2-heartbeat.ts';
import { heartbeatsTopic, remoteHeartbeatsTopic } from '#shared/wire/mm2-topics.ts';
import type { WireRecord } from '#shared/wire/record.ts';
import type { Due, MirrorWriter } from '../mirror/mirror.ts';
import { compactedConfigs } from './kafka-topic-configs.ts';
import type { TopicKeeper } from './kafka-topics.ts';
import { sealed } from './shard-records.ts';
import type { GroupStage } from './shard-stage.ts';

/** What a transaction writes for MirrorMaker 2's readers, beside what it is for. */
export interface Beside {
  batches: OutgoingBatch[];
  /** The transaction is committed. */
  committed(): void;
  /** It failed. Whether that was at one of these topics: it is then left out for a while. */
  leavesOut(error: KafkaError): boolean;
}

export interface BesideParts {
  topics: TopicKeeper;
  clock: Clock;
  log: Logger;
  /** Central's own alias. */
  alias: string;
  heartbeats: boolean;
  checkpoints: boolean;
}

/** How long a topic that takes no record is left alone, and one that nobody leads just now. */
const pauseMs = 60_000;
const shortPauseMs = 5_000;
/** A topic that is still being made after that is left out of this transaction. */
const patienceMs = 100;

/** What concerns one topic, and not the whole transaction. */
const atTopic: ReadonlySet<string> = new Set(['unavailable', 'refused', 'denied', 'missing']);

/** Finds what goes beside a transaction. A topic that does not take it never holds up records. */
export class BesideWriter {
  readonly #parts: BesideParts;
  /** When a topic may be tried again; it stays in here so that it is told once. */
  readonly #barred = new Map<string, number>();
  #mirror: MirrorWriter | undefined;

  constructor(parts: BesideParts) {
    this.#parts = parts;
  }

  attach(mirror: MirrorWriter): void {
    if (this.#parts.checkpoints) this.#mirror = mirror;
  }

  async for(stage: GroupStage, isOurs: (alias: string) => boolean, at: number): Promise<Beside> {
    const written = new Map<string, WireRecord[]>();
    if (this.#parts.heartbeats) addHeartbeats(written, stage, this.#parts.alias, at);
    const dues: { due: Due; topics: string[] }[] = [];
    for (const alias of this.#mirror?.waiting() ?? []) {
      const due = isOurs(alias) ? this.#mirror?.due(alias) : undefined;
      if (!due) continue;
      dues.push({ due, topics: due.topics.map(({ topic }) => topic) });
      for (const { topic, records } of due.topics) written.set(topic, records);
    }
    const ready = await this.#ready([...written.keys()]);
    return {
      batches: [...written].flatMap(([topic, records]) =>
        ready.has(topic) ? sealed(records).map((batch) => ({ topic, partition: 0, batch })) : [],
      ),
      committed: () => {
        for (const topic of ready) this.#barred.delete(topic);
        for (const { due, topics } of dues)
          if (topics.every((one) => ready.has(one))) due.written();
      },
      leavesOut: (error) => {
        const { topic, code } = error;
        if (topic === undefined || !ready.has(topic) || !atTopic.has(code)) return false;
        this.#bar(topic, error);
        return true;
      },
    };
  }

  /** Those that are there, now or within the patience; the others are made meanwhile. */
  async #ready(topics: readonly string[]): Promise<Set<string>> {
    const { clock } = this.#parts;
    const now = clock.monotonic();
    const ready = new Set<string>();
    const making = topics
      .filter((topic) => (this.#barred.get(topic) ?? 0) <= now)
      .map(async (topic) => {
        if (await this.#make(topic)) ready.add(topic);
      });
    await atMost(clock, patienceMs, Promise.all(making));
    // What comes too late is for the next transaction.
    return new Set(ready);
  }

  async #make(topic: string): Promise<boolean> {
    const need = { topic, partitions: 1, ours: false, configs: compactedConfigs };
    try {
      const refused = (await this.#parts.topics.ensure([need])).get(topic);
      if (refused) throw refused;
      return true;
    } catch (error) {
      this.#bar(topic, error);
      return false;
    }
  }

  #bar(topic: string, error: unknown): void {
    const { clock, log, topics } = this.#parts;
    if (!this.#barred.has(topic)) {
      log.warn({ topic, err: error }, "a topic of MirrorMaker 2's is left out");
    }
    topics.forget(topic);
    const isShort = (error as KafkaError).code === 'unavailable';
    this.#barred.set(topic, clock.monotonic() + (isShort ? shortPauseMs : pauseMs));
  }
}

/** As MirrorMaker 2's connector writes them: one to all heartbeats, one under the site's name. */
function addHeartbeats(
  written: Map<string, WireRecord[]>,
  stage: GroupStage,
  target: string,
  at: number,
): void {
  const all: WireRecord[] = [];
  for (const { alias, changed } of stage.aliases.values()) {
    if (!changed.has('heartbeat')) continue;
    const record = encodeMm2Heartbeat({ source: alias, target, timestampMs: at });
    const beat: WireRecord = { ...record, headers: [], timestamp: at };
    all.push(beat);
    written.set(remoteHeartbeatsTopic(alias), [beat]);
  }
  if (all.length > 0) written.set(heartbeatsTopic, all);
}
