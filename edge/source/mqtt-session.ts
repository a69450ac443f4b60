import { crc32c } from '#shared/std/crc32c.ts';
import type { Publish } from './mqtt-publish.ts';

/** A QoS 2 message that is ours and whose packet id its sender has not released yet. */
export interface Unreleased {
  /** CRC-32C of MQTT topic and payload. */
  fingerprint: number;
  /** Settles when the record is durable; absent once it is. */
  storing?: Promise<void>;
}

const fingerprint = ({ topic, payload }: Publish): number =>
  crc32c(payload, crc32c(Buffer.from(topic)));

const idPart = (clientId: string): string => encodeURIComponent(clientId);

/** Where a source keeps what must survive a restart of the agent. */
export const positionKey = {
  unreleased: (source: string, clientId: string) => `${source}/qos2/${idPart(clientId)}/`,
  subscribed: (source: string, clientId: string) => `${source}/subscribed/${idPart(clientId)}`,
  session: (source: string, clientId: string) => `${source}/session/${idPart(clientId)}`,
};

/**
 * What both ends of an MQTT session remember beyond one connection: of us, the packet ids of
 * QoS 2 messages that were taken and not released. They are stored as positions in the delivery of
 * their record, so that a repeat after a crash on either side is known (MQTT 5, 4.3.3).
 */
export class Session {
  readonly clientId: string;
  readonly unreleased = new Map<number, Unreleased>();
  /** Whether ids are stored: they are when the session outlives its connection. */
  readonly stored: boolean;
  readonly #prefix: string;

  constructor(source: string, clientId: string, stored: boolean) {
    this.clientId = clientId;
    this.stored = stored;
    this.#prefix = positionKey.unreleased(source, clientId);
  }

  /** Takes up ids stored earlier; ignores positions of others. */
  restore(positions: ReadonlyMap<string, Buffer>): void {
    for (const [key, value] of positions) {
      if (!key.startsWith(this.#prefix)) continue;
      const id = Number(key.slice(this.#prefix.length));
      this.unreleased.set(id, { fingerprint: value.readUInt32BE() });
    }
  }

  /**
   * The message, if it is a repeat of one that we hold. Under the id of another message it is a new
   * one: its sender lost its memory (a device without storage begins again at 1), and to swallow it
   * would be a loss. The DUP flag cannot tell: MQTT.js repeats without it.
   */
  repeated(publish: Publish): Unreleased | undefined {
    const held = this.unreleased.get(publish.id);
    return held?.fingerprint === fingerprint(publish) ? held : undefined;
  }

  hold(publish: Publish): Unreleased {
    const held: Unreleased = { fingerprint: fingerprint(publish) };
    this.unreleased.set(publish.id, held);
    return held;
  }

  /** Where an id is stored, and what stands there. */
  key(id: number): string {
    return this.#prefix + id;
  }

  value(held: Unreleased): Buffer {
    const value = Buffer.alloc(4);
    value.writeUInt32BE(held.fingerprint);
    return value;
  }

  /** Keys of all ids held. */
  keys(): string[] {
    return this.stored ? [...this.unreleased.keys()].map((id) => this.key(id)) : [];
  }
}
