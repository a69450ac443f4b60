/** What room there is and who has to give way: decisions only, see room.ts for the deeds. */

const pageBytes = 4096;

/**
 * Pages that a batch takes with its row and its share of the tables, as bytes; rather more than
 * less.
 */
export const pagesFor = (batchBytes: number): number =>
  batchBytes < 1000 ? batchBytes + 200 : (Math.ceil(batchBytes / 4092) + 2) * pageBytes;

export interface Occupant {
  topic: string;
  /** When its oldest record was accepted; null: it holds none. */
  oldest: number | null;
  storedBytes: number;
  /** All it holds was handed out and may be under way. */
  inFlight: boolean;
}

export interface EvictionRules {
  drops(topic: string): boolean;
  capOf(topic: string): number;
}

/** Bytes that each topic holds. */
export function bytesByTopic(occupants: Iterable<Occupant>): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { topic, storedBytes } of occupants) {
    sums.set(topic, (sums.get(topic) ?? 0) + storedBytes);
  }
  return sums;
}

/**
 * Whose oldest segment goes: a topic that is over its own cap first, the oldest acceptance among
 * equals. Topics that block are never taken from. What may be under way stays as long as there is
 * anything else: central may have it already.
 */
export function chooseVictim<T extends Occupant>(
  occupants: Iterable<T>,
  rules: EvictionRules,
  onlyTopic?: string,
): T | undefined {
  const all = [...occupants];
  const sums = bytesByTopic(all);
  let best: T | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  for (const occupant of all) {
    const { topic, oldest, inFlight } = occupant;
    if (oldest === null || !rules.drops(topic)) continue;
    if (onlyTopic !== undefined && topic !== onlyTopic) continue;
    const isOver = (sums.get(topic) ?? 0) > rules.capOf(topic);
    const rank = (inFlight ? 2 : 0) + (isOver ? 0 : 1);
    if (rank > bestRank) continue;
    if (rank < bestRank || oldest < (best?.oldest ?? Number.POSITIVE_INFINITY)) {
      best = occupant;
      bestRank = rank;
    }
  }
  return best;
}

export interface Claim {
  topic: string;
  /** What it will take at most. */
  bytes: number;
}

export interface RoomView extends EvictionRules {
  /** Pages in use and promised, as bytes. */
  used: number;
  budget: number;
  /** Bytes held and promised. */
  topicBytes: ReadonlyMap<string, number>;
}

/**
 * `fits` perhaps only by dropping what is older; `wait` until something is acknowledged; `never`.
 */
export function admit(claim: Claim, view: RoomView): 'fits' | 'wait' | 'never' {
  const { topic, bytes } = claim;
  const { used, budget, topicBytes } = view;
  const cap = view.capOf(topic);
  if (bytes > budget) return 'never';
  if (!view.drops(topic)) {
    if (bytes > cap) return 'never';
    if ((topicBytes.get(topic) ?? 0) + bytes > cap) return 'wait';
  }
  if (used + bytes <= budget) return 'fits';
  let droppable = 0;
  for (const [name, held] of topicBytes) if (view.drops(name)) droppable += held;
  return used + bytes - droppable <= budget ? 'fits' : 'wait';
}
