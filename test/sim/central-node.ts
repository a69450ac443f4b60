import type { Database } from 'better-sqlite3';
import { openFleet } from '#central/fleet/open-fleet.ts';
import { openIntake } from '#central/intake/open-intake.ts';
import { openInlineLanding } from '#central/landing/embedded.ts';
import { openMemoryDatabase } from '#central/landing/embedded-open.ts';
import type { Landing } from '#central/landing/landing.ts';
import { openMerge } from '#central/merge/merge.ts';
import type { TransportRequest, TransportResponse } from '#edge/uplink/transport.ts';
import { TransportError } from '#edge/uplink/transport.ts';
import { silentLog } from '#shared/std/log.ts';
import type { Random } from './random.ts';
import { MachineClock, type VirtualTime } from './virtual-clock.ts';

export const simEpochMs = Date.UTC(2026, 0, 1);

/** Central with everything but sockets, over a database that outlives its crashes. */
export class CentralNode {
  readonly database: Database = openMemoryDatabase();
  readonly #time: VirtualTime;
  readonly #random: Random;
  #life:
    | { landing: Landing; intake: Awaited<ReturnType<typeof openIntake>>; clock: MachineClock }
    | undefined;
  /** Steps of commits until it dies in the middle of one; undefined: it does not. */
  #fuse: number | undefined;
  handling = 0;

  constructor(time: VirtualTime, random: Random) {
    this.#time = time;
    this.#random = random;
  }

  get up(): boolean {
    return this.#life !== undefined;
  }

  get landing(): Landing {
    return this.#life!.landing;
  }

  get intake() {
    return this.#life!.intake;
  }

  async start(): Promise<void> {
    const clock = new MachineClock(this.#time, simEpochMs);
    const log = silentLog;
    const landing = openInlineLanding(
      this.database,
      { retentionMs: 1e15, maxBytes: 1e15, step: () => this.#burn() },
      { clock, log, newId: this.#random.id },
    );
    const merge = openMerge([{ into: 'merged', from: ['*.data', '*.log'] }]);
    const fleet = await openFleet({
      ...{ landing, merge, clock, log, expect: [] },
      offlineAfterMs: 15_000,
      stalledAfterMs: 30_000,
    });
    const intake = openIntake({ landing, merge, fleet, clock, log, peer: () => '127.0.0.1' });
    this.#life = { landing, intake, clock };
  }

  /** Power off, now. */
  crash(): void {
    this.#life?.clock.kill();
    this.#life = undefined;
    this.#fuse = undefined;
  }

  crashWithin(steps: number): void {
    this.#fuse = steps;
  }

  serve = async (request: TransportRequest): Promise<TransportResponse> => {
    const life = this.#life;
    if (!life) throw new TransportError('connection refused');
    this.handling += 1;
    try {
      const response = await life.intake.app.request(request.path, {
        method: 'POST',
        headers: { ...request.headers, 'content-length': String(request.body.length) },
        body: request.body as Uint8Array<ArrayBuffer>,
      });
      const body = new Uint8Array(await response.arrayBuffer());
      if (this.#life !== life) throw new TransportError('connection reset');
      return { status: response.status, headers: Object.fromEntries(response.headers), body };
    } finally {
      this.handling -= 1;
    }
  };

  #burn(): void {
    if (this.#fuse === undefined) return;
    this.#fuse -= 1;
    if (this.#fuse > 0) return;
    this.crash();
    throw new Error('simulated crash of central');
  }
}
