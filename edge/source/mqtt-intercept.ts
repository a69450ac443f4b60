import { Duplex } from 'node:stream';
import { FrameReader, type MqttFrame, packetType } from './mqtt-frame.ts';
import { mqttLimits } from './mqtt-limits.ts';

/** Who takes part of a connection before MQTT.js does. */
export interface Interceptor {
  /** PUBLISH and PUBREL never reach MQTT.js. */
  message(frame: MqttFrame): void;
  /** Seen on its way to MQTT.js, before anything that follows it. */
  connack(frame: MqttFrame): void;
  /** All of one read was passed on. */
  readEnd(): void;
}

/**
 * Stands between MQTT.js and its socket. MQTT.js handles inbound messages one after the other, and
 * acknowledges QoS 2 before it hands them on. So messages are taken out here and acknowledged by
 * us, between its own packets; connecting, subscribing and disconnecting stay its own.
 */
export class Intercept extends Duplex {
  readonly #wire: Duplex;
  readonly #reader = new FrameReader(mqttLimits.packetBytes, true);
  readonly #interceptor: Interceptor;
  #deaf = false;
  /** Bytes came in, or went out, since this was last set to false. */
  heard = false;
  spoke = false;

  constructor(wire: Duplex, interceptor: Interceptor) {
    super();
    this.#wire = wire;
    this.#interceptor = interceptor;
    wire.on('data', (chunk: Buffer) => this.#read(chunk));
    wire.on('error', (error) => this.destroy(error));
    wire.on('close', () => this.destroy());
  }

  /** Writes whole packets of ours. */
  send(bytes: Buffer): void {
    if (this.destroyed) return;
    this.spoke = true;
    this.#wire.write(bytes);
  }

  pauseReading(): void {
    this.#wire.pause();
  }

  resumeReading(): void {
    this.heard = true;
    this.#wire.resume();
  }

  /**
   * Ends the connection in order. What still comes is dropped, so that our last words are heard.
   */
  goodbye(): void {
    this.#deaf = true;
    this.#wire.resume();
    this.send(disconnect);
    this.end();
  }

  #read(chunk: Buffer): void {
    this.heard = true;
    if (this.destroyed) return;
    this.#reader.push(chunk);
    try {
      for (let frame = this.#reader.next(); frame; frame = this.#reader.next()) this.#pass(frame);
    } catch (error) {
      this.destroy(error as Error);
    }
    this.#interceptor.readEnd();
  }

  #pass(frame: MqttFrame): void {
    if (frame.type === packetType.publish || frame.type === packetType.pubrel) {
      if (!this.#deaf) this.#interceptor.message(frame);
    } else if (frame.type !== packetType.pingresp) {
      if (frame.type === packetType.connack) this.#interceptor.connack(frame);
      this.push(frame.bytes);
    }
  }

  override _read(): void {
    // Frames are pushed as they come; those of MQTT.js are few and small.
  }

  /** Answers at once, so that the pieces of one packet stay together on the wire. */
  override _write(chunk: Buffer, _: BufferEncoding, written: (error?: Error | null) => void): void {
    this.send(chunk);
    written();
  }

  override _final(ended: () => void): void {
    this.#wire.end();
    ended();
  }

  override _destroy(error: Error | null, destroyed: (error: Error | null) => void): void {
    this.#wire.destroy();
    destroyed(error);
  }
}

/** Normal in all versions. */
const disconnect = Buffer.from([packetType.disconnect << 4, 0]);
