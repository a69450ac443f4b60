import { MqttClient } from 'mqtt';
import { atMost } from '#shared/std/at-most.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Budget } from './mqtt-budget.ts';
import { type MqttFrame, MqttProtocolError, packetType, reason } from './mqtt-frame.ts';
import type { Handover } from './mqtt-handover.ts';
import { Intercept, type Interceptor } from './mqtt-intercept.ts';
import { mqttLimits } from './mqtt-limits.ts';
import { Receiver } from './mqtt-receiver.ts';
import type { Routes } from './mqtt-route.ts';
import type { Session } from './mqtt-session.ts';
import type { MqttClientSettings } from './mqtt-settings.ts';
import type { TlsFiles } from './mqtt-tls-files.ts';
import { openWire } from './mqtt-wire.ts';

export interface ConnectionOptions {
  settings: MqttClientSettings;
  files: TlsFiles;
  session: Session;
  routes: Routes;
  handover: Handover;
  budget: Budget;
  clock: Clock;
  /** The broker accepted us; called before any message of this connection is taken. */
  accepted(resumed: boolean): void;
  /** The broker may be asked for subscriptions. */
  ready(client: MqttClient): void;
}

/** One connection to the broker, from the first try to its end; it is not repeated here. */
export class Connection implements Interceptor {
  /** Resolves with why, for a person. */
  readonly closed: Promise<string>;
  /** Monotonic, ms; undefined before the broker accepted. */
  connectedAt: number | undefined;
  readonly #o: ConnectionOptions;
  readonly #client: MqttClient;
  #intercept: Intercept | undefined;
  #receiver: Receiver | undefined;
  #why: string | undefined;
  #silentTicks = 0;
  #full = false;
  #stopping = false;

  constructor(options: ConnectionOptions) {
    this.#o = options;
    this.#client = new MqttClient((client) => this.#build(client), clientOptions(options.settings));
    const { promise, resolve } = Promise.withResolvers<string>();
    this.closed = promise;
    this.#client.on('error', (error) => this.#fail(error.message));
    this.#client.on('disconnect', ({ reasonCode, properties }) =>
      this.#fail(`the broker ends it: ${properties?.reasonString ?? `reason code ${reasonCode}`}`),
    );
    this.#client.on('connect', () => this.#ready());
    this.#client.on('close', () => resolve(this.#why ?? 'the connection was closed'));
    this.#client.connect();
  }

  /** Takes nothing more, waits until all that was taken is acknowledged, and says goodbye. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#intercept?.pauseReading();
    await this.#receiver?.idle();
    if (this.connectedAt === undefined) this.#intercept?.destroy();
    else this.#intercept?.goodbye();
    await atMost(this.#o.clock, mqttLimits.lingerMs, this.closed);
    this.#intercept?.destroy();
    await this.closed;
  }

  connack(frame: MqttFrame): void {
    if (this.#receiver) throw new MqttProtocolError(reason.protocolError, 'a second CONNACK');
    if (frame.bytes[frame.body + 1] !== 0) return;
    const { session, routes, handover, budget, clock, settings } = this.#o;
    this.connectedAt = clock.monotonic();
    this.#o.accepted(frame.bytes[frame.body] === 1);
    this.#receiver = new Receiver({
      session,
      routes,
      handover,
      budget,
      clock,
      version: settings.protocol === '5' ? 5 : 4,
      refuses: false,
      send: (bytes) => this.#intercept?.send(bytes),
    });
  }

  message(frame: MqttFrame): void {
    if (!this.#receiver) throw new MqttProtocolError(reason.protocolError, 'no CONNACK before it');
    this.#receiver.take(frame);
  }

  readEnd(): void {
    this.#receiver?.flush();
    if (this.#full || !this.#o.budget.full) return;
    this.#full = true;
    this.#intercept?.pauseReading();
    this.#o.budget.whenRoom(() => {
      this.#full = false;
      if (!this.#stopping) this.#intercept?.resumeReading();
    });
  }

  #build(client: MqttClient): Intercept {
    const { settings, files } = this.#o;
    const intercept = new Intercept(openWire(new URL(settings.url), client, files), this);
    intercept.on('error', (error) => this.#fail(wordsOf(error)));
    this.#intercept = intercept;
    return intercept;
  }

  #ready(): void {
    const seconds = this.#client.keepalive;
    if (seconds > 0) {
      const stop = this.#o.clock.every((seconds * 1000) / 3, () => this.#tick());
      this.#client.once('close', stop);
    }
    this.#o.ready(this.#client);
  }

  /**
   * Keep-alive is ours, because MQTT.js counts neither messages that it does not see nor a pause of
   * reading as life. A ping goes out when either side was silent for a third of the time.
   */
  #tick(): void {
    const intercept = this.#intercept!;
    const { heard, spoke } = intercept;
    intercept.heard = false;
    intercept.spoke = false;
    this.#silentTicks = heard || this.#full ? 0 : this.#silentTicks + 1;
    if (this.#silentTicks > 4) {
      this.#fail('the broker is silent: no answer to a ping');
    } else if (!heard || !spoke) {
      intercept.send(pingreq);
    }
  }

  /** Ends the connection; the first reason is the cause, what follows are its effects. */
  #fail(why: string): void {
    this.#why ??= why.trim().split('\n')[0];
    this.#intercept?.destroy();
  }
}

/** Where a name has several addresses and none answers, Node's error has a code only. */
const wordsOf = (error: NodeJS.ErrnoException): string =>
  error.message || error.code || String(error);

const pingreq = Buffer.from([packetType.pingreq << 4, 0]);

function clientOptions(settings: MqttClientSettings): MqttClient['options'] {
  const five = settings.protocol === '5';
  return {
    manualConnect: true,
    clientId: settings.clientId,
    clean: false,
    protocolVersion: five ? 5 : 4,
    username: settings.username,
    password: settings.password,
    keepalive: settings.keepaliveSeconds,
    timerVariant: { set: () => 0, clear: () => {} } as never,
    // A new client is made for each connection, with our backoff and our memory.
    reconnectPeriod: 0,
    resubscribe: false,
    properties: five
      ? {
          sessionExpiryInterval: settings.sessionExpirySeconds,
          receiveMaximum: mqttLimits.receiveMaximum,
        }
      : undefined,
  };
}
