import type { Clock } from '#shared/std/clock.ts';
import type { MemoryBudget } from './memory-budget.ts';
import { Refusal } from './refusal.ts';

export interface BodyRules {
  alias: string;
  bytesMax: number;
  timeoutMs: number;
  budget: MemoryBudget;
  clock: Clock;
}

/**
 * Hands the body to `use`, and gives its memory back when that is done. Throws a Refusal when the
 * body is too large, too slow or finds no room; where its length is announced, before anything is
 * read.
 */
export async function withBody<T>(
  request: Request,
  rules: BodyRules,
  use: (body: Uint8Array) => Promise<T>,
): Promise<T> {
  const { alias, budget } = rules;
  const announced = announcedBytes(request, rules.bytesMax);
  budget.assertRoom(alias, announced ?? 1);
  const taken = { bytes: 0 };
  try {
    return await use(await read(request, rules, announced, taken));
  } finally {
    budget.release(alias, taken.bytes);
  }
}

function announcedBytes(request: Request, bytesMax: number): number | undefined {
  const header = request.headers.get('content-length');
  if (header === null) return undefined;
  const bytes = Number(header);
  if (!/^\d+$/.test(header)) {
    throw new Refusal(400, 'bad-length', `Content-Length "${header}" is not a number`);
  }
  if (bytes > bytesMax) throw tooLarge(bytesMax);
  return bytes;
}

const tooLarge = (bytesMax: number): Refusal =>
  new Refusal(413, 'too-large', `the body is over ${bytesMax} bytes`, {
    hint: 'send less at once',
  });

async function read(
  request: Request,
  { alias, bytesMax, timeoutMs, budget, clock }: BodyRules,
  announced: number | undefined,
  taken: { bytes: number },
): Promise<Uint8Array> {
  const reader = request.body?.getReader();
  if (!reader) return new Uint8Array(0);
  const done = new AbortController();
  const late = clock.sleep(timeoutMs, done.signal).then(() => 'late' as const);
  late.catch(() => {});
  const chunks: Uint8Array[] = [];
  try {
    for (;;) {
      const next = await Promise.race([reader.read(), late]);
      if (next === 'late') throw slow(timeoutMs, taken.bytes, announced);
      if (next.done) return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      if (taken.bytes + next.value.length > bytesMax) throw tooLarge(bytesMax);
      budget.take(alias, next.value.length);
      taken.bytes += next.value.length;
      chunks.push(next.value);
    }
  } catch (error) {
    reader.cancel().catch(() => {});
    if (error instanceof Refusal) throw error;
    throw new Refusal(400, 'cut-off', 'the body ended before it was complete', { cause: error });
  } finally {
    done.abort();
  }
}

const slow = (timeoutMs: number, bytes: number, announced: number | undefined): Refusal =>
  new Refusal(
    408,
    'too-slow',
    `${bytes} of ${announced ?? 'unknown'} bytes came within ${timeoutMs / 1000} s`,
    { hint: 'smaller requests get through a slow link' },
  );
