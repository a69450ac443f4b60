import { type Clock, systemClock } from '#shared/std/clock.ts';
import { ClusterAdmin } from './admin.ts';
import { BrokerCoordinator } from './broker-coordinator.ts';
import { Connections } from './connections.ts';
import type {
  Kafka,
  KafkaAdmin,
  KafkaDeps,
  KafkaReads,
  KafkaSettings,
  Membership,
  MembershipOptions,
  ProducerOptions,
  TransactionalProducer,
} from './kafka.ts';
import { GroupMembership } from './membership.ts';
import { KafkaProducer } from './producer.ts';
import { LeaderReads } from './reads.ts';

export interface OpenKafkaDeps extends KafkaDeps {
  /** Default: the machine's own. */
  clock?: Clock;
  /** In [0, 1). Default: Math.random. */
  random?: () => number;
}

const requestTimeoutMsDefault = 30_000;

/**
 * Kafka, as these settings reach it. Connects to nobody yet: brokers that are down are found out by
 * the calls, and looked for again and again. Throws `invalid` for `brokers` that are no addresses.
 */
export function openKafka(settings: KafkaSettings, deps: OpenKafkaDeps): Kafka {
  return new ConnectedKafka(settings, deps);
}

class ConnectedKafka implements Kafka {
  readonly admin: KafkaAdmin;
  readonly reads: KafkaReads;
  readonly #deps: KafkaDeps & { clock: Clock; random: () => number };
  readonly #connections: Connections;
  readonly #requestTimeoutMs: number;
  #producers = 0;

  constructor(settings: KafkaSettings, deps: OpenKafkaDeps) {
    this.#deps = { clock: systemClock, random: Math.random, ...deps };
    this.#requestTimeoutMs = settings.requestTimeoutMs ?? requestTimeoutMsDefault;
    this.#connections = new Connections(settings, this.#deps);
    const parts = {
      connections: this.#connections,
      clock: this.#deps.clock,
      requestTimeoutMs: this.#requestTimeoutMs,
    };
    this.admin = new ClusterAdmin(parts);
    this.reads = new LeaderReads(parts);
  }

  producer(options: ProducerOptions): TransactionalProducer {
    this.#producers += 1;
    return new KafkaProducer(options, {
      connections: this.#connections,
      clock: this.#deps.clock,
      requestTimeoutMs: this.#requestTimeoutMs,
      lane: `producer ${this.#producers}`,
    });
  }

  join(options: MembershipOptions): Membership {
    const coordinator = new BrokerCoordinator(options, this.#connections);
    return new GroupMembership(options, { ...this.#deps, coordinator });
  }

  close(): Promise<void> {
    return this.#connections.close();
  }
}
