import type { ConfigEntry } from '#shared/kafka/kafka.ts';
import { limits } from '#shared/wire/limits.ts';

/** Topics that we make take batches twice the size of a segment. */
const messageBytes = 2 * limits.segmentBytes;

/** Kafka's Long.MAX_VALUE: no limit. */
const noLimit = '9223372036854775807';

const noTimestampLimits = {
  'message.timestamp.type': 'CreateTime',
  'message.timestamp.before.max.ms': noLimit,
  'message.timestamp.after.max.ms': noLimit,
};

/** As brokers before Kafka 3.6 call it. */
export function olderConfigs(configs: { readonly [name: string]: string }) {
  const {
    'message.timestamp.before.max.ms': before,
    'message.timestamp.after.max.ms': _,
    ...rest
  } = configs;
  return before === undefined ? rest : { ...rest, 'message.timestamp.difference.max.ms': before };
}

/** Whether these are the settings that a topic is made with here, and no other is set. */
export function isAsMade(
  has: readonly ConfigEntry[],
  configs: { readonly [name: string]: string },
): boolean {
  const set = has.filter(({ source }) => source === 'topic');
  return [configs, olderConfigs(configs)].some((made) => {
    const wanted = Object.entries(made);
    const alike = ([name, value]: [string, string]) =>
      set.some((entry) => entry.name === name && entry.value === value);
    return set.length === wanted.length && wanted.every(alike);
  });
}

export interface DataTopicSettings {
  /** How long records are wanted; Infinity: for ever. */
  retentionMs: number;
  /** The longest time that a backlog waits at a site. */
  longestOutageMs: number;
}

/**
 * Two defaults of brokers meet a gateway's clock and a long outage: a record an hour in the future
 * makes them refuse its whole batch, and one older than the retention goes soon after it landed.
 */
export const dataConfigs = ({ retentionMs, longestOutageMs }: DataTopicSettings) => ({
  ...noTimestampLimits,
  'cleanup.policy': 'delete',
  'compression.type': 'producer',
  'max.message.bytes': String(messageBytes),
  'retention.ms': Number.isFinite(retentionMs) ? String(retentionMs + longestOutageMs) : '-1',
  'retention.bytes': '-1',
});

export const compactedConfigs = {
  'cleanup.policy': 'compact',
  'compression.type': 'producer',
  'max.message.bytes': String(messageBytes),
};

/**
 * Ours by name and ours alone: rows are read whole at start, so old ones should go soon. The newest
 * segment is never compacted: what a busy fleet has in it is read again at each start.
 */
export const stateConfigs = {
  ...compactedConfigs,
  'min.cleanable.dirty.ratio': '0.1',
  'segment.ms': '86400000',
  'segment.bytes': String(8 * 1024 * 1024),
};

const foreverConfigs = { 'cleanup.policy': 'delete', 'retention.ms': '-1' };

/** The ledger outlives what it tells of. */
export const ledgerConfigs = {
  ...foreverConfigs,
  'compression.type': 'producer',
  'max.message.bytes': String(messageBytes),
};

export interface TopicAges {
  /** A record whose timestamp is older is deleted soon; Infinity: never by its age. */
  retentionMs: number;
}

export function topicAges(configs: readonly ConfigEntry[]): TopicAges {
  const value = valuesOf(configs);
  const retention = Number(value('retention.ms') ?? '-1');
  const byAge = value('cleanup.policy')?.includes('delete') !== false;
  const ownTime = value('message.timestamp.type') !== 'LogAppendTime';
  return { retentionMs: byAge && ownTime && retention >= 0 ? retention : Number.POSITIVE_INFINITY };
}

/** What an existing topic's settings do to records of a store-and-forward site, in words. */
export function unfit(
  has: readonly ConfigEntry[],
  wanted: { readonly [name: string]: string },
): string[] {
  const value = valuesOf(has);
  const found: string[] = [];
  const number = (name: string) => Number(value(name) ?? noLimit);
  if (number('max.message.bytes') < limits.segmentBytes + 1024) {
    found.push(
      `max.message.bytes = ${value('max.message.bytes')}: segments may have ${limits.segmentBytes}` +
        ' bytes; larger ones will be held back',
    );
  }
  if (!wanted['cleanup.policy']?.includes('compact')) {
    found.push(...unfitAges(value, wanted));
  }
  if (value('cleanup.policy') !== (wanted['cleanup.policy'] ?? value('cleanup.policy'))) {
    found.push(`cleanup.policy = ${value('cleanup.policy')} and not ${wanted['cleanup.policy']}`);
  }
  const compression = value('compression.type');
  if (compression !== 'producer') {
    found.push(`compression.type = ${compression}: the broker packs every batch anew`);
  }
  return found;
}

const timestampLimits = [
  'message.timestamp.before.max.ms',
  'message.timestamp.after.max.ms',
  'message.timestamp.difference.max.ms',
];

function* unfitAges(
  value: (name: string) => string | undefined,
  wanted: { readonly [name: string]: string },
): Generator<string> {
  const retention = Number(value('retention.ms') ?? '-1');
  const want = Number(wanted['retention.ms'] ?? '-1');
  if (retention >= 0 && (want < 0 || retention < want)) {
    yield `retention.ms = ${retention}: a backlog older than that is held back, since Kafka ` +
      `would delete it at once (${want} would do)`;
  }
  // Records of our own have central's time: there nobody's clock is wrong.
  if (wanted['message.timestamp.type'] === undefined) return;
  for (const name of timestampLimits) {
    const limit = value(name);
    if (limit === undefined || limit === noLimit) continue;
    yield `${name} = ${limit}: batches with a timestamp further off are refused (a gateway whose ` +
      'clock is wrong, a long outage)';
  }
  if (value('message.timestamp.type') === 'LogAppendTime') {
    yield 'message.timestamp.type = LogAppendTime: records lose their own time';
  }
}

const valuesOf = (configs: readonly ConfigEntry[]) => {
  const values = new Map(configs.map(({ name, value }) => [name, value ?? undefined]));
  return (name: string): string | undefined => values.get(name);
};
