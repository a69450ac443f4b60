import type { TransportRequest, TransportResponse } from '#edge/uplink/transport.ts';
import { type Transport, TransportError } from '#edge/uplink/transport.ts';
import type { Random } from './random.ts';
import type { MachineClock } from './virtual-clock.ts';

/** The far end of the link; rejects when it is down, never settles when it dies meanwhile. */
export type Serve = (request: TransportRequest) => Promise<TransportResponse>;

/** How bad the link is, as probabilities per request and delays in ms. */
export interface Weather {
  requestLost: number;
  answerLost: number;
  repeated: number;
  refused: number;
  delayMsMax: number;
}

export const fairWeather: Weather = {
  requestLost: 0,
  answerLost: 0,
  repeated: 0,
  refused: 0,
  delayMsMax: 5,
};

/**
 * A link that loses, delays, repeats and reorders. What is under way belongs to the network: it may
 * arrive after its sender died. `weather` may be changed at any time; `cut` lets nothing through.
 */
export class Network {
  weather: Weather = fairWeather;
  cut = false;
  readonly #clock: MachineClock;
  readonly #random: Random;
  readonly #serve: Serve;

  constructor(clock: MachineClock, random: Random, serve: Serve) {
    this.#clock = clock;
    this.#random = random;
    this.#serve = serve;
  }

  /** A transport whose answers and timeouts stop when `clock` is killed. */
  transport(clock: MachineClock): Transport {
    return {
      post: (request) =>
        new Promise((resolve, reject) => {
          const settle = (act: () => void) => {
            timeout.abort();
            act();
          };
          const timeout = new AbortController();
          const late = () => settle(() => reject(new TransportError('no answer in time')));
          clock.sleep(request.timeoutMs, timeout.signal).then(late, () => {});
          request.signal?.addEventListener('abort', () =>
            settle(() => reject(new TransportError('aborted'))),
          );
          this.#carry({ ...request, body: Uint8Array.from(request.body) }).then(
            (answer) => settle(() => resolve(answer)),
            (error) => settle(() => reject(error)),
          );
        }),
      close() {},
    };
  }

  async #carry(request: TransportRequest): Promise<TransportResponse> {
    const { requestLost, answerLost, repeated, refused } = this.weather;
    await this.#delay();
    if (this.cut || this.#random.chance(refused)) throw new TransportError('connection refused');
    if (this.#random.chance(requestLost)) return never();
    if (this.#random.chance(repeated)) this.#again(request);
    const answer = await this.#serve(request);
    await this.#delay();
    if (this.cut || this.#random.chance(answerLost)) return never();
    return answer;
  }

  /** The same request once more, at a time of its own; nobody waits for the answer. */
  #again(request: TransportRequest): void {
    this.#delay()
      .then(() => this.#delay())
      .then(() => this.#serve(request))
      .catch(() => {});
  }

  #delay(): Promise<void> {
    return this.#clock.sleep(this.#random.next() * this.weather.delayMsMax);
  }
}

const never = (): Promise<never> => new Promise(() => {});
