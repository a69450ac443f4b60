import type { Row } from './kafka-rows.ts';
import type { StagedAlias, StagedStream } from './shard-commit.ts';
import type { GroupStage } from './shard-stage.ts';
import type { AliasEntry, ShardState } from './shard-state.ts';

/** The rows that a group changes, one for each key; offsets are filled in already. */
export function rowsOf(stage: GroupStage, state: ShardState): Row[] {
  const rows: Row[] = [];
  for (const [topic, value] of stage.topics) rows.push({ key: ['topic', topic], value });
  for (const [topic, id] of stage.made) {
    if (state.made.get(topic) !== id) rows.push({ key: ['made', topic], value: id });
  }
  for (const { write, row } of stage.copies.values()) {
    rows.push({ key: ['copy', write.into, write.from, write.partition], value: row });
  }
  for (const staged of stage.aliases.values()) {
    const committed = state.aliases.get(staged.alias);
    if (staged.removals > 0 && committed) rows.push(...tombstones(committed, staged));
    if (!staged.gone) rows.push(...aliasRows(staged));
  }
  return rows;
}

/** Of all that the alias left and does not write again. The alias itself goes last. */
function* tombstones(committed: AliasEntry, staged: StagedAlias): Generator<Row> {
  const { alias } = committed;
  for (const [key, { id, lost }] of committed.streams) {
    const again = staged.streams.get(key);
    const { epoch, topic, partition } = id;
    for (const { number } of lost) {
      if (again?.lostChanged.has(number)) continue;
      yield { key: ['lost', alias, epoch, topic, partition, number], value: null };
    }
    if (!again) yield { key: ['stream', alias, epoch, topic, partition], value: null };
  }
  for (const key of committed.facts.keys()) {
    if (!staged.facts.has(key)) yield { key: ['fact', alias, key], value: null };
  }
  if (staged.gone) {
    yield { key: ['lineage', alias], value: null };
    yield { key: ['alias', alias], value: null };
  }
}

function* aliasRows(staged: StagedAlias): Generator<Row> {
  const { alias, row, lineage, changed, streams, facts } = staged;
  if (changed.has('alias')) yield { key: ['alias', alias], value: row };
  if (changed.has('lineage')) yield { key: ['lineage', alias], value: lineage };
  for (const [key, value] of facts) yield { key: ['fact', alias, key], value };
  for (const stream of streams.values()) yield* streamRows(alias, stream);
}

function* streamRows(alias: string, { id, row, lost, lostChanged }: StagedStream): Generator<Row> {
  const { epoch, topic, partition } = id;
  yield { key: ['stream', alias, epoch, topic, partition], value: row };
  for (const number of lostChanged) {
    const range = lost.find((one) => one.number === number);
    const value = range ? ([range.first, range.last] satisfies [number, number]) : null;
    yield { key: ['lost', alias, epoch, topic, partition, number], value };
  }
}

/** The group is committed: what is committed of the shard moves on. */
export function settle(stage: GroupStage, state: ShardState): void {
  for (const [topic, fact] of stage.topics) state.topics.set(topic, fact);
  for (const [topic, id] of stage.made) state.made.set(topic, id);
  for (const [key, { row }] of stage.copies) {
    state.copies.set(key, row);
    state.fills.delete(key);
  }
  for (const staged of stage.aliases.values()) {
    const { alias, row, lineage, heartbeat, removals, gone, facts } = staged;
    if (removals > 0) state.aliases.delete(alias);
    if (gone) continue;
    const entry = state.aliases.get(alias);
    const streams = entry?.streams ?? new Map();
    for (const [key, { id, row, lost }] of staged.streams) streams.set(key, { id, row, lost });
    const known = entry?.facts ?? new Map();
    for (const [key, value] of facts) {
      if (value === null) known.delete(key);
      else known.set(key, value);
    }
    state.aliases.set(alias, { alias, row, lineage, heartbeat, streams, facts: known });
  }
}
