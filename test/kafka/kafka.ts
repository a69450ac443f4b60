import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryFolder } from '../memory-folder.ts';
import { Guard } from './guard.ts';
import { type KafkaLine, kafkaJars } from './jars.ts';
import { kafkaMissing } from './missing.ts';
import { KafkaNode } from './node.ts';
import { freePorts } from './ports.ts';

export interface KafkaOptions {
  /** 1 (default): one node that is all. 3: three brokers, and a controller that outlives them. */
  brokers?: 1 | 3;
  /** Default `4.x`. Exact versions: test/kafka/pom.xml. */
  version?: KafkaLine;
  /** Over the harness's own, for every node. */
  properties?: { readonly [name: string]: string };
  /**
   * Each broker also listens where it says it is somewhere else: at the port where a false broker
   * stands in between (false-broker.ts).
   */
  proxied?: boolean;
  /** Folders of brokers' logs, by id, where not the temporary one: for a disk that is small. */
  data?: { readonly [id: number]: string };
  /** Of each broker's JVM, 320 by default. */
  heapMb?: number;
  /** For measuring: the JVM as operators run it. */
  fullSpeed?: boolean;
}

/** A cluster of its own on loopback, with data in a temporary folder that goes with it. */
export interface TestKafka {
  /** `host:port,…` of every broker. */
  readonly bootstrap: string;
  readonly brokers: readonly KafkaNode[];
  /** Among three brokers only; with one, the broker is its own. */
  readonly controller: KafkaNode | undefined;
  /** With `proxied`: where each broker listens for it, and where it says that it does. */
  readonly detours: readonly { broker: number; port: number; advertised: number }[];
  /** By its id, from 1. */
  broker(id: number): KafkaNode;
  /** All nodes' logs, for a failing test. */
  logs(): string;
  close(): Promise<void>;
}

/** About 3 s for one broker on a free core, 8 s for three; nothing is left however the test ends. */
export async function startKafka(options: KafkaOptions = {}): Promise<TestKafka> {
  if (kafkaMissing) throw new Error(kafkaMissing);
  const jars = await kafkaJars(options.version ?? '4.x');
  // Whoever measures wants a disk under it.
  const folder = options.fullSpeed ? mkdtempSync(join(tmpdir(), 'kafka-')) : memoryFolder('kafka-');
  const guard = new Guard(folder);
  const count = options.brokers ?? 1;
  const [controllerPort, ...ports] = await freePorts(1 + count * (options.proxied ? 3 : 1));
  const controllerId = count === 1 ? 1 : 100;
  const node = (id: number, port: number, roles: string, listeners: Listener[]): KafkaNode => {
    const home = join(folder, `node-${id}`);
    mkdirSync(home);
    const properties = {
      ...defaults(count),
      ...listenerProperties(listeners),
      'process.roles': roles,
      'node.id': String(id),
      'controller.quorum.voters': `${controllerId}@127.0.0.1:${controllerPort}`,
      'controller.listener.names': 'CONTROLLER',
      ...options.properties,
    };
    const { heapMb = 320, fullSpeed = false } = options;
    const data = options.data?.[id];
    const basis = { id, port, folder: home, jars, guard, properties, heapMb, fullSpeed, data };
    return new KafkaNode(basis);
  };
  const control = { name: 'CONTROLLER', port: controllerPort!, advertised: controllerPort! };
  const detours = ports.slice(0, count).map((_, i) => ({
    broker: i + 1,
    port: ports[count + i]!,
    advertised: ports[2 * count + i]!,
  }));
  const brokers = ports.slice(0, count).map((port, i) => {
    const listeners: Listener[] = [{ name: 'PLAINTEXT', port, advertised: port }];
    if (options.proxied) listeners.push({ name: 'DETOUR', ...detours[i]! });
    if (count === 1) listeners.push(control);
    return node(i + 1, port, count === 1 ? 'broker,controller' : 'broker', listeners);
  });
  const controller =
    count === 1 ? undefined : node(controllerId, control.port, 'controller', [control]);
  const nodes = controller ? [controller, ...brokers] : brokers;
  const close = async () => {
    await Promise.all(nodes.map((each) => each.kill()));
    await guard.close();
  };
  try {
    await Promise.all(nodes.map((each) => each.start()));
  } catch (error) {
    await close();
    throw error;
  }
  return {
    bootstrap: brokers.map(({ address }) => address).join(','),
    brokers,
    controller,
    detours: options.proxied ? detours : [],
    broker: (id) => {
      const found = brokers[id - 1];
      if (!found) throw new Error(`no broker ${id} among ${count}`);
      return found;
    },
    logs: () => nodes.map(({ id, log }) => `--- Kafka node ${id}\n${log}`).join('\n'),
    close,
  };
}

interface Listener {
  name: string;
  port: number;
  advertised: number;
}

function listenerProperties(listeners: readonly Listener[]): { [name: string]: string } {
  const text = (of: (listener: Listener) => string) => listeners.map(of).join(',');
  const bound = { listeners: text(({ name, port }) => `${name}://127.0.0.1:${port}`) };
  if (listeners.every(({ port, advertised }) => port === advertised)) return bound;
  return {
    ...bound,
    'advertised.listeners': listeners
      .filter(({ name }) => name !== 'CONTROLLER')
      .map(({ name, advertised }) => `${name}://127.0.0.1:${advertised}`)
      .join(','),
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,DETOUR:PLAINTEXT',
  };
}

/** Small and prompt; whatever a promise of ours rests on is left as Kafka has it. */
function defaults(brokers: number): { [name: string]: string } {
  const replicas = String(Math.min(3, brokers));
  return {
    'auto.create.topics.enable': 'false',
    'default.replication.factor': replicas,
    'offsets.topic.num.partitions': '4',
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': '4',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': brokers === 1 ? '1' : '2',
    'share.coordinator.state.topic.replication.factor': replicas,
    'group.initial.rebalance.delay.ms': '0',
    'num.network.threads': '2',
    'num.io.threads': '4',
    'log.cleaner.dedupe.buffer.size': '4194304',
    // A dead broker is noticed after 5 s rather than 9.
    'broker.session.timeout.ms': '5000',
    'broker.heartbeat.interval.ms': '500',
  };
}
