import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import mqtt, { type MqttClient } from 'mqtt';
import type { Random } from '../sim/random.ts';
import { postTo } from './api.ts';

/** Those who publish, and know what they were promised. A message is `<name>:<number>`. */
export interface Publisher {
  readonly name: string;
  /** How often it sent this message beyond once where the receiver must take each for a new one. */
  repeats(message: string): number;
  /** Whether the way to the edge promises each message once, rather than at least once. */
  readonly exactlyOnce: boolean;
  /** Every message, all of which were acknowledged once `run` has resolved. */
  readonly messages: readonly string[];
  /** Publishes until `signal` aborts, then waits for what is outstanding. */
  run(signal: AbortSignal): Promise<void>;
}

const windowMessages = 40;

export class MqttPublisher implements Publisher {
  readonly name: string;
  readonly messages: string[] = [];
  readonly #qos: 1 | 2;
  readonly #client: MqttClient;
  readonly #perSecond: number;
  readonly #sent = new Map<string, number>();
  #acknowledged = 0;

  constructor(url: string, name: string, qos: 1 | 2, version: 4 | 5, perSecond: number) {
    this.name = name;
    this.#qos = qos;
    this.#perSecond = perSecond;
    this.#client = connect(url, name, version);
    this.#client.on('packetsend', (packet) => {
      if (packet.cmd !== 'publish') return;
      const message = packet.payload.toString();
      this.#sent.set(message, (this.#sent.get(message) ?? 0) + 1);
    });
  }

  get exactlyOnce(): boolean {
    return this.#qos === 2;
  }

  /** A QoS 1 message that was sent again may come twice; QoS 2 is there to prevent it. */
  repeats(message: string): number {
    return this.#qos === 1 ? Math.max(0, (this.#sent.get(message) ?? 0) - 1) : 0;
  }

  async run(signal: AbortSignal): Promise<void> {
    const tickMs = 20;
    for (let tick = 1; !signal.aborted; tick += 1) {
      const due = (tick * tickMs * this.#perSecond) / 1000;
      while (
        this.messages.length < due &&
        this.messages.length - this.#acknowledged < windowMessages
      ) {
        this.#publish();
      }
      await sleep(tickMs);
    }
    while (this.#acknowledged < this.messages.length) await sleep(tickMs);
    await this.#client.endAsync();
  }

  #publish(): void {
    const message = `${this.name}:${this.messages.length}`;
    this.messages.push(message);
    this.#client.publish(`sensors/${this.name}/value`, message, { qos: this.#qos }, (error) => {
      if (error) throw error;
      this.#acknowledged += 1;
    });
  }
}

/** Posts a few records at a time, and the same again until it is told that they are kept. */
export class HttpPublisher implements Publisher {
  readonly name: string;
  readonly exactlyOnce = true;
  readonly messages: string[] = [];
  readonly #url: () => string;
  readonly #random: Random;

  constructor(url: () => string, name: string, random: Random) {
    this.name = name;
    this.#url = url;
    this.#random = random;
  }

  repeats(): number {
    return 0;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const batch = Array.from(
        { length: this.#random.between(1, 12) },
        (_, index) => `${this.name}:${this.messages.length + index}`,
      );
      this.messages.push(...batch);
      const key = randomUUID();
      while (!(await this.#post(batch, key))) await sleep(20);
      // An answer that got lost on the way looks like this to the edge.
      if (this.#random.chance(0.1)) while (!(await this.#post(batch, key))) await sleep(20);
      await sleep(this.#random.between(5, 60));
    }
  }

  async #post(batch: readonly string[], idempotencyKey: string): Promise<boolean> {
    const headers = { 'idempotency-key': idempotencyKey };
    const answer = await postTo(this.#url(), this.name, batch, headers).catch(() => undefined);
    if (answer === undefined || answer.status === 503) return false;
    if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`);
    const { accepted } = (await answer.json()) as { accepted: number };
    if (accepted !== batch.length) throw new Error(`${accepted} of ${batch.length} accepted`);
    return true;
  }
}

function connect(url: string, clientId: string, protocolVersion: 4 | 5): MqttClient {
  const client = mqtt.connect(url, {
    clientId,
    protocolVersion,
    clean: false,
    reconnectPeriod: 200,
    ...(protocolVersion === 5 ? { properties: { sessionExpiryInterval: 3600 } } : {}),
  });
  // It tries again by itself.
  client.on('error', () => {});
  return client;
}
