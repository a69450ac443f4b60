import type { ConnectionValues } from '#shared/kafka/connection-settings.ts';

/** The `kafka` source: the site's own Kafka, replicated by MirrorMaker 2's rules. */
export interface KafkaSettings {
  type: 'kafka';
  /** Unique on this edge; its positions bear it. */
  name: string;
  connection: ConnectionValues;
  /** Lists of names and regular expressions, as shared/wire/mm2-filter.ts takes them. */
  topics: string[];
  topicsExclude: string[];
  groups: string[];
  groupsExclude: string[];
  /** Clusters whose topics must not come back to them. */
  cutLoopsOf: string[];
  /** Where what was there when this source first looked begins, unless `startOffsets` says. */
  start: 'earliest' | 'latest';
  startOffsets: readonly StartOffset[];
  isolation: 'read_committed' | 'read_uncommitted';
  /** When a topic was deleted and created anew. */
  onRecreate: 'append' | 'halt';
  /** How often topics and partitions are looked for, ms. */
  refreshMs: number;
  /** Central is told who may do what with the topics. */
  acls: boolean;
}

/** Where a partition begins that has no position of ours: somebody else has carried all before. */
export interface StartOffset {
  topic: string;
  partition: number;
  /** The first record that is taken. */
  next: number;
}

export const kafkaDefaults = { name: 'kafka', cutLoopsOf: 'central', refresh: '5s' } as const;

/** A file of start offsets: one JSON object a line. Throws an Error that names the line. */
export function parseStartOffsets(text: string): StartOffset[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    const found = startOffset(line);
    if (found) return [found];
    const example = '{"topic":"orders","partition":0,"next":42}';
    throw new Error(`line ${index + 1} is not like ${example}`);
  });
}

function startOffset(line: string): StartOffset | undefined {
  try {
    const { topic, partition, next } = JSON.parse(line) as Partial<StartOffset>;
    const isWhole = (value: unknown): value is number =>
      Number.isSafeInteger(value) && (value as number) >= 0;
    if (typeof topic !== 'string' || !isWhole(partition) || !isWhole(next)) return undefined;
    return { topic, partition, next };
  } catch {
    return undefined;
  }
}
