import type { BufferIdentity } from './buffer.ts';
import type { Meta } from './meta.ts';

/**
 * Who this buffer is (DESIGN §5). `previous` stays what it was when the run began; see HelloStream.
 */
export class Identity {
  readonly #meta: Meta;
  readonly #newId: () => string;
  #current: BufferIdentity;

  /** Reads what is there; `begin` makes a run of it. */
  constructor(meta: Meta, newId: () => string) {
    this.#meta = meta;
    this.#newId = newId;
    this.#current = {
      epoch: meta.text('epoch') ?? '',
      session: meta.text('session') ?? '',
      previous: meta.text('previous'),
      centralId: meta.text('central_id'),
      sourcesAt: meta.number('sources_at') ?? -1,
    };
  }

  get current(): BufferIdentity {
    return this.#current;
  }

  /** A central confirmed the session: whatever was appended under it is common knowledge. */
  get isConfirmed(): boolean {
    return this.#meta.number('session_confirmed') === 1;
  }

  newEpoch(): string {
    return this.#newId();
  }

  /**
   * A new session, in the epoch given or else in the one there is, written within the caller's
   * transaction. Answers what takes effect (`adopt`) once that is committed.
   */
  begin(newEpoch: string | false): BufferIdentity {
    const { epoch, session, previous, centralId } = this.#current;
    const next = {
      epoch: newEpoch || epoch || this.#newId(),
      session: this.#newId(),
      previous: this.isConfirmed ? session : previous,
      centralId,
      sourcesAt: this.#meta.number('sources_at') ?? -1,
    };
    this.#meta.set('epoch', next.epoch);
    this.#meta.set('session', next.session);
    this.#meta.set('previous', next.previous);
    this.#meta.set('session_confirmed', 0);
    return next;
  }

  /** In a fork: how far its sources have landed; see Hello.sourcesAt. */
  told(sourcesAt: number): void {
    this.#meta.set('sources_at', sourcesAt);
  }

  confirm(centralId: string): BufferIdentity {
    this.#meta.set('session_confirmed', 1);
    this.#meta.set('central_id', centralId);
    return { ...this.#current, centralId };
  }

  adopt(identity: BufferIdentity): void {
    this.#current = identity;
  }
}
