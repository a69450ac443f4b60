import type { Clock } from '#shared/std/clock.ts';
import type { FleetEvent } from '../fleet/views.ts';
import { ApiError } from './errors.ts';
import { EventClient } from './event-client.ts';
import { edgeJson, eventJson, flowJson, time } from './json.ts';
import type { FleetReader, StatusOptions } from './status.ts';

const tickMs = 1_000;
/** Something is sent at least this often, so that a quiet fleet does not look like a dead link. */
const quietTicks = 5;
const heartbeatTicks = 15;
const clientsMax = 32;
/** What a client that does not resume gets of the past. */
const replayed = 100;

/**
 * Server-sent events of the fleet. Two kinds: what happened (types of FleetEvent; resumable), and
 * how it stands (`edges` and `flows`: everything at first, then what changed, once a second). An id
 * is `<run of central>-<number of the last thing that happened>`; resuming after something that is
 * no longer known begins with `reset`.
 */
export class FleetEvents {
  readonly #fleet: FleetReader;
  readonly #landing: StatusOptions['landing'];
  readonly #clock: Clock;
  readonly #run: string;
  readonly #clientsMax: number;
  readonly #clients = new Set<EventClient>();
  readonly #stopFleet: () => void;
  #stopTicks: (() => void) | undefined;
  #closed = false;
  #lastId = 0;
  #ticks = 0;
  #quiet = 0;
  #sentEdges = new Map<string, string>();
  #sentFlows = '';

  constructor({ fleet, landing, clock, maxEventClients }: StatusOptions) {
    this.#fleet = fleet;
    this.#landing = landing;
    this.#clock = clock;
    this.#run = Math.trunc(clock.now()).toString(36);
    this.#clientsMax = maxEventClients ?? clientsMax;
    this.#lastId = fleet.events(0).at(-1)?.id ?? 0;
    this.#stopFleet = fleet.subscribe((event) => this.#happened(event));
  }

  /** The answer to a GET; 503 when there are enough clients. */
  connect(request: Request): Response {
    if (this.#closed || this.#clients.size >= this.#clientsMax) {
      throw new ApiError(
        503,
        'too-many-clients',
        `${this.#clients.size} clients are listening; the limit is ${this.#clientsMax}`,
        'close other dashboards, or poll /api/v1/edges',
        { 'retry-after': '10' },
      );
    }
    const headers = { 'content-type': 'text/event-stream; charset=utf-8' };
    if (request.method === 'HEAD') return new Response(null, { headers });
    const client = new EventClient(() => this.#left(client));
    this.#clients.add(client);
    this.#stopTicks ??= this.#clock.every(tickMs, () => this.#tick());
    client.send('retry: 2000\n\n');
    this.#replay(client, request.headers.get('last-event-id'));
    this.#snapshot(client);
    return new Response(client.stream, { headers });
  }

  close(): void {
    this.#closed = true;
    this.#stopFleet();
    for (const client of [...this.#clients]) client.end();
    this.#stopTicks?.();
  }

  #replay(client: EventClient, lastEventId: string | null): void {
    if (lastEventId === null) {
      for (const event of this.#fleet.events(0).slice(-replayed)) client.send(this.#event(event));
      return;
    }
    const [, run, number] = /^([0-9a-z]+)-(\d{1,15})$/.exec(lastEventId) ?? [];
    const after = run === this.#run ? Number(number) : -1;
    const missed = this.#fleet.events(Math.max(0, after));
    const gone = (missed[0]?.id ?? this.#lastId + 1) > after + 1;
    if (gone) client.send(this.#message('reset', { reason: 'earlier events are no longer known' }));
    for (const event of missed) client.send(this.#event(event));
  }

  #snapshot(client: EventClient): void {
    const edges = this.#fleet.edges().map(edgeJson);
    client.send(this.#standing('edges', { edges, removed: [], complete: true }));
    client.send(this.#standing('flows', { flows: this.#flows() }));
    client.behind = false;
  }

  #happened(event: FleetEvent): void {
    this.#lastId = event.id;
    const text = this.#event(event);
    for (const client of this.#clients) client.send(text);
  }

  #tick(): void {
    this.#ticks += 1;
    const texts = [...this.#changedEdges(), ...this.#changedFlows()];
    this.#quiet = texts.length > 0 ? 0 : this.#quiet + 1;
    if (this.#quiet >= quietTicks) {
      this.#quiet = 0;
      texts.push(this.#standing('edges', { edges: [], removed: [], complete: false }));
    }
    for (const client of this.#clients) this.#bring(client, texts);
  }

  /** A client that is slow to read misses steps, and gets everything once it has caught up. */
  #bring(client: EventClient, texts: readonly string[]): void {
    if (client.full) client.behind = true;
    else if (client.behind) this.#snapshot(client);
    else for (const text of texts) client.send(text);
    if (this.#ticks % heartbeatTicks === 0) client.send(': heartbeat\n\n');
  }

  #changedEdges(): string[] {
    const now = new Map<string, string>();
    const edges = this.#fleet.edges().map(edgeJson);
    const changed = edges.filter((edge) => {
      const text = JSON.stringify(edge);
      now.set(edge.alias, text);
      return this.#sentEdges.get(edge.alias) !== text;
    });
    const removed = [...this.#sentEdges.keys()].filter((alias) => !now.has(alias));
    this.#sentEdges = now;
    if (changed.length === 0 && removed.length === 0) return [];
    return [this.#standing('edges', { edges: changed, removed, complete: false })];
  }

  #changedFlows(): string[] {
    const flows = this.#flows();
    const text = JSON.stringify(flows);
    if (text === this.#sentFlows) return [];
    this.#sentFlows = text;
    return [this.#standing('flows', { flows })];
  }

  #flows() {
    return this.#fleet.flows().map((flow) => flowJson(flow, this.#landing));
  }

  #standing(name: string, data: object): string {
    return this.#message(name, { at: time(this.#clock.now()), ...data });
  }

  #event(event: FleetEvent): string {
    return this.#message(event.type, eventJson(event), event.id);
  }

  #message(name: string, data: object, id = this.#lastId): string {
    return `id: ${this.#run}-${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
  }

  #left(client: EventClient): void {
    this.#clients.delete(client);
    if (this.#clients.size > 0) return;
    this.#stopTicks?.();
    this.#stopTicks = undefined;
  }
}
