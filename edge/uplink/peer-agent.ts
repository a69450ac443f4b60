import https from 'node:https';
import type { Duplex } from 'node:stream';
import { connectTls, type TlsIdentity } from './tls-connect.ts';

/** Connections to central that are used only once they have proved to be with central. */
export class PeerAgent extends https.Agent {
  readonly #identity: TlsIdentity;
  #retired = false;

  constructor(identity: TlsIdentity) {
    super({ keepAlive: true, maxSockets: 4 });
    this.#identity = identity;
  }

  override createConnection(
    options: https.RequestOptions,
    done: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const target = { host: options.host ?? 'localhost', port: Number(options.port) };
    connectTls(target, this.#identity).then(
      (socket) => done(null, socket),
      (error: Error) => done(error, undefined as never),
    );
    return undefined;
  }

  /** Ends what is idle now, and the rest when its request has ended. */
  retire(): void {
    this.#retired = true;
    for (const sockets of Object.values(this.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  override keepSocketAlive(socket: Duplex): boolean {
    return !this.#retired && (super.keepSocketAlive(socket) as unknown as boolean);
  }
}
