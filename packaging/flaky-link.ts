import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '#shared/std/clock.ts';

/** A link that fails the way links fail: refused, or silent while it looks open. */
export interface FlakyLink {
  /** Where the edge connects to. */
  url: string;
  /** Until now it carries; from now on it fails now and then. */
  begin(): void;
  close(): Promise<void>;
}

export interface FlakyOptions {
  alias: string;
  /** Where it leads. */
  target: { host: string; port: number };
  clock: Clock;
  random: () => number;
  /** Told in words what happens to the link. */
  tell: (words: string) => void;
}

type State = 'up' | 'refused' | 'silent';

const upMs = { least: 8_000, most: 25_000 };
const downMs = { least: 6_000, most: 30_000 };

/** A TCP proxy that, once begun, cuts and restores itself at random until it is closed. */
export async function openFlakyLink(options: FlakyOptions): Promise<FlakyLink> {
  const proxy = new CutProxy(options.target);
  const url = await proxy.listen();
  const ending = new AbortController();
  let living = Promise.resolve();
  return {
    url,
    begin() {
      living = live(proxy, options, ending.signal).catch((error: unknown) => {
        if (!ending.signal.aborted) throw error;
      });
    },
    async close() {
      ending.abort();
      await living;
      await proxy.close();
    },
  };
}

async function live(proxy: CutProxy, options: FlakyOptions, signal: AbortSignal): Promise<void> {
  const { alias, clock, random, tell } = options;
  const between = ({ least, most }: typeof upMs) => least + random() * (most - least);
  for (;;) {
    await clock.sleep(between(upMs), signal);
    const kind = random() < 0.5 ? 'refused' : 'silent';
    const ms = between(downMs);
    proxy.become(kind);
    const how = kind === 'refused' ? 'is cut' : 'goes silent (looks open, nothing passes)';
    tell(`the link of ${alias} ${how} for ${Math.round(ms / 1000)} s`);
    await clock.sleep(ms, signal);
    proxy.become('up');
    tell(`the link of ${alias} is back`);
  }
}

class CutProxy {
  readonly #target: { host: string; port: number };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #state: State = 'up';

  constructor(target: { host: string; port: number }) {
    this.#target = target;
    this.#server = createServer((near) => this.#accept(near));
  }

  listen(): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', () => {
        resolve(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`);
      });
    });
  }

  /** A silent link stays open with nothing passing, until it is back and old connections die. */
  become(state: State): void {
    const wasSilent = this.#state === 'silent';
    this.#state = state;
    if (state === 'silent') for (const socket of this.#sockets) socket.pause();
    else if (state === 'refused' || wasSilent) this.#cut();
  }

  close(): Promise<void> {
    this.#cut();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(near: Socket): void {
    this.#keep(near);
    if (this.#state === 'refused') {
      near.destroy();
      return;
    }
    const far = connect(this.#target);
    this.#keep(far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (data) => {
        if (!to.write(data)) from.pause();
      });
      to.on('drain', () => this.#state !== 'silent' && from.resume());
      from.on('end', () => to.end());
      from.on('close', () => to.destroy());
    }
    if (this.#state === 'silent') {
      near.pause();
      far.pause();
    }
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    // What the other end makes of a cut is not our concern.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

/** Random numbers from a seed (mulberry32), so that a run can be watched again. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
