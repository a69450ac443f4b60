import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { parseListen, urlHost } from '#shared/std/listen-address.ts';
import type { SourceState } from '#shared/wire/link.ts';
import { Budget } from './mqtt-budget.ts';
import type { MqttDeps } from './mqtt-client.ts';
import type { Connect } from './mqtt-codec.ts';
import { MqttProtocolError, reason } from './mqtt-frame.ts';
import { Handover } from './mqtt-handover.ts';
import { mqttLimits } from './mqtt-limits.ts';
import { Peer } from './mqtt-peer.ts';
import type { Admission, Departure, PeerHost } from './mqtt-peer-host.ts';
import { Routes } from './mqtt-route.ts';
import { Sessions } from './mqtt-sessions.ts';
import type { MqttListenSettings } from './mqtt-settings.ts';
import { readTlsFiles } from './mqtt-tls-files.ts';
import { Wills } from './mqtt-wills.ts';
import type { Source, SourceContext } from './source.ts';

/**
 * A publish-only MQTT server (3.1, 3.1.1, 5): what clients publish becomes records, and nothing is
 * given out. A message that no route takes is refused with a reason where the client can be told
 * (MQTT 5, QoS 1 and 2); else it is acknowledged when its loss is declared, since a client that
 * gets no acknowledgement repeats for ever, and one that is cut off does so on the next connection.
 */
export class MqttListener implements Source, PeerHost {
  readonly name: string;
  readonly type = 'mqtt';
  readonly routes: Routes;
  readonly handover: Handover;
  readonly budget = new Budget({
    bytes: mqttLimits.outstandingBytes,
    messages: mqttLimits.outstandingMessages,
  });
  readonly clock: MqttDeps['clock'];
  readonly log: MqttDeps['log'];
  readonly #settings: MqttListenSettings;
  readonly #context: SourceContext;
  readonly #random: () => number;
  readonly #sessions: Sessions;
  readonly #wills: Wills;
  readonly #peers = new Set<Peer>();
  readonly #byClient = new Map<string, Peer>();
  #server: Server | undefined;
  #stopChecks: () => void = () => {};
  #state: SourceState['state'] = 'starting';
  #stopped: Promise<void> | undefined;

  constructor(settings: MqttListenSettings, context: SourceContext, deps: MqttDeps) {
    this.name = settings.name;
    this.#settings = settings;
    this.#context = context;
    this.clock = deps.clock;
    this.log = deps.log;
    this.#random = deps.random;
    this.routes = new Routes(settings.subscribe);
    this.handover = new Handover(context, deps);
    this.#sessions = new Sessions(settings.name, this.handover);
    this.#wills = new Wills(deps.clock);
  }

  get source(): string {
    return this.name;
  }

  get address(): string | undefined {
    const address = this.#server?.address();
    if (!address || typeof address === 'string') return undefined;
    const scheme = this.#settings.tls ? 'mqtts' : 'mqtt';
    return `${scheme}://${urlHost(address.address)}:${address.port}`;
  }

  /** Rejects when the address cannot be listened on, or a file of `tls` cannot be read. */
  async start(): Promise<void> {
    this.#sessions.restore(await this.#context.positions(`${this.name}/`));
    const { tls, listen } = this.#settings;
    const accept = (socket: Socket) => this.#accept(socket);
    const server = tls
      ? createTlsServer(
          {
            ...(await readTlsFiles(tls)),
            requestCert: tls.caFile !== undefined,
            handshakeTimeout: mqttLimits.connectTimeoutMs,
          },
          accept,
        )
      : createServer(accept);
    server.maxConnections = mqttLimits.clients;
    const warn = (what: string) => this.log.warn({ source: this.name }, what);
    server.on('drop', () => warn(`refused a connection: ${mqttLimits.clients} are open`));
    server.on('tlsClientError', (error) => warn(`a TLS handshake failed: ${error.message}`));
    await new Promise<void>((resolve, reject) => {
      server.on('error', (error) => {
        warn(error.message);
        reject(new Error(`listen = "${listen}" of source "${this.name}": ${error.message}`));
      });
      server.listen(parseListen(listen), resolve);
    });
    this.#server = server;
    this.#stopChecks = this.clock.every(250, () => this.#check());
    this.#state = 'running';
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  state(): SourceState {
    const { trouble, accepted } = this.handover;
    const ailing = this.#state === 'running' && trouble !== '';
    const clients = this.#byClient.size;
    const running = `listens on ${this.address}, ${clients} ${clients === 1 ? 'client' : 'clients'}`;
    return {
      name: this.name,
      type: this.type,
      state: ailing ? 'degraded' : this.#state,
      detail: ailing ? trouble : this.#state === 'running' ? running : this.#state,
      acceptedRecords: accepted,
    };
  }

  async admit(peer: Peer, connect: Connect): Promise<Admission> {
    this.#authenticate(connect);
    const clientId = connect.clientId || this.#newId(connect);
    this.#byClient.get(clientId)?.close(reason.sessionTakenOver, `${clientId} connects anew`);
    this.#byClient.set(clientId, peer);
    try {
      const { session, present } = await this.#sessions.open(clientId, connect);
      this.#wills.settle(clientId, present);
      return { session, present, assignedId: connect.clientId ? undefined : clientId };
    } catch (error) {
      if (this.#byClient.get(clientId) === peer) this.#byClient.delete(clientId);
      throw error;
    }
  }

  gone(peer: Peer, left: Departure | undefined): void {
    this.#peers.delete(peer);
    if (!left) return;
    const { session, keeps, will, receiver } = left;
    if (will && receiver) this.#wills.leave(session.clientId, will, receiver, keeps);
    if (this.#byClient.get(session.clientId) !== peer) return;
    this.#byClient.delete(session.clientId);
    const ended = keeps ? this.#sessions.surplus((id) => this.#byClient.has(id)) : session;
    // Where the buffer is closing the session stays, which harms nobody.
    if (ended) this.#sessions.end(ended).catch(() => {});
  }

  async #stop(): Promise<void> {
    const server = this.#server;
    const closed = new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
    this.handover.stop();
    await Promise.all([...this.#peers].map((peer) => peer.stop()));
    this.#wills.stop();
    await closed;
    await this.handover.idle();
    this.#stopChecks();
    this.#server = undefined;
    this.#state = 'stopped';
  }

  #accept(socket: Socket): void {
    if (this.#stopped) socket.destroy();
    else this.#peers.add(new Peer(socket, this));
  }

  #check(): void {
    const now = this.clock.monotonic();
    for (const peer of this.#peers) peer.check(now);
  }

  #authenticate({ username, password }: Connect): void {
    const wanted = this.#settings;
    if (wanted.username === undefined) return;
    // Both are compared whatever the first gives, and in constant time.
    const name = same(username ?? '', wanted.username);
    const secret = same(password ?? '', wanted.password ?? '');
    if (!name || !secret) {
      throw new MqttProtocolError(reason.badCredentials, 'wrong user name or password');
    }
  }

  #newId({ clean, version }: Connect): string {
    if (version === 3 || (version === 4 && !clean)) {
      throw new MqttProtocolError(reason.badClientId, 'a client id is needed to keep a session');
    }
    const digits = () => Math.floor(this.#random() * 0x1_0000_0000).toString(16);
    return `tributary-${digits()}-${digits()}-${this.clock.now().toString(16)}`;
  }
}

const same = (given: string | Buffer, wanted: string): boolean =>
  timingSafeEqual(digest(given), digest(wanted));
const digest = (text: string | Buffer): Buffer => createHash('sha256').update(text).digest();
