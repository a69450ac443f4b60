import { type StreamId, streamKey } from '#shared/wire/link.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import type { CopyRow, TopicFact } from './kafka-rows.ts';
import { type AliasWrite, LandingError, type LossWrite, type SegmentWrite } from './landing.ts';
import {
  CommitStage,
  type Move,
  type StagedAlias,
  type StagedStream,
  targetsOf,
  unchanged,
} from './shard-commit.ts';
import { admitCopy, type CopyWrite, remoteEnd } from './shard-copies.ts';
import { copyKey, isOf, type ShardState, unknownStream } from './shard-state.ts';

/**
 * What a group of commits changes, over what is committed: one transaction. Each commit is staged
 * on what those before it leave behind; one that is refused leaves nothing.
 */
export class GroupStage {
  readonly #state: ShardState;
  /** Whether another shard has this topic, and as what. */
  readonly #topicElsewhere: (topic: string) => TopicFact | undefined;
  readonly #naming: Naming;
  readonly aliases = new Map<string, StagedAlias>();
  readonly topics = new Map<string, TopicFact>();
  /** Ids of topics that were made here. */
  readonly made = new Map<string, string>();
  readonly moves: Move[] = [];
  readonly losses: { alias: string; at: number; loss: LossWrite }[] = [];
  readonly commits: CommitStage[] = [];
  readonly copies = new Map<string, { write: CopyWrite; row: CopyRow }>();

  constructor(
    state: ShardState,
    topicElsewhere: (topic: string) => TopicFact | undefined,
    naming: Naming,
  ) {
    this.#state = state;
    this.#topicElsewhere = topicElsewhere;
    this.#naming = naming;
  }

  /** Throws a LandingError `refused` or `fenced`, and then nothing of it is staged. */
  add(writes: readonly AliasWrite[]): CommitStage {
    const commit = new CommitStage(this);
    for (const write of writes) commit.write(write);
    for (const [alias, staged] of commit.aliases) this.#absorb(alias, staged);
    for (const [topic, fact] of commit.topics) this.topics.set(topic, fact);
    this.moves.push(...commit.moves);
    this.losses.push(...commit.losses);
    this.commits.push(commit);
    return commit;
  }

  /** One piece of a copy a transaction. Throws a LandingError `refused`. */
  copy(write: CopyWrite, at: number): void {
    const { into, from, partition } = write;
    const key = copyKey(into, from, partition);
    const hasMore = this.moves.some(
      ({ segment }) => segment.remoteTopic === from && segment.partition === partition,
    );
    const committed = write.own ? remoteEnd(this.#state, from, partition) : 0;
    if (this.kindOf(into) === 'remote') {
      throw new LandingError('refused', `topic "${into}" is a remote topic and cannot be merged`);
    }
    const row = admitCopy(write, this.#copyRow(key), { committed, hasMore });
    this.copies.set(key, { write, row });
    if (!this.hasTopic(into)) this.topics.set(into, this.factOf('merged'));
    for (const { alias, loss } of write.losses) this.losses.push({ alias, at, loss });
  }

  #copyRow(key: string): CopyRow | undefined {
    return this.copies.get(key)?.row ?? this.#state.copies.get(key);
  }

  /** Merged topics that the shard itself feeds now: not those whose copy is not there yet. */
  feeds({ mergedTopics, remoteTopic, partition }: SegmentWrite): string[] {
    return mergedTopics.filter((into) => {
      const key = copyKey(into, remoteTopic, partition);
      return !this.#state.fills.has(key) && this.#copyRow(key)?.live !== false;
    });
  }

  /** A copy for one commit to change; undefined when the alias is not known. */
  alias(alias: string): StagedAlias | undefined {
    const staged = this.aliases.get(alias);
    if (staged) {
      if (staged.gone) return undefined;
      return { ...staged, row: { ...staged.row }, ...unchanged() };
    }
    const known = this.#state.alias(alias);
    if (!known) return undefined;
    return {
      ...{ alias, row: { ...known.row }, lineage: known.lineage, heartbeat: known.heartbeat },
      ...{ removals: 0, gone: false, ...unchanged() },
    };
  }

  stream(alias: StagedAlias, id: StreamId): StagedStream {
    const key = streamKey(id);
    const earlier = this.aliases.get(alias.alias);
    const before = earlier?.removals === alias.removals ? earlier.streams.get(key) : undefined;
    const committed =
      alias.removals > 0 ? undefined : this.#state.alias(alias.alias)?.streams.get(key);
    const known = before ?? committed;
    const row = known ? { ...known.row, merged: { ...known.row.merged } } : blank();
    return { id, row, lost: known?.lost ?? [], before, lostChanged: new Set() };
  }

  /** What it is by the naming of now; what another naming made of it binds nobody. */
  kindOf(topic: string): TopicFact['kind'] | undefined {
    const own = [this.topics.get(topic), this.#state.topics.get(topic)];
    const facts = [...own, this.#topicElsewhere(topic)];
    return facts.find((fact) => fact && isOf(fact, this.#naming))?.kind;
  }

  factOf(kind: TopicFact['kind']): TopicFact {
    return this.#naming === 'default' ? { kind } : { kind, naming: this.#naming };
  }

  /** It was written to before this group, by some shard. */
  wasOurs(topic: string): boolean {
    return (this.#state.topics.get(topic) ?? this.#topicElsewhere(topic)) !== undefined;
  }

  /** Whether the shard's own rows say already what it is. */
  hasTopic(topic: string): boolean {
    const fact = this.topics.get(topic) ?? this.#state.topics.get(topic);
    return fact !== undefined && isOf(fact, this.#naming);
  }

  #absorb(alias: string, staged: StagedAlias): void {
    const earlier = this.aliases.get(alias);
    if (earlier && staged.removals === earlier.removals) {
      for (const name of earlier.changed) staged.changed.add(name);
      staged.facts = new Map([...earlier.facts, ...staged.facts]);
      for (const [key, stream] of earlier.streams) {
        const later = staged.streams.get(key);
        if (!later) staged.streams.set(key, stream);
        else for (const number of stream.lostChanged) later.lostChanged.add(number);
      }
    }
    this.aliases.set(alias, staged);
  }

  /**
   * Fills in where everything landed: `offsets` has the remote topic's base offset of each move and
   * those of its merged topics, in the order of `moves` and `targetsOf`.
   */
  landed(offsets: readonly number[]): void {
    let at = 0;
    for (const commit of this.commits) {
      for (const { streams } of commit.aliases.values()) {
        for (const stream of streams.values()) inherit(stream);
      }
      for (const { segment, stream } of commit.moves) {
        for (const { topic, kind } of targetsOf(segment)) {
          const end = offsets[at++]! + segment.count;
          if (kind === 'remote') stream.row.remoteOffset = end;
          else stream.row.merged[topic] = end;
        }
      }
    }
  }
}

function inherit(stream: StagedStream): void {
  if (!stream.before) return;
  stream.row.remoteOffset = stream.before.row.remoteOffset;
  stream.row.merged = { ...stream.before.row.merged };
}

const blank = () => ({ ...unknownStream, merged: {} });
