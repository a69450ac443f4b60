import type { HelloStream } from '#shared/wire/link.ts';
import type { RecordBuffer } from './buffer/buffer.ts';
import type { SightOptions } from './kafka-sights.ts';
import type { KafkaSource, ReplicatedCluster } from './source/kafka.ts';

/** Where the buffer stands with a topic-partition. */
interface Head {
  epoch: string;
  /** Sequence that the next record gets. */
  sequence: number;
}

/** The Kafkas of this site as central is told of them, with the sequences of what was read. */
export function kafkaClusters(
  sources: readonly KafkaSource[],
  buffer: Pick<RecordBuffer, 'identity' | 'helloStreams'>,
): SightOptions[] {
  return sources.map((source) => {
    const cluster = source.cluster();
    return cluster && { ...cluster, positions: () => withSequences(cluster, buffer) };
  });
}

/**
 * What was read comes first: whatever is before a position was appended by then, so its sequence is
 * below the head that is looked up after it.
 */
async function withSequences(
  cluster: ReplicatedCluster,
  buffer: Pick<RecordBuffer, 'identity' | 'helloStreams'>,
) {
  const read = cluster.positions();
  const heads = headsOf(await buffer.helloStreams(), buffer.identity.epoch);
  return read.map((position) => {
    const none: Head = { epoch: buffer.identity.epoch, sequence: 0 };
    return { ...position, ...(heads.get(`${position.topic}/${position.partition}`) ?? none) };
  });
}

/** A topic-partition's newest stream: older epochs land before it, their end is not enough. */
function headsOf(streams: readonly HelloStream[], epoch: string): Map<string, Head> {
  const heads = new Map<string, Head>();
  for (const stream of streams) {
    const key = `${stream.topic}/${stream.partition}`;
    if (heads.has(key) && stream.epoch !== epoch) continue;
    heads.set(key, { epoch: stream.epoch, sequence: stream.head + 1 });
  }
  return heads;
}
