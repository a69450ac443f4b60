import { setTimeout as sleep } from 'node:timers/promises';
import type { TestKafka } from '../kafka/kafka.ts';
import type { Random } from '../sim/random.ts';
import type { Link } from './link.ts';
import type { Mosquitto } from './mosquitto.ts';
import type { Program } from './programs.ts';

/** What befalls a system under load, each kind at its own random pace, from one seed. */

export interface Faults {
  /** What happened, in order, for a failing run. */
  readonly history: string[];
  readonly counts: { [kind: string]: number };
}

export class Chaos implements Faults {
  readonly history: string[] = [];
  readonly counts: { [kind: string]: number } = {};
  readonly #random: Random;
  readonly #signal: AbortSignal;
  readonly #startedAt = Date.now();

  constructor(random: Random, signal: AbortSignal) {
    this.#random = random;
    this.#signal = signal;
  }

  /** Ends `program` with SIGKILL and starts it again, at times before it had even come up. */
  async killer(program: Program, pace: [number, number] = [1_500, 5_500]): Promise<void> {
    await this.#every(pace, async () => {
      this.#tell('kill', program.name);
      await program.kill();
      await sleep(this.#random.between(0, 1_200));
      if (this.#random.chance(0.25)) {
        this.#tell('kill while starting', program.name);
        program.start().catch(() => {});
        await sleep(this.#random.between(50, 700));
        await program.kill();
      }
      await program.start();
      this.#tell('start', program.name);
    });
  }

  /** Ends one of Kafka's brokers with SIGKILL, or stops its time for as long as others wait for it. */
  async kafkaKiller({ brokers }: TestKafka, pace: [number, number]): Promise<void> {
    await this.#every(pace, async () => {
      const broker = this.#random.pick(brokers);
      if (this.#random.chance(0.25)) {
        this.#tell('broker of Kafka stands still', String(broker.id));
        broker.pause();
        await sleep(this.#random.between(3_000, 9_000));
        broker.resume();
        return;
      }
      this.#tell('kill broker of Kafka', String(broker.id));
      await broker.kill();
      await sleep(this.#random.between(0, 4_000));
      await broker.start();
      this.#tell('start broker of Kafka', String(broker.id));
    });
  }

  async restarter(broker: Mosquitto): Promise<void> {
    await this.#every([3_000, 8_000], async () => {
      this.#tell('broker stops', '');
      await broker.stop();
      await sleep(this.#random.between(0, 1_000));
      await broker.start();
      this.#tell('broker starts', '');
    });
  }

  async cutter(link: Link, alias: string): Promise<void> {
    await this.#every([800, 4_500], async () => {
      const kind = this.#random.pick(['refused', 'silent', 'dropped'] as const);
      this.#tell(kind, alias);
      if (kind === 'dropped') return link.drop();
      link.become(kind);
      await sleep(this.#random.between(200, kind === 'silent' ? 4_500 : 2_000));
      link.become('up');
      this.#tell('link up', alias);
    });
  }

  async #every([least, most]: [number, number], strike: () => Promise<void>): Promise<void> {
    for (;;) {
      await sleep(this.#random.between(least, most), undefined, { signal: this.#signal }).catch(
        () => {},
      );
      if (this.#signal.aborted) return;
      await strike();
    }
  }

  #tell(kind: string, name: string): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    this.history.push(`${((Date.now() - this.#startedAt) / 1000).toFixed(2)} s ${kind} ${name}`);
  }
}
