import type { RecordBuffer } from '#edge/buffer/buffer.ts';
import type { StatusSubject } from '#edge/status-snapshot.ts';
import type { UplinkStatus } from '#edge/uplink/uplink-status.ts';
import type { SourceState } from '#shared/wire/link.ts';
import { MachineClock, VirtualTime } from '../sim/virtual-clock.ts';
import { RecordingContext } from './source/recording-context.ts';

export const at = Date.UTC(2026, 10, 21, 8, 30);

/** An agent to look at: what its parts say may be changed by the test. */
export function openSubject() {
  const time = new VirtualTime();
  const uplink: UplinkStatus = {
    state: 'connected',
    url: 'http://127.0.0.1:8443',
    centralId: 'c'.repeat(32),
    lastAckAt: at - 2_500,
    lastError: null,
    failingSince: null,
    nextAttemptAt: null,
    clockOffsetSeconds: 0.125,
    requestBytesTarget: 65_536,
    held: [],
    sentBytes: 1_234_567,
    sentFrames: 42,
  };
  const sources: SourceState[] = [
    {
      name: 'mqtt:localhost:1883',
      type: 'mqtt',
      state: 'running',
      detail: 'connected',
      acceptedRecords: 900,
    },
    { name: 'host', type: 'host', state: 'degraded', detail: '3 skipped', acceptedRecords: 100 },
  ];
  const buffer = new FakeStore();
  const context = new RecordingContext();
  const subject: StatusSubject = {
    alias: 'factory-a',
    version: '0.1.0',
    clock: new MachineClock(time, at),
    buffer: buffer as unknown as RecordBuffer,
    uplink: () => uplink,
    sources: () => sources,
  };
  const pass = (ms: number) => {
    const until = time.now + ms;
    while (time.step(until));
  };
  return { subject, buffer, uplink, sources, context, pass };
}

/** What the status reads of a buffer. */
class FakeStore implements Pick<RecordBuffer, 'identity' | 'report' | 'losses' | 'probe'> {
  identity = {
    ...{ epoch: 'e'.repeat(32), session: 's'.repeat(32), previous: null },
    ...{ centralId: null, sourcesAt: -1 },
  };
  totals = {
    acceptedRecords: 1_000,
    backlogRecords: 30,
    backlogBytes: 3_000,
    oldestAgeMs: 12_500 as number | null,
    lostRecords: 20,
    lossesPending: 1,
  };
  blocked = false;
  streamCount = 3;
  probes = 0;
  /** Answers wait for this. */
  gate: Promise<void> | undefined;
  failure: Error | undefined;

  async report(_version: number, maxStreams: number) {
    await this.#answer();
    const streams = Array.from({ length: Math.min(maxStreams, this.streamCount) }, (_, i) => ({
      epoch: this.identity.epoch,
      topic: i === 0 ? 'sensor-data' : `topic-${i}`,
      partition: 0,
      partitionCount: 1,
      head: 999,
      cursor: 949,
      backlogRecords: i,
      backlogBytes: i * 100,
      oldestAgeMs: i === 0 ? null : 12_500,
      acceptedRecords: 1_000,
      lostRecords: 20,
    }));
    return {
      version: 1,
      more: this.streamCount > maxStreams,
      streams,
      totals: this.totals,
      usedBytes: 5_000_000,
      maxBytes: 10_000_000,
      whenFull: 'drop-oldest' as const,
      blocked: this.blocked,
      acceptClock: at,
      quarantined: 2,
    };
  }

  async losses(limit: number) {
    await this.#answer();
    const loss = {
      epoch: this.identity.epoch,
      topic: 'sensor-data',
      partition: 0,
      first: 100,
      span: 20,
      records: 20,
      scope: 'stream' as const,
      bytes: 2_000,
      from: at - 60_000,
      to: null,
      reason: 'evicted' as const,
      detail: 'buffer.max_bytes reached',
      declaredAt: at - 30_000,
      landed: false,
    };
    return [loss].slice(0, limit);
  }

  async probe(): Promise<void> {
    this.probes += 1;
    await this.#answer();
  }

  async #answer(): Promise<void> {
    await this.gate;
    if (this.failure) throw this.failure;
  }
}
