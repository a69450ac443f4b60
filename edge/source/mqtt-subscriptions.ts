import { type MqttClient, ReasonCodes } from 'mqtt';
import type { Handover } from './mqtt-handover.ts';
import { positionKey, type Session } from './mqtt-session.ts';
import type { Route } from './mqtt-settings.ts';

/**
 * The subscriptions of a session at the broker. What it confirmed is remembered beside the session,
 * so that a resumed session gets what the settings have new and loses what they no longer have, and
 * is not asked again for the rest: MQTT 3.1.1 sends all retained messages anew for each asking.
 */
export class Subscriptions {
  readonly #wanted: ReadonlyMap<string, 0 | 1 | 2>;
  readonly #key: string;
  readonly #session: Session;
  #confirmed: ReadonlyMap<string, number> = new Map();

  constructor(source: string, session: Session, routes: readonly Route[]) {
    const wanted = new Map<string, 0 | 1 | 2>();
    for (const { filter, qos } of routes) if (!wanted.has(filter)) wanted.set(filter, qos);
    this.#wanted = wanted;
    this.#key = positionKey.subscribed(source, session.clientId);
    this.#session = session;
  }

  /**
   * Takes up what was stored; ignores positions of others. It is asked for once more: had we died
   * between the broker's new session and our forgetting of the old one, nobody would ask again.
   */
  restore(positions: ReadonlyMap<string, Buffer>): void {
    const stored = positions.get(this.#key);
    if (!stored) return;
    const filters: string[] = JSON.parse(stored.toString());
    this.#confirmed = new Map(filters.map((filter) => [filter, unsure]));
  }

  /** Where it is stored. */
  get key(): string {
    return this.#key;
  }

  /** The broker has forgotten the session: none of it is left. */
  forget(): void {
    this.#confirmed = new Map();
  }

  /**
   * Makes the broker's subscriptions what the settings say. Resolves with what the broker refused,
   * for a person; empty when all is well. Rejects when the connection ends.
   */
  async settle(client: MqttClient, handover: Handover): Promise<string> {
    const confirmed = new Map(this.#confirmed);
    const stale = [...confirmed.keys()].filter((filter) => !this.#wanted.has(filter));
    const fresh = [...this.#wanted].filter(([filter, qos]) => confirmed.get(filter) !== qos);
    if (stale.length > 0) await client.unsubscribeAsync(stale);
    for (const filter of stale) confirmed.delete(filter);
    const problems: string[] = [];
    for (const { filter, qos, granted } of await subscribe(client, fresh)) {
      confirmed.delete(filter);
      if (granted === qos) confirmed.set(filter, qos);
      else problems.push(`${filter}: ${grantProblem(qos, granted)}`);
    }
    this.#confirmed = confirmed;
    if (stale.length + fresh.length > 0) await this.#store(handover);
    return problems.length > 0 ? `the broker refuses ${problems.join('; ')}` : '';
  }

  async #store(handover: Handover): Promise<void> {
    if (!this.#session.stored) return;
    const value = Buffer.from(JSON.stringify([...this.#confirmed.keys()]));
    await handover.move({ set: new Map([[this.#key, value]]) });
  }
}

/** Asked for by an earlier run of the agent. */
const unsure = -1;

interface Grant {
  filter: string;
  qos: 0 | 1 | 2;
  /** The QoS that the broker gives, or a reason code of 128 or more. */
  granted: number;
}

function subscribe(client: MqttClient, routes: [string, 0 | 1 | 2][]): Promise<Grant[]> {
  if (routes.length === 0) return Promise.resolve([]);
  // Retain handling 1 (MQTT 5): retained messages only for a subscription that is new.
  const map = Object.fromEntries(routes.map(([filter, qos]) => [filter, { qos, rh: 1 }]));
  return new Promise((resolve, reject) => {
    client.subscribe(map, (error, asked, suback) => {
      // A refusal is an error here too; what the broker said about each filter is in the packet.
      const granted = suback?.granted as number[] | undefined;
      if (!asked || !granted) return reject(error ?? new Error('no SUBACK'));
      const wanted = new Map(routes);
      resolve(
        asked.map(({ topic }, index) => ({
          filter: topic,
          qos: wanted.get(topic)!,
          granted: granted[index]!,
        })),
      );
    });
  });
}

const grantProblem = (qos: number, granted: number): string =>
  granted >= 128
    ? (ReasonCodes[granted as keyof typeof ReasonCodes] ?? `reason code ${granted}`)
    : `QoS ${qos}, it gives ${granted} only`;
