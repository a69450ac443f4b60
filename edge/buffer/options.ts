import { aliasProblem } from '#shared/wire/alias.ts';
import { limits } from '#shared/wire/limits.ts';
import { topicProblem } from '#shared/wire/topic-name.ts';
import type { BufferOptions, TopicOptions } from './buffer.ts';
import { BufferOpenError } from './buffer-errors.ts';

const mib = 1024 * 1024;
/** Less would not hold a few segments of the largest size beside the WAL and the reserves. */
export const maxBytesMin = 16 * mib;

/** How `maxBytes` is shared out; all in bytes. */
export interface Budget {
  /** Database pages that records may take together with everything else. */
  records: number;
  /** Pages that only losses, positions and counters may take, on top. */
  ledger: number;
  /** The write-ahead log is carried into the database when it is half this large. */
  wal: number;
  /** A file that is given back when the disk is full (reserve.ts). */
  reserve: number;
}

export function budgetOf(maxBytes: number): Budget {
  const wal = Math.min(16 * mib, Math.floor(maxBytes / 4));
  const reserve = Math.min(4 * mib, Math.floor(maxBytes / 16));
  const ledger = Math.min(4 * mib, Math.floor(maxBytes / 16));
  return { records: maxBytes - wal - reserve - ledger, ledger, wal, reserve };
}

/** For a database in memory, which has neither WAL nor reserve. */
export const memoryBudget = (maxBytes: number): Budget => ({
  records: maxBytes - Math.floor(maxBytes / 16),
  ledger: Math.floor(maxBytes / 16),
  wal: 0,
  reserve: 0,
});

/** Throws a BufferOpenError `settings` that names the option and its value. */
export function checkOptions(options: BufferOptions, maxBytesLeast = maxBytesMin): void {
  const { path, alias, maxBytes, whenFull, topics, compression } = options;
  if (path === '') refuse('path', path, 'must name a file');
  const issue = aliasProblem(alias);
  if (issue) refuse('alias', alias, issue);
  if (!Number.isSafeInteger(maxBytes) || maxBytes < maxBytesLeast) {
    refuse('max_bytes', maxBytes, `must be at least ${maxBytesLeast} bytes`);
  }
  checkPolicy('when_full', whenFull);
  if (compression !== 'zstd' && compression !== 'none') {
    refuse('compression', compression, 'must be "zstd" or "none"');
  }
  for (const [name, topic] of topics) checkTopic(name, topic, maxBytes);
}

function checkTopic(name: string, topic: TopicOptions, maxBytesOfAll: number): void {
  const issue = name === '*' ? undefined : topicProblem(name);
  if (issue) refuse('topic', name, issue);
  const { partitions, maxBytes, whenFull } = topic;
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > limits.partitionsPerTopic) {
    refuse(
      `topics.${name}.partitions`,
      partitions,
      `must be a number from 1 to ${limits.partitionsPerTopic}`,
    );
  }
  const capIsOne = maxBytes === undefined || (maxBytes > 0 && maxBytes <= maxBytesOfAll);
  if (!capIsOne) refuse(`topics.${name}.max_bytes`, maxBytes, 'must not be more than max_bytes');
  if (whenFull !== undefined) checkPolicy(`topics.${name}.when_full`, whenFull);
}

function checkPolicy(name: string, whenFull: unknown): void {
  if (whenFull === 'drop-oldest' || whenFull === 'block') return;
  refuse(name, whenFull, 'must be "drop-oldest" or "block"');
}

function refuse(name: string, value: unknown, problem: string): never {
  throw new BufferOpenError('settings', `buffer: ${name} = ${JSON.stringify(value)} ${problem}`);
}

/** Options of a topic with everything filled in. */
export interface TopicPolicy {
  partitions: number;
  maxBytes: number;
  drops: boolean;
}

export function policyOf(options: BufferOptions, topic: string): TopicPolicy {
  const own = options.topics.get(topic) ?? options.topics.get('*');
  return {
    partitions: own?.partitions ?? 1,
    maxBytes: own?.maxBytes ?? Number.POSITIVE_INFINITY,
    drops: (own?.whenFull ?? options.whenFull) === 'drop-oldest',
  };
}
