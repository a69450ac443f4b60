import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { type Packet, parser } from 'mqtt-packet';

export interface Seen {
  from: 'client' | 'server';
  packet: Packet & { payload?: Buffer; reasonCode?: number; dup?: boolean };
}

/**
 * A TCP proxy before an MQTT server that reads along, with the codec of MQTT.js, whole packets at a
 * time: what it has seen has been passed on. It can stop passing packets on and cut connections.
 */
export class MqttWire {
  readonly seen: Seen[] = [];
  /** Packets for which it answers false are not passed on, nor is anything behind them. */
  lets: (seen: Seen) => boolean = () => true;
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #waiting: { until: () => boolean; resolve: () => void }[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port: number, protocolVersion: 4 | 5 = 4): Promise<MqttWire> {
    const server = createServer();
    const wire = new MqttWire(server);
    server.on('connection', (client) => {
      wire.connections += 1;
      const upstream = createConnection({ port, host: '127.0.0.1' });
      wire.#pass(client, upstream, 'client', protocolVersion);
      wire.#pass(upstream, client, 'server', protocolVersion);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return wire;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** Packets of one kind, in order. */
  of(from: Seen['from'], cmd: Packet['cmd']): Seen['packet'][] {
    return this.seen
      .filter((seen) => seen.from === from && seen.packet.cmd === cmd)
      .map(({ packet }) => packet);
  }

  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ until: condition, resolve }));
  }

  /** Ends all connections at once, without a word. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #pass(from: Socket, to: Socket, name: Seen['from'], protocolVersion: 4 | 5): void {
    const reader = parser({ protocolVersion });
    let bytes = Buffer.alloc(0);
    let held = false;
    reader.on('packet', (packet) => {
      const length = 1 + lengthBytes(packet.length!) + packet.length!;
      const seen = { from: name, packet } as Seen;
      held ||= !this.lets(seen);
      if (held) return;
      to.write(bytes.subarray(0, length));
      bytes = bytes.subarray(length);
      this.seen.push(seen);
    });
    this.#sockets.add(from);
    from.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      reader.parse(chunk);
      const all = this.#waiting;
      this.#waiting = all.filter(({ until }) => !until());
      for (const waiting of all) if (!this.#waiting.includes(waiting)) waiting.resolve();
    });
    from.on('error', () => {});
    from.on('close', () => {
      this.#sockets.delete(from);
      to.end();
    });
  }
}

const lengthBytes = (length: number): number =>
  length < 128 ? 1 : length < 16_384 ? 2 : length < 2_097_152 ? 3 : 4;
