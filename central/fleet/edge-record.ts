import { type Heartbeat, type LossRecord, streamKey } from '#shared/wire/link.ts';
import type { AliasSummary, Checkpoint, CommittedHeartbeat } from '../landing/landing.ts';
import { EdgeAlarms } from './edge-alarms.ts';
import { EdgeStreams, type Moved } from './edge-streams.ts';
import { Fill } from './fill.ts';
import type { Landed, SessionOpened, Trouble } from './fleet.ts';
import {
  type EdgeFacts,
  type Lag,
  lagOf,
  type StateRules,
  type StreamFacts,
  stateOf,
} from './lag.ts';
import { Rate } from './rate.ts';
import type { Timeline } from './timeline.ts';
import type { EdgeStateName } from './views.ts';

const defaultIntervalMs = 5_000;
const wrongMax = 100;

/** What central knows of one site. */
export class EdgeRecord {
  readonly alias: string;
  readonly streams: EdgeStreams;
  readonly alarms = new EdgeAlarms();
  readonly records = new Rate();
  readonly bytes = new Rate();
  readonly fill = new Fill();
  state: EdgeStateName = 'never-seen';
  stateSince: number;
  disabled = false;
  epoch: string | null = null;
  version: string | null = null;
  readonly #timeline: Timeline;
  readonly #rules: StateRules;
  #seen = false;
  #heardAt: number | null = null;
  #movedAt: number;
  /** `said` without its streams: they are kept in `streams`. */
  #heartbeat: (EdgeFacts['heartbeat'] & { receivedAt: number; said: Heartbeat }) | null = null;
  #fresh = false;
  #rest = { records: 0, bytes: 0 };
  /** Streams whose counts do not fit together, and how. */
  readonly #wrong = new Map<string, string>();
  /** As another collector's checkpoints had it; null: not looked yet. */
  #landedBytes: number | null = null;

  constructor(
    alias: string,
    timeline: Timeline,
    rules: StateRules,
    created: (stream: StreamFacts) => void,
  ) {
    this.alias = alias;
    this.streams = new EdgeStreams(created);
    this.#timeline = timeline;
    this.#rules = rules;
    this.stateSince = timeline.now();
    this.#movedAt = this.stateSince;
  }

  /** What was committed in an earlier run of central. */
  restore({ epoch, disabled, heartbeat }: AliasSummary): void {
    this.#seen = true;
    this.epoch = epoch;
    this.disabled = disabled;
    if (!heartbeat) return;
    const at = this.#timeline.fromWall(heartbeat.receivedAt);
    this.#heard(heartbeat, at);
    this.#fresh = false;
  }

  hello({ hello, receivedMono }: SessionOpened): void {
    this.#seen = true;
    this.epoch = hello.epoch;
    this.version = hello.agent;
    if (!this.#heartbeat) this.#heardAt = receivedMono;
    this.#fresh = false;
    this.#rest = { records: 0, bytes: 0 };
    this.#changed(receivedMono, () => this.streams.hello(hello.epoch, hello.streams));
    this.alarms.clear('adopt-needed');
  }

  /** Returns what moved, stream by stream. */
  landed({ checkpoints, records, payloadBytes, receivedMono, acceptClock }: Landed): Moved[] {
    const now = this.#timeline.now();
    this.#movedAt = now;
    this.records.add(now, records);
    this.bytes.add(now, payloadBytes);
    return checkpoints.map((checkpoint) => {
      const { acceptedAt } = checkpoint;
      const age = acceptClock === null || acceptedAt === null ? null : acceptClock - acceptedAt;
      const moved = this.streams.landed(
        checkpoint,
        age === null ? null : receivedMono - Math.max(0, age),
      );
      if (!moved.stream.told) this.#lessRest(moved.records);
      return moved;
    });
  }

  /**
   * What another collector committed, as the log tells it. A heartbeat counts from when that
   * collector received it, though never from later than now.
   */
  foreign(summary: AliasSummary, checkpoints: readonly Checkpoint[]): Moved[] {
    const { epoch, disabled, heartbeat } = summary;
    const now = this.#timeline.now();
    this.#seen = true;
    this.epoch = epoch;
    this.disabled = disabled;
    const bytesBefore = this.#landedBytes;
    const moved = checkpoints.map((checkpoint) => this.streams.landed(checkpoint, null));
    this.#landedBytes = checkpoints.reduce((sum, { landedBytes }) => sum + landedBytes, 0);
    const records = moved.reduce((sum, { records }) => sum + records, 0);
    if (records > 0) {
      this.#movedAt = now;
      this.records.add(now, records);
      if (bytesBefore !== null) this.bytes.add(now, this.#landedBytes - bytesBefore);
    }
    const known = this.#heartbeat?.said;
    const isNews =
      heartbeat &&
      (heartbeat.heartbeat.session !== known?.session ||
        heartbeat.heartbeat.number !== known.number);
    if (isNews) this.heartbeat(heartbeat, this.#timeline.fromWall(heartbeat.receivedAt));
    return moved;
  }

  #lessRest(records: number): void {
    const left = Math.max(0, this.#rest.records - records);
    const share = this.#rest.records > 0 ? left / this.#rest.records : 0;
    this.#rest = { records: left, bytes: Math.round(this.#rest.bytes * share) };
  }

  heartbeat(committed: CommittedHeartbeat, receivedMono: number): void {
    this.#changed(receivedMono, () => this.#heard(committed, receivedMono));
    this.#fresh = true;
    const { buffer, streams } = committed.heartbeat;
    this.fill.add(receivedMono, buffer.usedBytes);
    this.#check(streams);
  }

  #heard({ receivedAt, heartbeat }: CommittedHeartbeat, at: number): void {
    const { totals, intervalMs } = heartbeat;
    const oldestAt = totals.oldestAgeMs === null ? null : at - totals.oldestAgeMs;
    this.streams.heartbeat(heartbeat.streams, at);
    this.#rest = {
      records: Math.max(0, totals.backlogRecords - this.streams.toldRecords),
      bytes: Math.max(0, totals.backlogBytes - this.streams.toldBytes),
    };
    const said = { ...heartbeat, streams: [] };
    this.#heartbeat = { at, receivedAt, intervalMs, oldestAt, said };
    this.#heardAt = at;
    this.version = heartbeat.agent;
    this.epoch = heartbeat.epoch;
  }

  /** A backlog that comes into being has not been standing still before. */
  #changed(now: number, change: () => void): void {
    const before = this.#hasBacklog;
    change();
    if (!before && this.#hasBacklog) this.#movedAt = Math.max(this.#movedAt, now);
  }

  get #hasBacklog(): boolean {
    return this.streams.open.size > 0 || this.#rest.records > 0;
  }

  /**
   * Accepted = landed + backlog + lost, where the edge has every acknowledgement and no loss waits.
   */
  #check(streams: Heartbeat['streams']): void {
    for (const said of streams) {
      const key = streamKey(said);
      const { through, landedRecords: landed, lostRecords: lost } = this.streams.all.get(key)!;
      const { acceptedRecords: accepted, backlogRecords: backlog, head, cursor } = said;
      if (through !== cursor || head - cursor !== backlog) continue;
      if (accepted === landed + backlog + lost) this.#wrong.delete(key);
      else if (this.#wrong.size < wrongMax) {
        const sum = `${landed} landed + ${backlog} backlog + ${lost} lost`;
        this.#wrong.set(key, `${said.topic}/${said.partition}: ${accepted} accepted, but ${sum}`);
      }
    }
  }

  trouble({ type, message }: Trouble): void {
    this.alarms.raise(type, message, this.#timeline.now());
  }

  lost(losses: readonly Pick<LossRecord, 'records' | 'reason'>[]): void {
    const records = losses.reduce((sum, loss) => sum + loss.records, 0);
    const reasons = [...new Set(losses.map(({ reason }) => reason))].join(', ');
    this.alarms.lost(records, reasons, this.#timeline.now());
  }

  /** Alarms that stand now. */
  alarmsNow(now: number): string[] {
    const alarms = this.alarms.messages(now);
    if (this.disabled) alarms.push('disabled: nothing is let in from this site');
    if (this.heartbeatSaid?.buffer.blocked) {
      alarms.push('blocked: the buffer is full and its sources are waiting');
    }
    const [wrong] = this.#wrong.values();
    if (wrong) alarms.push(`counts: ${wrong}`);
    return alarms;
  }

  /** For lag and watermarks. */
  get facts(): EdgeFacts {
    return {
      heartbeat: this.#heartbeat,
      fresh: this.#fresh,
      open: this.streams.open,
      rest: this.#rest,
    };
  }

  get heartbeatSaid(): Heartbeat | undefined {
    return this.#heartbeat?.said;
  }

  /** As committed, wall clock. */
  get heartbeatReceivedAt(): number | null {
    return this.#heartbeat?.receivedAt ?? null;
  }

  get intervalMs(): number {
    return this.#heartbeat?.intervalMs ?? defaultIntervalMs;
  }

  /** The state as it is now; returns the one before when it changed. */
  refresh(now: number, lag: Lag = lagOf(this.facts, now)): EdgeStateName | undefined {
    const doing = {
      seen: this.#seen,
      heardAt: this.#heardAt,
      heartbeatIntervalMs: this.intervalMs,
      movedAt: this.#movedAt,
      lag,
    };
    const before = this.state;
    this.state = stateOf(doing, this.#rules, now);
    if (this.state === before) return undefined;
    this.stateSince = now;
    return before;
  }
}
