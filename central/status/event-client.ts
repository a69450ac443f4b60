/** Unread bytes after which a client gets no more steps. */
const fullBytes = 256 * 1024;
/** What a client may be sent beyond that (things that happened) before it is let go. */
const patienceBytes = 1024 * 1024;

/** One listener of /api/v1/events: a stream whose unread part is bounded. */
export class EventClient {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** It missed a step; it needs everything once it reads again. */
  behind = false;
  readonly #onLeft: () => void;
  #sentWhileFull = 0;
  #controller: ReadableStreamDefaultController<ArrayBufferView> | undefined;

  constructor(onLeft: () => void) {
    this.#onLeft = onLeft;
    this.stream = new ReadableStream(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => this.#leave(),
      },
      { highWaterMark: fullBytes, size: (part) => part.byteLength },
    );
  }

  get full(): boolean {
    return (this.#controller?.desiredSize ?? 0) <= 0;
  }

  send(text: string): void {
    if (this.#controller === undefined) return;
    this.#sentWhileFull = this.full ? this.#sentWhileFull + text.length : 0;
    if (this.#sentWhileFull > patienceBytes) this.end();
    else this.#controller.enqueue(Buffer.from(text));
  }

  /** It may come back with Last-Event-ID. */
  end(): void {
    this.#controller?.close();
    this.#leave();
  }

  #leave(): void {
    if (this.#controller === undefined) return;
    this.#controller = undefined;
    this.#onLeft();
  }
}
