import { CentralNode, simEpochMs } from './central-node.ts';
import { EdgeNode } from './edge-node.ts';
import { judge, type Published, readAll } from './history.ts';
import { fairWeather, Network, type Weather } from './network.ts';
import { Random } from './random.ts';
import { SiteLog } from './site-log.ts';
import { MachineClock, VirtualTime } from './virtual-clock.ts';

export interface Outcome {
  seed: number;
  problems: string[];
  published: number;
  landed: number;
  lost: number;
  crashes: number;
}

/** How long faults go on, and how long everything may take to drain afterwards, virtual ms. */
const stormMs = 60_000;
const calmMsMax = 3_600_000;
/** Macrotasks given to what is ready before time goes on. */
const turnsMax = 40;

/**
 * One run of the whole: sites publish, links fail, machines crash between any two steps, disks are put
 * back from a backup; then the weather clears, everything drains, and the promises are judged.
 */
export async function simulate(seed: number): Promise<Outcome> {
  const world = new World(seed);
  await world.run();
  return world.outcome();
}

class World {
  readonly #seed: number;
  readonly #random: Random;
  readonly #time = new VirtualTime();
  readonly #worldClock: MachineClock;
  readonly #central: CentralNode;
  readonly #network: Network;
  readonly #edges: EdgeNode[] = [];
  readonly #published: Published[] = [];
  readonly #problems: string[] = [];
  /** Backups that may be put back: the image, and how many records were published before it. */
  readonly #backups = new Map<EdgeNode, { image: Buffer; published: number }>();
  /** Highest `through` seen per alias and stream: checkpoints never go back. */
  readonly #through = new Map<string, number>();
  /** Aliases whose disk was replaced: what their buffer counts is not all that there was. */
  readonly #replaced = new Set<string>();
  /** Aliases that two machines had at once: only what is in the site's own log is promised to all. */
  readonly #cloned = new Set<string>();
  #outcome: Outcome | undefined;
  #crashes = 0;
  #order = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.#random = new Random(seed);
    this.#worldClock = new MachineClock(this.#time, simEpochMs);
    this.#central = new CentralNode(this.#time, this.#random);
    this.#network = new Network(this.#worldClock, this.#random, this.#central.serve);
    const sites = this.#random.between(1, 3);
    for (let i = 0; i < sites; i++) {
      this.#edges.push(
        new EdgeNode(this.#time, this.#random, {
          alias: `site-${i}`,
          // Some gateways are so small that they have to drop records.
          maxBytes: this.#random.chance(0.25) ? 300_000 : 1e9,
          network: this.#network,
          log: new SiteLog(),
        }),
      );
    }
  }

  outcome(): Outcome {
    return this.#outcome!;
  }

  async run(): Promise<void> {
    await this.#central.start();
    for (const edge of this.#edges) await edge.start();
    while (this.#time.now < stormMs) await this.#step(stormMs, 0.02);
    await this.#calm();
    await this.#drain();
    await this.#judge();
  }

  /** Lets what is ready run, perhaps breaks something, and lets time go on to the next event. */
  async #step(until: number, faults: number): Promise<void> {
    if (this.#random.chance(0.25)) this.#publish();
    if (this.#random.chance(0.1)) this.#write();
    for (const edge of this.#edges) {
      if (edge.up && this.#random.chance(0.3)) void edge.reader.read(edge.buffer);
    }
    if (this.#random.chance(faults)) await this.#fault();
    await this.#settle();
    if (!this.#time.step(Math.min(until, this.#time.now + 200))) await this.#settle();
    await this.#watch();
  }

  async #settle(): Promise<void> {
    for (let turn = 0; turn < turnsMax; turn++) {
      await new Promise(setImmediate);
      if (turn >= 3 && this.#central.handling === 0) return;
    }
  }

  #publish(): void {
    const edge = this.#random.pick(this.#edges);
    if (!edge.up) return;
    const batch = this.#batch(edge.setup.alias, 'data');
    const large = edge.setup.maxBytes < 1e9 ? 4000 : 300;
    const padding = this.#random.chance(0.5) ? 'x'.repeat(this.#random.between(1, large)) : '';
    const records = batch.map(({ id, key }) => ({
      ...{ key: Buffer.from(key), value: Buffer.from(id), timestamp: simEpochMs },
      headers: padding ? ([['padding', Buffer.from(padding)]] as const) : [],
    }));
    edge.publish({ topic: 'data', records }).then(
      () => {
        for (const each of batch) each.accepted = true;
      },
      () => {},
    );
  }

  #batch(alias: string, topic: string): Published[] {
    const batch = Array.from({ length: this.#random.between(1, 12) }, (): Published => {
      const order = this.#order++;
      const key = `${topic} ${this.#random.between(0, 4)}`;
      return { id: `${alias}-${order}`, alias, topic, key, order, accepted: false, excused: false };
    });
    this.#published.push(...batch);
    return batch;
  }

  /** To a site's own log: once there, it is a promise, whatever befalls the gateway. */
  #write(): void {
    const edge = this.#random.pick(this.#edges);
    const batch = this.#batch(edge.setup.alias, 'log');
    for (const each of batch) each.accepted = true;
    edge.setup.log.append(batch);
  }

  async #fault(): Promise<void> {
    const edge = this.#random.pick(this.#edges);
    const kind = this.#random.between(0, 11);
    if (kind === 0) this.#network.weather = this.#badWeather();
    else if (kind === 1) this.#network.weather = fairWeather;
    else if (kind === 2) this.#network.cut = !this.#network.cut;
    else if (kind === 3) this.#crashEdge(edge);
    else if (kind === 4) edge.crashWithin(this.#random.between(1, 40));
    else if (kind === 5) this.#crashCentral();
    else if (kind === 6) this.#central.crashWithin(this.#random.between(1, 60));
    else if (kind === 7) edge.skew += (this.#random.next() - 0.5) * 7 * 86_400_000;
    else if (kind === 8) this.#backUp(edge);
    else if (kind === 9) this.#clone(edge);
    else if (kind === 10) this.#removeClone();
    else if (this.#random.chance(0.7)) await this.#restore(edge);
    this.#revive();
  }

  #badWeather(): Weather {
    return {
      requestLost: this.#random.next() * 0.4,
      answerLost: this.#random.next() * 0.4,
      repeated: this.#random.next() * 0.4,
      refused: this.#random.next() * 0.4,
      delayMsMax: 10 ** (this.#random.next() * 3.7),
    };
  }

  #crashEdge(edge: EdgeNode): void {
    if (edge.up) this.#crashes += 1;
    edge.crash();
  }

  #crashCentral(): void {
    if (this.#central.up) this.#crashes += 1;
    this.#central.crash();
  }

  /** What is down comes back after a while. */
  #revive(): void {
    const later = (start: () => Promise<void>) =>
      this.#worldClock
        .sleep(this.#random.between(0, 10_000))
        .then(start)
        .catch((error: unknown) => this.#diedStarting(error));
    for (const edge of this.#edges) {
      if (edge.up) continue;
      later(async () => (edge.up || !this.#edges.includes(edge) ? undefined : edge.start()));
    }
    if (!this.#central.up) {
      later(async () => (this.#central.up ? undefined : this.#central.start()));
    }
  }

  /** A machine may be set to die, and do so while it starts. */
  #diedStarting(error: unknown): void {
    if (!String(error).includes('simulated crash')) {
      this.#problems.push(`start failed: ${String(error)}`);
    }
  }

  #backUp(edge: EdgeNode): void {
    this.#backups.set(edge, { image: edge.image(), published: this.#published.length });
  }

  /** The disk is replaced by its backup, or by a new one: what it accepted since, and had not landed, is nobody's promise. */
  async #restore(edge: EdgeNode): Promise<void> {
    const isNew = this.#random.chance(0.2);
    const backup = isNew ? { image: undefined, published: 0 } : this.#backups.get(edge);
    if (!backup) return;
    this.#crashEdge(edge);
    edge.replaceDisk(backup.image);
    if (isNew) this.#backups.delete(edge);
    this.#replaced.add(edge.setup.alias);
    for (const each of this.#published.slice(backup.published)) {
      if (each.alias === edge.setup.alias && each.topic === 'data') each.excused = true;
    }
  }

  /** A second gateway runs beside the first, with a copy of its disk or a new one. */
  #clone(edge: EdgeNode): void {
    const { alias } = edge.setup;
    if (this.#machinesOf(alias) > 1) return;
    const clone = new EdgeNode(this.#time, this.#random, edge.setup);
    if (this.#random.chance(0.7)) clone.replaceDisk(edge.image());
    this.#edges.push(clone);
    this.#cloned.add(alias);
    this.#replaced.add(alias);
  }

  /** One of two goes for good, with its disk. */
  #removeClone(): void {
    const edge = this.#random.pick(this.#edges);
    if (this.#machinesOf(edge.setup.alias) < 2) return;
    this.#crashEdge(edge);
    this.#edges.splice(this.#edges.indexOf(edge), 1);
    this.#backups.delete(edge);
  }

  #machinesOf(alias: string): number {
    return this.#edges.filter(({ setup }) => setup.alias === alias).length;
  }

  async #calm(): Promise<void> {
    this.#network.weather = fairWeather;
    this.#network.cut = false;
    await this.#startAll();
  }

  /** Fuses may still be burning: whatever dies is started again. */
  async #startAll(): Promise<void> {
    try {
      if (!this.#central.up) await this.#central.start();
      for (const edge of this.#edges) if (!edge.up) await edge.start();
    } catch (error) {
      this.#diedStarting(error);
    }
  }

  async #drain(): Promise<void> {
    const end = this.#time.now + calmMsMax;
    while (this.#time.now < end) {
      await this.#settle();
      await this.#startAll();
      if (await this.#drained()) return;
      this.#time.step(this.#time.now + 1000);
    }
    for (const edge of this.#edges) {
      this.#problems.push(`${edge.setup.alias} did not drain in fair weather: ${edge.status}`);
    }
  }

  async #drained(): Promise<boolean> {
    for (const edge of this.#edges) {
      if (!edge.up) return false;
      const { buffer, reader } = edge;
      void reader.read(buffer);
      if (!reader.isRead(buffer)) return false;
      const { totals } = await buffer.report(0, 500);
      if (totals.backlogRecords > 0 || totals.lossesPending > 0) return false;
    }
    return this.#central.handling === 0;
  }

  /** Checkpoints never go back, at any moment that anybody looks. */
  async #watch(): Promise<void> {
    if (!this.#central.up || !this.#random.chance(0.02)) return;
    for (const row of await this.#central.landing.checkpoints({})) {
      const stream = `${row.alias}/${row.epoch}/${row.topic}/${row.partition}`;
      const before = this.#through.get(stream) ?? -1;
      if (row.through < before) {
        this.#problems.push(`checkpoint of ${stream} went back from ${before} to ${row.through}`);
      }
      this.#through.set(stream, row.through);
    }
  }

  async #judge(): Promise<void> {
    const landing = this.#central.landing;
    const landed = await readAll(landing);
    const lostBySite = new Map<string, number>();
    for (const { alias, records, scope } of await landing.losses({ limit: 100_000 })) {
      if (scope === 'stream') lostBySite.set(alias, (lostBySite.get(alias) ?? 0) + records);
    }
    const promised = this.#published.filter(
      ({ alias, topic }) => topic === 'log' || !this.#cloned.has(alias),
    );
    const ids = new Set(promised.map(({ id }) => id));
    const known = new Set(this.#published.map(({ id }) => id));
    const judged = landed.filter(({ id }) => ids.has(id) || !known.has(id));
    this.#problems.push(...judge(promised, judged, lostBySite));
    await this.#balance(lostBySite, landed);
    this.#outcome = {
      seed: this.#seed,
      problems: this.#problems,
      published: this.#published.length,
      landed: landed.filter(({ topic }) => topic === 'merged').length,
      lost: [...lostBySite.values()].reduce((sum, n) => sum + n, 0),
      crashes: this.#crashes,
    };
  }

  /** accepted = landed + backlog + lost, each counted by somebody else. */
  async #balance(
    lostBySite: ReadonlyMap<string, number>,
    landed: readonly { topic: string; alias: string }[],
  ): Promise<void> {
    for (const edge of this.#edges) {
      const alias = edge.setup.alias;
      if (this.#replaced.has(alias)) continue;
      const { totals } = await edge.buffer.report(0, 500);
      const there = landed.filter((each) => each.alias === alias && each.topic !== 'merged').length;
      const lost = lostBySite.get(alias) ?? 0;
      if (totals.acceptedRecords !== there + totals.backlogRecords + lost) {
        this.#problems.push(
          `${alias}: accepted ${totals.acceptedRecords} is not landed ${there} + backlog ` +
            `${totals.backlogRecords} + lost ${lost}`,
        );
      }
    }
  }
}
