import { expect, test } from 'vitest';
import type { LineageBounds } from '#central/intake/lineage.ts';
import { Random } from '../../sim/random.ts';
import { seedCount } from '../../sim/seed-count.ts';
import {
  append,
  boot,
  type Disk,
  fork,
  helloOf,
  imageOf,
  ModelCentral,
  type Request,
  requestOf,
} from './copies.ts';

/**
 * Disks are imaged while they run, put back, cloned and run side by side; answers are lost,
 * requests arrive again later. Whatever happens: no record is dropped as a duplicate of another,
 * none lands twice, and all that lives on some disk at the end lands. (Central has not seen what
 * two copies share that both part from a third one: that lands once for each.)
 */
const seeds = seedCount(900, 3000);

interface Agent {
  disk: Disk;
  open: boolean;
}

class World {
  readonly central: ModelCentral;
  readonly agents: Agent[] = [];
  readonly images: Disk[] = [];
  readonly delayed: (Request | { hello: ReturnType<typeof helloOf> })[] = [];
  readonly random: Random;
  #ids = 0;

  constructor(seed: number, bounds?: LineageBounds) {
    this.random = new Random(seed);
    this.central = new ModelCentral(bounds);
    const disk: Disk = {
      epoch: this.id('e'),
      session: this.id('s'),
      previous: null,
      unconfirmed: [],
      sessionConfirmed: false,
      streams: new Map(),
    };
    this.agents.push({ disk, open: false });
  }

  id(prefix: string): string {
    this.#ids += 1;
    return `${prefix}${this.#ids}`;
  }

  chance(share: number): boolean {
    return this.random.next() < share;
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.random.next() * list.length)];
  }

  step(): void {
    const agent = this.pick(this.agents)!;
    const dice = this.random.next();
    if (dice < 0.35) append(agent.disk, this.chance(0.7) ? 0 : 1, this.id('r'));
    else if (dice < 0.55) this.hello(agent, 0.2);
    else if (dice < 0.8) this.send(agent, 0.25);
    else if (dice < 0.86) this.restart(agent);
    else if (dice < 0.91) this.images.push(imageOf(agent.disk));
    else if (dice < 0.94) this.runImage(agent);
    else this.late();
  }

  restart(agent: Agent): void {
    boot(agent.disk, this.id('s'));
    agent.open = false;
  }

  /** Beside the others, or in place of one whose disk is gone. */
  runImage(agent: Agent): void {
    const image = this.pick(this.images);
    if (!image) return;
    const disk = boot(imageOf(image), this.id('s'));
    if (this.agents.length > 2 || this.chance(0.5))
      this.agents.splice(this.agents.indexOf(agent), 1);
    this.agents.push({ disk, open: false });
  }

  hello(agent: Agent, lost: number): void {
    const hello = helloOf(agent.disk);
    if (this.chance(0.1)) this.delayed.push({ hello });
    const decision = this.central.hello(hello);
    if (this.chance(lost)) return;
    if (decision.outcome === 'fork') {
      this.allowCousins(agent.disk);
      agent.open = false;
      fork(agent.disk, decision.scope, decision.keep, this.id('e'), this.id('s'));
      if (!this.chance(lost)) this.hello(agent, lost);
      return;
    }
    if (decision.outcome !== 'accepted') throw new Error(`${decision.outcome}: ${decision.reason}`);
    agent.disk.sessionConfirmed = true;
    agent.open = true;
    if (this.chance(lost)) return;
    for (const [stream, log] of agent.disk.streams) {
      this.acknowledge(log, this.central.through(stream));
    }
  }

  /**
   * What two copies share that both part from the epoch's owner moves with each of them: central
   * has seen it from neither. What the owner holds too must not move.
   */
  allowCousins(disk: Disk): void {
    for (const [stream, { records }] of disk.streams) {
      const session = this.central.ownerOf(stream.split('/')[0]!);
      const owner = this.agents.find((agent) => agent.disk.session === session);
      const owned = new Set(owner?.disk.streams.get(stream)?.records);
      for (const record of records) {
        if (!owned.has(record) && !this.central.has(record)) this.central.mayRepeat.add(record);
      }
    }
  }

  acknowledge(log: { records: string[]; cursor: number }, through: number): void {
    log.cursor = Math.max(log.cursor, Math.min(through, log.records.length - 1));
  }

  send(agent: Agent, lost: number): void {
    if (!agent.open) return;
    const request = requestOf(agent.disk, 1 + Math.floor(this.random.next() * 3));
    request.frames.splice(Math.floor(this.random.next() * (request.frames.length + 1)));
    if (this.chance(0.15)) this.delayed.push(request);
    if (this.chance(lost)) return;
    const answer = this.central.segments(request);
    if (this.chance(lost)) return;
    if (answer === 'hello') {
      agent.open = false;
      return;
    }
    for (const [stream, through] of answer) {
      this.acknowledge(agent.disk.streams.get(stream)!, through);
    }
  }

  /** Something that the network kept arrives; nobody waits for the answer. */
  late(): void {
    const late = this.pick(this.delayed);
    if (!late) return;
    if ('hello' in late) this.central.hello(late.hello);
    else this.central.segments(late);
  }

  /** Each agent alone with a network that works. */
  settle(): void {
    for (const agent of this.agents) {
      this.hello(agent, 0);
      for (let i = 0; i < 20 && requestOf(agent.disk, 1).frames.length > 0; i++) {
        const answer = this.central.segments(requestOf(agent.disk, 1));
        if (answer === 'hello') throw new Error('a session that was just opened is not the one');
        for (const [stream, through] of answer) {
          this.acknowledge(agent.disk.streams.get(stream)!, through);
        }
      }
    }
  }

  check(): void {
    for (const { disk } of this.agents) {
      for (const [stream, { records, cursor }] of disk.streams) {
        expect(cursor, `${stream} is drained`).toBe(records.length - 1);
        for (const record of records) {
          expect(this.central.has(record), `${record} of ${stream} landed`).toBe(true);
        }
      }
    }
  }
}

function run(seeds: number, bounds?: LineageBounds): void {
  for (let seed = 1; seed <= seeds; seed++) {
    const world = new World(seed, bounds);
    try {
      for (let i = 0; i < 80; i++) world.step();
      world.settle();
      world.check();
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

const timeout = 20_000 + 20 * seeds;

test(
  `copies of a buffer never take each other's sequences (${seeds} seeds)`,
  () => run(seeds),
  timeout,
);

test(
  'a central that forgets may land a record twice, and still drops none',
  () => {
    run(seeds / 3, { epochs: 2, runs: 2, starts: 3, textBytes: 1000 });
    run(seeds / 3, { epochs: 1, runs: 1, starts: 1, textBytes: 200 });
  },
  timeout,
);
