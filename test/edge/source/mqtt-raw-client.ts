import { connect, type Socket } from 'node:net';
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet';

export type Got = Packet & { [field: string]: unknown };

/** A client that does what the test says, and nothing by itself. */
export class RawClient {
  readonly got: Got[] = [];
  closed = false;
  readonly socket: Socket;
  readonly #version: 3 | 4 | 5;

  constructor(address: string, version: 3 | 4 | 5 = 4) {
    this.#version = version;
    this.socket = connect(Number(new URL(address).port), '127.0.0.1');
    const reader = parser({ protocolVersion: version });
    reader.on('packet', (packet) => this.got.push(packet as Got));
    this.socket.on('data', (chunk) => reader.parse(chunk));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  send(...packets: Packet[]): void {
    const bytes = packets.map((packet) => generate(packet, { protocolVersion: this.#version }));
    this.socket.write(Buffer.concat(bytes));
  }

  connect(values: Partial<IConnectPacket> = {}): void {
    this.send({
      cmd: 'connect',
      protocolId: this.#version === 3 ? 'MQIsdp' : 'MQTT',
      protocolVersion: this.#version,
      clientId: 'raw',
      clean: true,
      keepalive: 0,
      ...values,
    });
  }

  publish(topic: string, qos: 0 | 1 | 2, messageId: number, payload: string | Buffer = 'x'): void {
    this.send({ cmd: 'publish', topic, qos, messageId, payload, dup: false, retain: false });
  }

  /** Packets of one kind. */
  of(cmd: Packet['cmd']): Got[] {
    return this.got.filter((packet) => packet.cmd === cmd);
  }
}
