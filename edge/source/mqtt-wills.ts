import type { Clock } from '#shared/std/clock.ts';
import type { Will } from './mqtt-codec.ts';
import { mqttLimits } from './mqtt-limits.ts';
import type { Receiver } from './mqtt-receiver.ts';
import { willHeader } from './mqtt-record.ts';

/** Wills of clients that went without a goodbye, and may come back in time (MQTT 5, 3.1.3.2.2). */
export class Wills {
  readonly #clock: Clock;
  readonly #waiting = new Map<string, { send: () => void; waiting: AbortController }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A delay counts only where the session is kept meanwhile. */
  leave(clientId: string, will: Will, receiver: Receiver, keeps: boolean): void {
    const send = () => {
      receiver.takeWill(will.publish, willHeader);
      receiver.flush();
    };
    if (!keeps || will.delaySeconds === 0) {
      send();
      return;
    }
    const waiting = new AbortController();
    this.#waiting.set(clientId, { send, waiting });
    const delayMs = Math.min(will.delaySeconds * 1000, mqttLimits.willDelayMsMax);
    this.#clock.sleep(delayMs, waiting.signal).then(
      () => this.#end(clientId, waiting, true),
      () => {},
    );
  }

  /** The client is back: with its session the will is void, without it the will is due. */
  settle(clientId: string, resumed: boolean): void {
    this.#end(clientId, this.#waiting.get(clientId)?.waiting, !resumed);
  }

  /** The source stops: what waits is sent now, since nobody will remember it. */
  stop(): void {
    for (const [clientId, { waiting }] of this.#waiting) this.#end(clientId, waiting, true);
  }

  #end(clientId: string, of: AbortController | undefined, sends: boolean): void {
    const will = this.#waiting.get(clientId);
    if (!will || will.waiting !== of) return;
    this.#waiting.delete(clientId);
    will.waiting.abort();
    if (sends) will.send();
  }
}
