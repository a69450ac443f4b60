/**
 * How far MirrorMaker 2 has come, as Kafka Connect keeps it (`mm2-offsets.<site>.internal`, or the
 * worker's offset.storage.topic):
 *
 *   key   ["MirrorSourceConnector",{"cluster":"factory-a","partition":0,"topic":"sensor-data"}]
 *   value {"offset":41}, the last record that was replicated; a tombstone: none
 */
export interface StartOffset {
  topic: string;
  partition: number;
  /** The first record that we take. */
  next: number;
}

export const storedOffsetsTopic = (site: string): string => `mm2-offsets.${site}.internal`;

/** Takes the topic's records in their order; then `starts` has what they come to. */
export class StoredOffsets {
  readonly #site: string;
  /** By the record's key: one for each connector. */
  readonly #newest = new Map<string, StartOffset>();

  constructor(site: string) {
    this.#site = site;
  }

  take({ key, value }: { key: Buffer | null; value: Buffer | null }): void {
    const text = key?.toString('utf8') ?? '';
    const place = this.#placeOf(text);
    if (!place) return;
    const offset = value === null ? undefined : (json(value.toString('utf8')) as Stored)?.offset;
    // -1 and a tombstone both mean: nothing is replicated, begin where a topic begins.
    if (!Number.isSafeInteger(offset) || offset! < 0) this.#newest.delete(text);
    else this.#newest.set(text, { ...place, next: offset! + 1 });
  }

  /** Sorted. Of two connectors for one partition the one that is behind: nothing is left out. */
  starts(): StartOffset[] {
    const lowest = new Map<string, StartOffset>();
    for (const start of this.#newest.values()) {
      const key = `${start.topic}/${start.partition}`;
      if (start.next < (lowest.get(key)?.next ?? Number.POSITIVE_INFINITY)) lowest.set(key, start);
    }
    return [...lowest.values()].sort(
      (a, b) => (a.topic < b.topic ? -1 : a.topic > b.topic ? 1 : 0) || a.partition - b.partition,
    );
  }

  /** undefined for a checkpoint's or heartbeat's entry, and for another site's. */
  #placeOf(key: string): { topic: string; partition: number } | undefined {
    const parsed = json(key);
    if (!Array.isArray(parsed) || typeof parsed[1] !== 'object' || parsed[1] === null) return;
    const { cluster, topic, partition } = parsed[1] as { [name: string]: unknown };
    const fits = typeof topic === 'string' && Number.isSafeInteger(partition);
    return fits && cluster === this.#site ? { topic, partition: partition as number } : undefined;
  }
}

type Stored = { offset?: number } | undefined;

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The file that `start_offsets_file` of a Kafka source names: one JSON object a line. */
export const startOffsetsFile = (starts: readonly StartOffset[]): string =>
  starts
    .map(({ topic, partition, next }) => `${JSON.stringify({ topic, partition, next })}\n`)
    .join('');
