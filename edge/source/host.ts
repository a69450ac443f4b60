import { atMost } from '#shared/std/at-most.ts';
import { type Clock, isoTime } from '#shared/std/clock.ts';
import type { SourceState } from '#shared/wire/link.ts';
import { readCpu } from './host-cpu.ts';
import { readDiskIo, readDisks } from './host-disk.ts';
import { readMemory } from './host-memory.ts';
import { readNetwork } from './host-network.ts';
import { readPressure } from './host-pressure.ts';
import { CounterRates, type Reading } from './host-reading.ts';
import { type HostSettings, hostDefaults } from './host-settings.ts';
import { readTemperatures } from './host-temperature.ts';
import { type HostTree, openHostTree } from './host-tree.ts';
import type { Source, SourceContext } from './source.ts';

/**
 * The gateway's own vitals: one JSON record for each thing looked at, all of a moment in one
 * delivery, the first at once. Rates need two looks, so the first reading has none.
 */
export function openHostSource(
  settings: HostSettings,
  context: SourceContext,
  deps: { clock: Clock; tree?: HostTree },
): Source {
  return new HostSource(settings, context, deps.clock, deps.tree ?? openHostTree('/'));
}

/**
 * Vitals are samples: an agent that stops does not wait longer for a full buffer to take one
 * more.
 */
const stopWaitMs = 2_000;

class HostSource implements Source {
  readonly name: string;
  readonly type = 'host';
  readonly #topic: string;
  readonly #intervalMs: number;
  readonly #context: SourceContext;
  readonly #clock: Clock;
  readonly #tree: HostTree;
  readonly #rates = new CounterRates();
  #state: SourceState['state'] = 'starting';
  #stopTicks: (() => void) | undefined;
  #outstanding: Promise<void> | undefined;
  #acceptedRecords = 0;
  #readings = 0;
  #skipped = 0;
  #failure = '';

  constructor(settings: HostSettings, context: SourceContext, clock: Clock, tree: HostTree) {
    this.name = settings.name;
    this.#topic = settings.topic ?? hostDefaults.topic;
    this.#intervalMs = settings.intervalMs ?? hostDefaults.intervalMs;
    this.#context = context;
    this.#clock = clock;
    this.#tree = tree;
  }

  async start(): Promise<void> {
    this.#state = 'running';
    this.#stopTicks = this.#clock.every(this.#intervalMs, () => this.#tick());
    this.#tick();
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#stopTicks?.();
    if (this.#outstanding === undefined) return;
    await atMost(this.#clock, stopWaitMs, this.#outstanding);
  }

  state(): SourceState {
    const troubled = this.#state === 'running' && this.#failure !== '';
    const skipped = this.#skipped === 0 ? '' : `; ${this.#skipped} skipped`;
    const what = `${this.#readings} readings every ${this.#intervalMs / 1000} s${skipped}`;
    return {
      name: this.name,
      type: this.type,
      state: troubled ? 'degraded' : this.#state,
      detail: this.#failure === '' ? what : `${what}; ${this.#failure}`,
      acceptedRecords: this.#acceptedRecords,
    };
  }

  #tick(): void {
    if (this.#outstanding !== undefined) {
      this.#skipped += 1;
      this.#failure = 'the one before is still waiting for the buffer';
      return;
    }
    this.#outstanding = this.#readAndDeliver()
      .catch((error: unknown) => {
        this.#skipped += 1;
        this.#failure = error instanceof Error ? error.message : String(error);
      })
      .finally(() => {
        this.#outstanding = undefined;
      });
  }

  async #readAndDeliver(): Promise<void> {
    const readings = await this.#read();
    this.#readings = readings.length;
    if (readings.length === 0) throw new Error('nothing can be read below /proc and /sys');
    const timestamp = this.#clock.now();
    const at = isoTime(timestamp);
    const { accepted } = await this.#context.deliver({
      topic: this.#topic,
      records: readings.map(({ key, kind, fields }) => ({
        key: Buffer.from(key),
        value: Buffer.from(JSON.stringify({ kind, at, ...fields })),
        headers: [],
        timestamp,
      })),
    });
    this.#acceptedRecords += accepted;
    this.#failure = '';
  }

  async #read(): Promise<Reading[]> {
    const atMs = this.#clock.monotonic();
    this.#rates.next();
    const readings = await Promise.all([
      readCpu(this.#tree, this.#rates, atMs),
      readMemory(this.#tree),
      readDisks(this.#tree),
      readDiskIo(this.#tree, this.#rates, atMs),
      readNetwork(this.#tree, this.#rates, atMs),
      readTemperatures(this.#tree),
      readPressure(this.#tree),
    ]);
    return readings.flat();
  }
}
