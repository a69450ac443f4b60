import { hex32 } from '#shared/wire/frame-rules.ts';
import { limits } from '#shared/wire/limits.ts';
import type { LossReason } from '#shared/wire/loss.ts';
import { partitionOf } from '#shared/wire/murmur2.ts';
import { recordBytes, recordProblem } from '#shared/wire/record.ts';
import type { RecordRun } from '#shared/wire/record-run.ts';
import type { DeliveredRecord, Delivery } from '../source/source.ts';
import { type Origin, sealedRecordMore, type Weighed, weigh, weightMax } from './segment.ts';
import { sourceRunBytes } from './source-run-rows.ts';

/** What takes a sequence and is no record: one that cannot be kept, or a source's marker. */
export interface Unkept {
  bytes: number;
  reason: LossReason;
  detail: string;
  /** Of a marker: how many records the source lost. */
  atSource?: number;
}

/** Records that are not opened, with their places at their source. */
export interface Unopened {
  runs: readonly RecordRun[];
  count: number;
  incarnation: string;
}

export type Item = Weighed | Unkept | Unopened;
export const isKept = (item: Item): item is Weighed => 'record' in item;
export const isUnopened = (item: Item): item is Unopened => 'runs' in item;

export interface Placed {
  /** By partition, in order. */
  items: Map<number, Item[]>;
  accepted: number;
  declaredLost: number;
  /** What it will take at most, before compression. */
  bytes: number;
}

export interface Placing {
  alias: string;
  partitions: number;
  /** Partition of records without a key, this time. */
  sticky: number;
}

/** Where each record of a delivery goes, and which cannot be kept. Decides only. */
export function place(delivery: Delivery, placing: Placing): Placed {
  const { topic, records, sourceLoss } = delivery;
  const incarnation = hex32.test(delivery.incarnation ?? '') ? delivery.incarnation : undefined;
  const site = { alias: placing.alias, topic };
  const items = new Map<number, Item[]>();
  const placed = { items, accepted: 0, declaredLost: 0, bytes: 0 };
  let next = -1;
  for (const record of records) {
    const partition = partitionFor(record, placing);
    const origin = originOf(record, incarnation);
    const item = partition.problem ? partition.problem : itemOf(record, site, origin);
    if (isKept(item)) {
      placed.accepted += 1;
      placed.bytes += item.size;
      if (origin && origin.offset !== next) placed.bytes += sourceRunBytes;
      next = (origin?.offset ?? -2) + 1;
    } else placed.declaredLost += 1;
    push(items, partition.number, item);
  }
  if (delivery.runs) {
    const { partition, runs } = delivery.runs;
    if (incarnation === undefined || !hex32.test(incarnation)) {
      throw new TypeError('records that are not opened need the life of their topic');
    }
    const count = runs.reduce((sum, run) => sum + run.count, 0);
    push(items, partition, { runs, count, incarnation });
    placed.accepted += count;
    for (const { bytes } of runs) placed.bytes += bytes.length;
    placed.bytes += count * sealedRecordMore(site) + runs.length * sourceRunBytes;
  }
  if (sourceLoss) {
    const { records: atSource, detail, partition = 0 } = sourceLoss;
    push(items, partition, { bytes: 0, reason: 'source-gap', detail, atSource });
  }
  return placed;
}

function push(items: Map<number, Item[]>, partition: number, item: Item): void {
  const list = items.get(partition);
  if (list) list.push(item);
  else items.set(partition, [item]);
}

function partitionFor(
  record: DeliveredRecord,
  { partitions, sticky }: Placing,
): { number: number; problem?: Unkept } {
  const { partition, key } = record;
  if (partition === undefined) {
    return { number: key === null ? sticky : partitionOf(key, partitions) };
  }
  const isOne =
    Number.isInteger(partition) && partition >= 0 && partition < limits.partitionsPerTopic;
  if (isOne) return { number: partition };
  const detail = `partition ${partition} is not a number from 0 to ${limits.partitionsPerTopic - 1}`;
  return { number: 0, problem: { bytes: recordBytes(record), reason: 'bad-record', detail } };
}

/** Where both the offset and the life it belongs to are known, and can be written in a frame. */
function originOf({ sourceOffset }: DeliveredRecord, incarnation?: string): Origin | undefined {
  if (sourceOffset === undefined || incarnation === undefined) return undefined;
  const isOne = Number.isSafeInteger(sourceOffset) && sourceOffset >= 0;
  return isOne ? { offset: sourceOffset, incarnation } : undefined;
}

function itemOf(
  record: DeliveredRecord,
  site: { alias: string; topic: string },
  origin: Origin | undefined,
): Item {
  const problem = recordProblem(record);
  if (problem) {
    return { bytes: recordBytes(record), reason: problem.code, detail: problem.message };
  }
  const weighed = weigh(record, site, origin);
  if (weighed.size <= weightMax) return weighed;
  const detail = `record takes ${weighed.size} bytes in a batch with its headers; the limit is ${weightMax}`;
  return { bytes: weighed.bytes, reason: 'too-large', detail };
}
