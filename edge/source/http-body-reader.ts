import { HttpProblem } from './http-problem.ts';

/**
 * What requests hold in memory while they are read and made durable, all together: many large ones
 * at once must not take the memory that the gateway needs.
 */
export class MemoryBudget {
  readonly #maxBytes: number;
  #used = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  open(): MemoryLease {
    return new MemoryLease((bytes, mine) => {
      // Whoever is alone always gets on, or a request near the limit would never be answered.
      if (bytes > 0 && this.#used > mine && this.#used + bytes > this.#maxBytes) return false;
      this.#used += bytes;
      return true;
    });
  }
}

/**
 * One request's share. Counted as bytes arrive, so that announcing many and sending none costs
 * nothing.
 */
export class MemoryLease {
  readonly #take: (bytes: number, mine: number) => boolean;
  #mine = 0;

  constructor(take: (bytes: number, mine: number) => boolean) {
    this.#take = take;
  }

  grow(bytes: number): void {
    if (!this.#take(bytes, this.#mine)) {
      // At once, or those that come to this point together would all be refused.
      this.release();
      throw new HttpProblem(
        429,
        'busy',
        'too many large requests at once',
        'send the same request again in a second, or fewer at the same time',
        { 'retry-after': '1' },
      );
    }
    this.#mine += bytes;
  }

  release(): void {
    this.#take(-this.#mine, this.#mine);
    this.#mine = 0;
  }
}

/** Reads the body, counting; stops at the first byte too many. */
export async function readBody(
  request: Request,
  maxBytes: number,
  lease: MemoryLease,
): Promise<Buffer> {
  const announced = Number(request.headers.get('content-length') ?? 0);
  if (announced > maxBytes) throw tooLarge(`${announced} bytes`, maxBytes);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const part of request.body ?? []) {
      bytes += part.length;
      if (bytes > maxBytes) throw tooLarge(`more than ${maxBytes} bytes`, maxBytes);
      lease.grow(part.length);
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof HttpProblem) throw error;
    throw new HttpProblem(400, 'body-cut-short', `the body did not arrive: ${String(error)}`);
  }
  return parts.length === 1
    ? Buffer.from(parts[0]!.buffer, parts[0]!.byteOffset, bytes)
    : Buffer.concat(parts, bytes);
}

const tooLarge = (size: string, maxBytes: number): HttpProblem =>
  new HttpProblem(
    413,
    'body-too-large',
    `the body is ${size}; the limit is ${maxBytes}`,
    'split it into several requests, or raise max_body_bytes of this source',
  );
