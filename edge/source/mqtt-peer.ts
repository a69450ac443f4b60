import type { Socket } from 'node:net';
import { Budget } from './mqtt-budget.ts';
import {
  type Connect,
  decodeConnect,
  decodeDisconnect,
  encodeConnack,
  encodeNoSubscription,
  encodePacket,
  type Will,
} from './mqtt-codec.ts';
import {
  FrameReader,
  type MqttFrame,
  MqttProtocolError,
  packetType,
  reason,
} from './mqtt-frame.ts';
import { mqttLimits } from './mqtt-limits.ts';
import type { Admission, PeerHost } from './mqtt-peer-host.ts';
import type { MqttVersion } from './mqtt-publish.ts';
import { Receiver } from './mqtt-receiver.ts';
import { Valve } from './mqtt-valve.ts';

/** One client's connection to the listener. */
export class Peer {
  readonly #socket: Socket;
  readonly #host: PeerHost;
  readonly #reader = new FrameReader(mqttLimits.connectBytes, false);
  readonly #budget: Budget;
  readonly #since: number;
  readonly #valve: Valve;
  #heard: number;
  #connect: Connect | undefined;
  #admission: Admission | undefined;
  #receiver: Receiver | undefined;
  #will: Will | undefined;
  /** Monotonic, ms: when we began to close. */
  #closing: number | undefined;
  readonly closed: Promise<void>;

  constructor(socket: Socket, host: PeerHost) {
    this.#socket = socket;
    this.#host = host;
    this.#since = this.#heard = host.clock.monotonic();
    this.#valve = new Valve(socket, () => this.#work());
    const limit = { bytes: mqttLimits.clientBytes, messages: mqttLimits.clientMessages };
    this.#budget = new Budget(limit, host.budget);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('drain', () => this.#valve.release('drain'));
    socket.on('error', (error) => host.log.debug({ peer: this.name, error }, 'connection failed'));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#closing ??= host.clock.monotonic();
        this.#depart();
        resolve();
      });
    });
  }

  /** For the log: who it is and where it comes from. */
  get name(): string {
    const { remoteAddress, remotePort } = this.#socket;
    return `${this.#admission?.session.clientId ?? '?'} at ${remoteAddress}:${remotePort}`;
  }

  /** Ends connections that are silent, half-open or being closed for too long. */
  check(now: number): void {
    const keepalive = (this.#connect?.keepaliveSeconds ?? 0) * 1000;
    if (this.#closing !== undefined) {
      if (now - this.#closing > mqttLimits.lingerMs) this.#socket.destroy();
    } else if (!this.#admission) {
      if (now - this.#since > mqttLimits.connectTimeoutMs) this.#socket.destroy();
    } else if (keepalive > 0 && this.#valve.open && now - this.#heard > keepalive * 1.5) {
      this.close(reason.keepAliveTimeout, 'nothing heard for one and a half times its keep-alive');
    }
  }

  /** Says why, where the client understands it, and ends the connection. */
  close(code: number, why: string): void {
    if (this.#closing !== undefined) return;
    const level = code === reason.shuttingDown ? 'debug' : 'warn';
    this.#host.log[level]({ source: this.#host.source, peer: this.name }, `client closed: ${why}`);
    const told = this.#connect !== undefined || code === reason.unsupportedVersion;
    if (!this.#admission) {
      this.#end(told ? encodeConnack(this.#version, { code, present: false }) : noBytes);
    } else {
      const disconnect = { cmd: 'disconnect', reasonCode: code } as const;
      this.#end(this.#version === 5 ? encodePacket(disconnect, 5) : noBytes);
    }
  }

  /** Takes nothing more, waits until all that was taken is acknowledged, and closes; no will. */
  async stop(): Promise<void> {
    this.#valve.hold('stop');
    this.#will = undefined;
    await this.#receiver?.idle();
    this.close(reason.shuttingDown, 'the source is stopping');
    await this.closed;
  }

  get #version(): MqttVersion {
    return this.#connect?.version ?? 4;
  }

  #read(chunk: Buffer): void {
    if (this.#closing !== undefined) return;
    this.#reader.push(chunk);
    this.#work();
  }

  #work(): void {
    this.#heard = this.#host.clock.monotonic();
    try {
      while (this.#closing === undefined && !this.#valve.held('admission')) {
        const frame = this.#reader.next();
        if (!frame) break;
        this.#take(frame);
      }
    } catch (error) {
      const known = error instanceof MqttProtocolError ? error : undefined;
      this.close(known?.reason ?? reason.malformed, (error as Error).message);
    }
    this.#receiver?.flush();
    if (this.#socket.writableNeedDrain) this.#valve.hold('drain');
    if (this.#budget.full && !this.#valve.held('room')) {
      this.#valve.hold('room');
      this.#budget.whenRoom(() => this.#valve.release('room'));
    }
  }

  #take(frame: MqttFrame): void {
    const { type } = frame;
    if (!this.#receiver) this.#begin(frame);
    else if (type === packetType.publish || type === packetType.pubrel) this.#receiver.take(frame);
    else if (type === packetType.pingreq) this.#send(pingresp);
    else if (type === packetType.subscribe || type === packetType.unsubscribe) {
      this.#send(encodeNoSubscription(frame, this.#version));
    } else if (type === packetType.disconnect) this.#goodbye(frame);
    else throw new MqttProtocolError(reason.protocolError, `packet type ${type}`);
  }

  /** The first packet. What follows it waits until the client is let in. */
  #begin(frame: MqttFrame): void {
    if (frame.type !== packetType.connect) {
      throw new MqttProtocolError(reason.protocolError, `packet type ${frame.type} before CONNECT`);
    }
    const connect = decodeConnect(frame);
    this.#connect = connect;
    this.#valve.hold('admission');
    this.#host
      .admit(this, connect)
      .then((admission) => this.#welcome(connect, admission))
      .catch((error: Error) => {
        const code = error instanceof MqttProtocolError ? error.reason : reason.serverBusy;
        this.close(code, error.message);
      });
  }

  #welcome(connect: Connect, admission: Admission): void {
    this.#admission = admission;
    if (this.#closing !== undefined) {
      // It went while it was being let in.
      if (this.#socket.destroyed) this.#depart();
      return;
    }
    const { version } = connect;
    const { routes, handover, clock } = this.#host;
    const { session, present, assignedId } = admission;
    this.#will = connect.will;
    this.#reader.maxBytes = mqttLimits.packetBytes;
    // Whom it can be told what we take must keep to it; the others do not know.
    const refuses = version === 5;
    this.#reader.skips = !refuses;
    this.#receiver = new Receiver({
      session,
      routes,
      handover,
      budget: this.#budget,
      clock,
      version,
      refuses,
      send: (bytes) => this.#send(bytes),
    });
    this.#send(encodeConnack(version, { code: 0, present, keeps: connect.keeps, assignedId }));
    this.#valve.release('admission');
  }

  #depart(): void {
    const { session } = this.#admission ?? {};
    const keeps = this.#connect?.keeps ?? false;
    const [will, receiver] = [this.#will, this.#receiver];
    this.#host.gone(this, session && { session, keeps, will, receiver });
  }

  #goodbye(frame: MqttFrame): void {
    const { withWill, endsSession } = decodeDisconnect(frame, this.#version);
    if (!withWill) this.#will = undefined;
    if (endsSession && this.#connect) this.#connect.keeps = false;
    this.#end();
  }

  #send(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** Reads on and drops it: were it left unread, the client might miss our last words. */
  #end(bytes = noBytes): void {
    this.#closing = this.#host.clock.monotonic();
    this.#socket.end(bytes);
    this.#socket.resume();
  }
}

const noBytes: Buffer = Buffer.alloc(0);
const pingresp = Buffer.from([packetType.pingresp << 4, 0]);
