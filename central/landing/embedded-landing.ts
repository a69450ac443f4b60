import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { LossRecord, StreamId } from '#shared/wire/link.ts';
import type { BackfillCursor } from './embedded-backfill.ts';
import type { StoreHost } from './embedded-host.ts';
import { pageRecordsMax, toRecordPage } from './embedded-pages.ts';
import type {
  AliasState,
  AliasSummary,
  AliasWrite,
  CheckpointRow,
  Expected,
  LandedWrite,
  Landing,
  RecordPage,
  RegistryChange,
  RegistryEntry,
  TopicRow,
} from './landing.ts';

const retentionEveryMs = 1000;

/** The port over a store, wherever that runs. Keeps its retention going. */
export class EmbeddedLanding implements Landing {
  readonly kind = 'embedded';
  readonly centralId: string;
  readonly #host: StoreHost;
  readonly #maxBytes: number;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #stopRetention: () => void;
  #retaining: Promise<void> | undefined;
  #retentionError: Error | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    host: StoreHost,
    parts: { centralId: string; maxBytes: number; clock: Clock; log: Logger },
  ) {
    this.centralId = parts.centralId;
    this.#host = host;
    this.#maxBytes = parts.maxBytes;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#stopRetention = parts.clock.every(retentionEveryMs, () => {
      this.#retaining ??= this.#retain().finally(() => {
        this.#retaining = undefined;
      });
    });
  }

  load(alias: string): Promise<AliasState | undefined> {
    return this.#host.call('load', alias);
  }

  aliases(): Promise<AliasSummary[]> {
    return this.#host.call('aliases');
  }

  commit(writes: readonly AliasWrite[]): Promise<LandedWrite[]> {
    return this.#host.commit(writes);
  }

  checkpoints(filter: { alias?: string; topic?: string }): Promise<CheckpointRow[]> {
    return this.#host.call('checkpoints', filter);
  }

  losses(filter: { alias?: string; sinceMs?: number; limit: number }): Promise<LossRecord[]> {
    return this.#host.call('losses', filter);
  }

  lostWithin(alias: string, stream: StreamId, first: number, last: number): Promise<number> {
    return this.#host.call('lostWithin', alias, stream, first, last);
  }

  topics(): Promise<TopicRow[]> {
    return this.#host.call('topics');
  }

  async records(
    topic: string,
    partition: number,
    offset: number,
    limit: number,
  ): Promise<RecordPage | undefined> {
    const most = Math.max(1, Math.min(limit, pageRecordsMax));
    const page = await this.#host.call('page', topic, partition, offset, most);
    return page && toRecordPage(page, offset, most);
  }

  async backfillMerged(merged: string, remoteTopics: readonly string[]): Promise<void> {
    for (const remote of remoteTopics) {
      let cursor: BackfillCursor | null = null;
      do {
        cursor = await this.#host.call('backfill', merged, remote, cursor, this.#clock.now());
      } while (cursor !== null);
    }
  }

  registry(prefix: string): Promise<RegistryEntry[]> {
    return this.#host.call('registry', prefix);
  }

  register(changes: readonly RegistryChange[], expected?: Expected): Promise<void> {
    return this.#host.call('register', changes, expected);
  }

  async usage(): Promise<{ usedBytes: number; maxBytes: number }> {
    return { usedBytes: await this.#host.call('usedBytes'), maxBytes: this.#maxBytes };
  }

  async probe(): Promise<void> {
    await this.#host.call('probe');
    if (this.#retentionError) throw this.#retentionError;
  }

  close(): Promise<void> {
    this.#stopRetention();
    this.#closed ??= this.#host.close();
    return this.#closed;
  }

  async #retain(): Promise<void> {
    try {
      while (!this.#closed && (await this.#host.call('retain', this.#clock.now())));
      if (this.#retentionError) this.#log.info('retention of the landing works again');
      this.#retentionError = undefined;
    } catch (error) {
      if (this.#closed) return;
      // Told once here, and by `probe` as long as it lasts; the next tick tries again.
      if (!this.#retentionError) this.#log.error({ err: error }, 'retention of the landing failed');
      this.#retentionError = error as Error;
    }
  }
}
