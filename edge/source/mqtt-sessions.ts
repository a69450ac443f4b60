import type { Connect } from './mqtt-codec.ts';
import type { Handover } from './mqtt-handover.ts';
import { mqttLimits } from './mqtt-limits.ts';
import { positionKey, Session } from './mqtt-session.ts';

/**
 * The sessions of a listener's clients. One that outlives its connection is stored, so that the
 * "session present" of CONNACK stays true over a restart: a client that is told of a session that
 * it does not know, or the other way round, forgets what it has not delivered.
 */
export class Sessions {
  readonly #source: string;
  readonly #handover: Handover;
  /** Oldest first. */
  readonly #sessions = new Map<string, Session>();

  constructor(source: string, handover: Handover) {
    this.#source = source;
    this.#handover = handover;
  }

  restore(positions: ReadonlyMap<string, Buffer>): void {
    const prefix = positionKey.session(this.#source, '');
    for (const key of positions.keys()) {
      if (!key.startsWith(prefix)) continue;
      const session = new Session(this.#source, decodeURIComponent(key.slice(prefix.length)), true);
      this.#sessions.set(session.clientId, session);
      session.restore(positions);
    }
  }

  /** Resumes a client's session or begins one; what that changes is durable when it resolves. */
  async open(
    clientId: string,
    { clean, keeps }: Pick<Connect, 'clean' | 'keeps'>,
  ): Promise<{ session: Session; present: boolean }> {
    const old = this.#sessions.get(clientId);
    if (old?.stored && !clean) return { session: old, present: true };
    const session = new Session(this.#source, clientId, keeps);
    this.#sessions.delete(clientId);
    this.#sessions.set(clientId, session);
    const gone = old ? this.#forget(old) : [];
    const key = positionKey.session(this.#source, clientId);
    const set = keeps ? new Map([[key, Buffer.alloc(0)]]) : undefined;
    if (gone.length > 0 || set) await this.#handover.move({ set, delete: gone });
    return { session, present: false };
  }

  /** Nothing of it is needed any more. Resolves when that is durable. */
  async end(session: Session): Promise<void> {
    this.#sessions.delete(session.clientId);
    const gone = this.#forget(session);
    if (gone.length > 0) await this.#handover.move({ delete: gone });
  }

  /** The oldest session that may go, where there are too many; `busy`: it has a connection. */
  surplus(busy: (clientId: string) => boolean): Session | undefined {
    if (this.#sessions.size <= mqttLimits.sessions) return undefined;
    for (const session of this.#sessions.values()) if (!busy(session.clientId)) return session;
    return undefined;
  }

  /** Forgets what it holds and answers where that is stored. */
  #forget(session: Session): string[] {
    const keys = session.keys();
    session.unreleased.clear();
    return session.stored ? [positionKey.session(this.#source, session.clientId), ...keys] : [];
  }
}
