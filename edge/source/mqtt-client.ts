import type { MqttClient } from 'mqtt';
import { Backoff } from '#shared/std/backoff.ts';
import type { Clock } from '#shared/std/clock.ts';
import type { Logger } from '#shared/std/log.ts';
import type { SourceState } from '#shared/wire/link.ts';
import { Budget } from './mqtt-budget.ts';
import { Connection } from './mqtt-connection.ts';
import { Handover } from './mqtt-handover.ts';
import { mqttLimits } from './mqtt-limits.ts';
import { Routes } from './mqtt-route.ts';
import { Session } from './mqtt-session.ts';
import type { MqttClientSettings } from './mqtt-settings.ts';
import { Subscriptions } from './mqtt-subscriptions.ts';
import { readTlsFiles } from './mqtt-tls-files.ts';
import type { Source, SourceContext } from './source.ts';

export interface MqttDeps {
  clock: Clock;
  log: Logger;
  random: () => number;
}

/** Subscribes at a broker, and stays subscribed whatever becomes of it. */
export class MqttClientSource implements Source {
  readonly name: string;
  readonly type = 'mqtt';
  readonly #settings: MqttClientSettings;
  readonly #context: SourceContext;
  readonly #deps: MqttDeps;
  readonly #handover: Handover;
  readonly #budget = new Budget({
    bytes: mqttLimits.outstandingBytes,
    messages: mqttLimits.outstandingMessages,
  });
  readonly #backoff: Backoff;
  readonly #routes: Routes;
  readonly #session: Session;
  readonly #subscriptions: Subscriptions;
  readonly #stopping = new AbortController();
  #forgetting: Promise<void> = Promise.resolve();
  #connection: Connection | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;
  #state: SourceState['state'] = 'starting';
  #detail = 'not connected yet';

  constructor(settings: MqttClientSettings, context: SourceContext, deps: MqttDeps) {
    const { name, clientId, subscribe } = settings;
    this.name = name;
    this.#settings = settings;
    this.#context = context;
    this.#deps = deps;
    this.#handover = new Handover(context, deps);
    this.#routes = new Routes(subscribe);
    const stored = settings.protocol === '3.1.1' || settings.sessionExpirySeconds > 0;
    this.#session = new Session(name, clientId, stored);
    this.#subscriptions = new Subscriptions(name, this.#session, subscribe);
    this.#backoff = new Backoff({
      baseMs: mqttLimits.reconnectBaseMs,
      maxMs: mqttLimits.reconnectMaxMs,
      random: deps.random,
    });
  }

  async start(): Promise<void> {
    const positions = await this.#context.positions(`${this.name}/`);
    this.#session.restore(positions);
    this.#subscriptions.restore(positions);
    const ours = new Set([...this.#session.keys(), this.#subscriptions.key]);
    const others = [...positions.keys()].filter((key) => !ours.has(key));
    // Of a client id that the settings no longer have.
    if (others.length > 0) this.#handover.move({ delete: others }).catch(() => {});
    this.#running = this.#run();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  state(): SourceState {
    const { trouble, accepted } = this.#handover;
    const ailing = this.#state === 'running' && trouble !== '';
    return {
      name: this.name,
      type: this.type,
      state: ailing ? 'degraded' : this.#state,
      detail: ailing ? trouble : this.#detail,
      acceptedRecords: accepted,
    };
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    this.#handover.stop();
    await this.#connection?.stop();
    await this.#running;
    await this.#handover.idle();
    this.#say('stopped', 'stopped');
  }

  async #run(): Promise<void> {
    const { clock } = this.#deps;
    while (!this.#stopping.signal.aborted) {
      const why = await this.#connect().catch((error: Error) => error.message);
      if (this.#stopping.signal.aborted) return;
      const since = this.#connection?.connectedAt;
      if (since !== undefined && clock.monotonic() - since >= mqttLimits.stableMs) {
        this.#backoff.reset();
      }
      this.#connection = undefined;
      this.#say('degraded', `no connection to ${this.#address}: ${why}; trying again`);
      await clock.sleep(this.#backoff.next(), this.#stopping.signal).catch(() => {});
    }
  }

  /** Resolves with why the connection ended; rejects where none could be tried. */
  async #connect(): Promise<string> {
    // What earlier connections brought is still bounded together with what this one will.
    await new Promise<void>((resolve) => this.#budget.whenRoom(resolve));
    const files = await readTlsFiles(this.#settings.tls);
    if (this.#stopping.signal.aborted) return 'stopping';
    this.#connection = new Connection({
      settings: this.#settings,
      files,
      session: this.#session,
      routes: this.#routes,
      handover: this.#handover,
      budget: this.#budget,
      clock: this.#deps.clock,
      accepted: (resumed) => this.#accepted(resumed),
      ready: (client) => void this.#subscribe(client),
    });
    return this.#connection.closed;
  }

  /** Without a session at the broker our memory of it is void; it goes before a new one is used. */
  #accepted(resumed: boolean): void {
    this.#say('starting', `connected to ${this.#address}, subscribing`);
    if (resumed) return;
    const keys = [...this.#session.keys(), this.#subscriptions.key];
    this.#session.unreleased.clear();
    this.#subscriptions.forget();
    this.#forgetting = this.#session.stored
      ? this.#handover.move({ delete: keys })
      : Promise.resolve();
    // Whoever subscribes sees it fail; where nobody gets that far, it does not matter.
    this.#forgetting.catch(() => {});
  }

  async #subscribe(client: MqttClient): Promise<void> {
    try {
      // The broker sends nothing unasked, so no new packet id can meet an old one that is not gone.
      await this.#forgetting;
      const refused = await this.#subscriptions.settle(client, this.#handover);
      if (!client.connected) return;
      const filters = this.#settings.subscribe.length;
      const running = `connected to ${this.#address}, ${filters} ${filters === 1 ? 'route' : 'routes'}`;
      this.#say(refused ? 'degraded' : 'running', refused || running);
    } catch (error) {
      // The connection is gone, or closing: its end says why, and the next one asks again.
      this.#deps.log.debug({ source: this.name, error }, 'subscribing was cut short');
      client.end(true);
    }
  }

  #say(state: SourceState['state'], detail: string): void {
    if (detail !== this.#detail) {
      const level = state === 'degraded' ? 'warn' : state === 'starting' ? 'debug' : 'info';
      this.#deps.log[level]({ source: this.name }, detail);
    }
    this.#state = state;
    this.#detail = detail;
  }

  /** Without credentials. */
  get #address(): string {
    const { protocol, host } = new URL(this.#settings.url);
    return `${protocol}//${host}`;
  }
}
