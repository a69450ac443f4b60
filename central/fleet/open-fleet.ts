import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { CommittedAlias, Landing, LossWrite } from '../landing/landing.ts';
import type { Flow, Merge } from '../merge/merge.ts';
import { EdgeRecord } from './edge-record.ts';
import { edgeView, streamViews } from './edge-view.ts';
import { EventLog } from './event-log.ts';
import type { Fleet, Trouble } from './fleet.ts';
import { FlowBook } from './flow-book.ts';
import { Timeline } from './timeline.ts';
import type { FleetEvent } from './views.ts';

export interface FleetOptions {
  landing: Landing;
  merge: Merge;
  /** Flows that take what others write. */
  external?: readonly Flow[];
  clock: Clock;
  log: Logger;
  /** Sites that should report; shown as never-seen until they do. */
  expect: readonly string[];
  offlineAfterMs: number;
  stalledAfterMs: number;
}

const tickMs = 1_000;
const recountTicks = 10;
/** Losses of one site become one event in this time. */
const lossTicks = 5;

/**
 * Rebuilds from the landing what is known of the fleet, and keeps it. Rejects with a LandingError.
 */
export async function openFleet(options: FleetOptions): Promise<Fleet> {
  const book = new FleetBook(options);
  await book.restore();
  return book.door();
}

/** As which event a trouble is told. */
const eventOf = {
  ...{ fork: 'fork', clone: 'fork', 'adopt-needed': 'adopt-needed' },
  ...{ refused: 'refused', held: 'refused' },
} as const satisfies { [type in Trouble['type']]: FleetEvent['type'] };

class FleetBook {
  readonly #options: FleetOptions;
  readonly #timeline: Timeline;
  readonly #events: EventLog;
  readonly #flows: FlowBook;
  readonly #edges = new Map<string, EdgeRecord>();
  readonly #losses = new Map<string, LossWrite[]>();
  #ticks = 0;
  #recounting = false;
  #recountFailed = false;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#timeline = new Timeline(options.clock);
    this.#events = new EventLog(options.clock);
    const { merge, external = [], stalledAfterMs } = options;
    this.#flows = new FlowBook({ merge, external }, this.#timeline, stalledAfterMs);
  }

  async restore(): Promise<void> {
    const { landing, expect } = this.#options;
    for (const alias of expect) this.#edgeOf(alias);
    // Where a broker was killed just now it fails, and is told with the next count. It is waited
    // for, and so comes first: behind the rest a commit of others would be missed.
    await this.#recount();
    const summaries = await landing.aliases();
    for (const row of await landing.checkpoints({})) {
      this.#edgeOf(row.alias).streams.landed(row, null);
    }
    for (const summary of summaries) this.#edgeOf(summary.alias).restore(summary);
    const now = this.#timeline.now();
    for (const edge of this.#edges.values()) edge.refresh(now);
  }

  door(): Fleet {
    const stop = this.#options.clock.every(tickMs, () => this.#tick());
    return {
      onHello: (opened) => {
        const { hello, checkpoints, adopted } = opened;
        const edge = this.#edgeOf(hello.alias);
        for (const checkpoint of checkpoints) edge.streams.landed(checkpoint, null);
        edge.hello(opened);
        const given = adopted > 0 ? `; ${adopted} records that are not here were given up` : '';
        if (adopted > 0) edge.lost([{ records: adopted, reason: 'central-rollback' }]);
        this.#event('hello', hello.alias, `session opened by ${hello.agent}${given}`);
        this.#refresh(edge);
      },
      onLanded: (landed) => {
        const edge = this.#edgeOf(landed.alias);
        for (const { stream, records } of edge.landed(landed)) {
          this.#flows.landed(landed.alias, stream, records);
        }
        if (landed.losses.length > 0) this.#lost(edge, landed.losses);
      },
      onHeartbeat: (alias, committed, receivedMono) => {
        const edge = this.#edgeOf(alias);
        edge.heartbeat(committed, receivedMono);
        this.#refresh(edge);
      },
      onTrouble: (trouble) => {
        const { alias, type, message } = trouble;
        this.#edgeOf(alias).trouble(trouble);
        this.#events.addOnce({ type: eventOf[type], alias, message });
      },
      onDisabled: (alias, disabled) => {
        this.#edgeOf(alias).disabled = disabled;
      },
      onRemoved: (alias) => this.#remove(alias),
      onForeign: (alias, committed) => {
        if (!committed) this.#remove(alias);
        else this.#foreign(this.#edgeOf(alias), committed);
      },
      edges: () => this.#sorted().map((edge) => edgeView(this.#refresh(edge), this.#timeline)),
      edge: (alias) => {
        const edge = this.#edges.get(alias);
        if (!edge) return undefined;
        const view = edgeView(this.#refresh(edge), this.#timeline);
        return { ...view, streams: streamViews(edge, this.#timeline, this.#options.merge) };
      },
      flows: () => {
        this.#copied();
        const unseen = this.#sorted().filter((edge) => this.#refresh(edge).state === 'never-seen');
        return this.#flows.views(unseen);
      },
      events: (afterId) => this.#events.after(afterId),
      subscribe: (listener) => this.#events.subscribe(listener),
      close: stop,
    };
  }

  #edgeOf(alias: string): EdgeRecord {
    let edge = this.#edges.get(alias);
    if (!edge) {
      const made = new EdgeRecord(alias, this.#timeline, this.#options, (stream) =>
        this.#flows.created(made, stream),
      );
      this.#edges.set(alias, made);
      edge = made;
    }
    return edge;
  }

  #sorted(): EdgeRecord[] {
    return [...this.#edges.values()].sort((a, b) => (a.alias < b.alias ? -1 : 1));
  }

  #foreign(edge: EdgeRecord, { summary, checkpoints }: CommittedAlias): void {
    for (const { stream, records } of edge.foreign(summary, checkpoints)) {
      if (records > 0) this.#flows.landed(edge.alias, stream, records);
    }
    this.#refresh(edge);
  }

  #remove(alias: string): void {
    const edge = this.#edges.get(alias);
    if (!edge) return;
    this.#flows.removed(edge);
    this.#edges.delete(alias);
    this.#losses.delete(alias);
    if (this.#options.expect.includes(alias)) this.#edgeOf(alias);
  }

  #tick(): void {
    this.#ticks += 1;
    for (const edge of this.#edges.values()) this.#refresh(edge);
    this.#copied();
    if (this.#ticks % lossTicks === 0) this.#tellLosses();
    if (this.#ticks % recountTicks === 0 && !this.#recounting) void this.#recount();
  }

  #copied(): void {
    const copies = this.#options.landing.copies?.() ?? [];
    this.#flows.copied(copies);
    for (const { into, from, alias, trouble } of copies) {
      if (trouble === null) continue;
      const message = `the copy of ${from} into ${into} stands still: ${trouble}`;
      this.#events.addOnce({ type: 'flow', alias, message });
    }
  }

  #refresh(edge: EdgeRecord): EdgeRecord {
    const before = edge.refresh(this.#timeline.now());
    if (before) this.#event('edge-state', edge.alias, `${before} → ${edge.state}`);
    return edge;
  }

  #lost(edge: EdgeRecord, losses: readonly LossWrite[]): void {
    edge.lost(losses);
    const waiting = this.#losses.get(edge.alias) ?? [];
    this.#losses.set(edge.alias, waiting);
    waiting.push(...losses);
    if (waiting.length > 100) this.#tellLosses();
  }

  #tellLosses(): void {
    for (const [alias, losses] of this.#losses) {
      const records = losses.reduce((sum, loss) => sum + loss.records, 0);
      const topics = [...new Set(losses.map(({ topic }) => topic))];
      const reasons = [...new Set(losses.map(({ reason }) => reason))];
      const where = topics.length > 3 ? `${topics.length} topics` : topics.join(', ');
      this.#event('loss', alias, `${records} records of ${where} were lost: ${reasons.join(', ')}`);
    }
    this.#losses.clear();
  }

  /** What retention took away is only known to the landing. */
  async #recount(): Promise<void> {
    const { landing, log } = this.#options;
    this.#recounting = true;
    try {
      const marks = this.#flows.marks();
      this.#flows.counted(await landing.topics(), marks);
      this.#recountFailed = false;
    } catch (error) {
      // The numbers stay as they were; /readyz tells that the landing does not answer.
      if (!this.#recountFailed) log.warn({ err: error }, 'merged topics could not be counted');
      this.#recountFailed = true;
    } finally {
      this.#recounting = false;
    }
  }

  #event(type: 'hello' | 'edge-state' | 'loss', alias: string, message: string): void {
    this.#events.add({ type, alias, message });
  }
}
