import { connect, createServer, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { onTestFinished } from 'vitest';

/** How the link is: `refused` answers at once that nobody is there, `silent` looks open and is dead. */
export type LinkState = 'up' | 'refused' | 'silent';

/**
 * A TCP proxy between an edge and central that stays where it is while central comes back on other
 * ports, and that can be cut. Ends with the test.
 */
export class Link {
  readonly #target: () => string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What an edge gets through; answers come at once. */
  bytesPerSecond = Number.POSITIVE_INFINITY;
  #state: LinkState = 'up';

  /** `target` is asked for central's address at each connection. */
  static async open(target: () => string): Promise<Link> {
    const link = new Link(target);
    await new Promise<void>((resolve) => link.#server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => link.close());
    return link;
  }

  private constructor(target: () => string) {
    this.#target = target;
    this.#server = createServer((near) => this.#accept(near));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** Connections of a silent link die with it: nothing of what they swallowed comes through late. */
  become(state: LinkState): void {
    if (state === 'silent') for (const socket of this.#sockets) socket.pause();
    else if (state === 'refused' || this.#state === 'silent') this.drop();
    this.#state = state;
  }

  /** Ends all connections, as a router that forgets them; new ones are taken. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): Promise<void> {
    this.drop();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(near: Socket): void {
    this.#keep(near);
    if (this.#state === 'refused') return void near.destroy();
    const { hostname, port } = new URL(this.#target());
    const far = connect({ host: hostname, port: Number(port) });
    this.#keep(far);
    near.pipe(this.#slowly()).pipe(far);
    far.pipe(near);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    if (this.#state === 'silent') {
      near.pause();
      far.pause();
    }
  }

  #slowly(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _, done) => {
        const ms = (chunk.length / this.bytesPerSecond) * 1_000;
        if (ms < 1) done(null, chunk);
        else setTimeout(done, ms, null, chunk);
      },
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
