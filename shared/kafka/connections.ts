import type { Clock } from '#shared/std/clock.ts';
import type { Api, Destination, SendOptions } from './api.ts';
import { addressText, type BrokerAddress, parseAddress } from './broker-address.ts';
import { BrokerConnection } from './broker-connection.ts';
import { ClusterView } from './cluster-view.ts';
import { type CoordinatorKind, findCoordinator } from './coordinator-lookup.ts';
import { KafkaError, type KafkaSettings } from './kafka.ts';
import { metadata } from './metadata.ts';
import { ReconnectDelays } from './reconnect-delays.ts';

export interface ConnectionsDeps {
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
}

/** Metadata and coordinators are small answers: who does not give them soon is not asked longer. */
const lookupTimeoutMs = 10_000;
const mainLane = 'main';

/** The answer came from a broker that is no longer the one to ask. */
const misdirected: readonly (string | null)[] = ['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE'];

/**
 * Connections to all brokers, one per broker and lane, opened when needed and again after they were
 * lost (with a short, growing delay). Nothing is sent twice here but what goes to `any`; whoever
 * sends decides what an `unavailable` means. Everything rejects with a KafkaError.
 */
export class Connections {
  readonly view: ClusterView;
  readonly #settings: KafkaSettings;
  readonly #deps: ConnectionsDeps;
  readonly #seeds: readonly BrokerAddress[];
  readonly #open = new Map<string, BrokerConnection>();
  readonly #delays: ReconnectDelays;
  readonly #coordinators = new Map<string, number>();
  #closed: KafkaError | undefined;
  #turn = 0;
  /** A connection failed: the broker may have another address by now. */
  #addressesDoubtful = false;

  /** Throws `invalid` for `brokers` that are no addresses. */
  constructor(settings: KafkaSettings, deps: ConnectionsDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#seeds = settings.brokers.map(parseAddress);
    if (this.#seeds.length === 0) throw new KafkaError('invalid', 'no brokers are given');
    this.#delays = new ReconnectDelays(deps);
    this.view = new ClusterView(deps.clock, (topics) => this.#askMetadata(topics));
  }

  async send<T>(to: Destination, api: Api<T>, options: SendOptions = {}): Promise<T> {
    if (to === 'any') return this.#sendAny(api, options);
    const connection = await this.connect(to, options.lane);
    try {
      return await connection.send(api, options);
    } catch (cause) {
      if (isCoordinator(to) && (connection.closed || misdirected.includes(codeOf(cause)))) {
        this.#coordinators.delete(coordinatorKey(to));
      }
      if (to === 'controller' && codeOf(cause) === 'NOT_CONTROLLER') this.view.controller = -1;
      throw cause;
    }
  }

  /**
   * The connection itself, for what must go down one and the same in order. It may be about to open
   * (`ready`), and is not opened again once closed.
   */
  async connect(
    to: Exclude<Destination, 'any'>,
    lane: string = mainLane,
  ): Promise<BrokerConnection> {
    this.#throwIfClosed();
    const node = await this.#nodeOf(to);
    if (this.#addressesDoubtful || !this.view.brokers.has(node)) await this.#refreshAddresses();
    this.#throwIfClosed();
    const broker = this.view.brokers.get(node);
    if (!broker) {
      // Whatever it did, another does it by now.
      if (isCoordinator(to)) this.#coordinators.delete(coordinatorKey(to));
      throw new KafkaError('unavailable', `broker ${node} is not in the cluster now`);
    }
    return this.#connection(broker, lane);
  }

  /** Rejects all that is under way with `closed`. */
  async close(): Promise<void> {
    this.#closed ??= new KafkaError('closed', 'the Kafka client was closed');
    for (const connection of [...this.#open.values()]) connection.close(this.#closed);
  }

  #throwIfClosed(): void {
    if (this.#closed) throw this.#closed;
  }

  #connection(address: BrokerAddress, lane: string): BrokerConnection {
    const where = addressText(address);
    const key = `${where} ${lane}`;
    const open = this.#open.get(key);
    if (open) return open;
    const connection = new BrokerConnection({
      address,
      settings: this.#settings,
      clock: this.#deps.clock,
      delayMs: this.#delays.next(where),
      onClosed: () => {
        this.#open.delete(key);
        this.#addressesDoubtful = true;
      },
    });
    this.#open.set(key, connection);
    connection.ready.then(
      () => this.#delays.succeeded(where),
      () => this.#delays.failed(where),
    );
    return connection;
  }

  async #nodeOf(to: Exclude<Destination, 'any'>): Promise<number> {
    if (to === 'controller') {
      if (this.view.controller < 0) await this.view.refresh();
      if (this.view.controller >= 0) return this.view.controller;
      throw new KafkaError('unavailable', 'the cluster has no controller now');
    }
    if ('node' in to) return to.node;
    const key = coordinatorKey(to);
    const known = this.#coordinators.get(key);
    if (known !== undefined) return known;
    const [kind, name] = coordinatorOf(to);
    const { id } = await this.#sendAny(findCoordinator(kind, name), { timeoutMs: lookupTimeoutMs });
    this.#coordinators.set(key, id);
    return id;
  }

  async #refreshAddresses(): Promise<void> {
    this.#addressesDoubtful = false;
    try {
      await this.view.refresh();
    } catch (cause) {
      this.#addressesDoubtful = true;
      throw cause;
    }
  }

  async #askMetadata(topics: readonly string[]) {
    const answer = await this.#sendAny(metadata(topics), { timeoutMs: lookupTimeoutMs });
    this.#closeStrangers(answer.brokers);
    return answer;
  }

  /** Idle ones to addresses that no broker has: seeds' other names, brokers that moved. */
  #closeStrangers(brokers: readonly BrokerAddress[]): void {
    const known = new Set(brokers.map(addressText));
    const doubtful = this.#addressesDoubtful;
    for (const connection of [...this.#open.values()]) {
      if (known.has(connection.address) || !connection.idle) continue;
      connection.close(new KafkaError('unavailable', `${connection.address} is no broker now`));
    }
    this.#addressesDoubtful = doubtful;
  }

  /** First who is connected, then who the cluster has, then those that the settings name. */
  async #sendAny<T>(api: Api<T>, options: SendOptions): Promise<T> {
    const lane = options.lane ?? mainLane;
    const known = rotated([...this.view.brokers.values()], this.#turn++);
    const connected = (address: BrokerAddress) =>
      this.#open.get(`${addressText(address)} ${lane}`)?.opened === true;
    const candidates = new Map(
      [...known.filter(connected), ...known, ...rotated(this.#seeds, this.#turn)].map(
        (address) => [addressText(address), address] as const,
      ),
    );
    let failure: KafkaError | undefined;
    for (const address of candidates.values()) {
      this.#throwIfClosed();
      const connection = this.#connection(address, lane);
      try {
        return await connection.send(api, options);
      } catch (cause) {
        failure = cause as KafkaError;
        if (!connection.closed || failure.code !== 'unavailable') throw failure;
      }
    }
    throw failure!;
  }
}

const rotated = <T>(items: readonly T[], by: number): T[] => {
  const from = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(from), ...items.slice(0, from)];
};

const codeOf = (cause: unknown): string | null =>
  cause instanceof KafkaError ? cause.kafkaCode : null;

type Coordinated = Extract<Destination, { group: string } | { transaction: string }>;

const isCoordinator = (to: Destination): to is Coordinated =>
  typeof to === 'object' && ('group' in to || 'transaction' in to);

const coordinatorOf = (to: Coordinated): [CoordinatorKind, string] =>
  'group' in to ? ['group', to.group] : ['transaction', to.transaction];

const coordinatorKey = (to: Coordinated): string => coordinatorOf(to).join(' ');
