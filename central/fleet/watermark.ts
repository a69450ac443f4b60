import { type EdgeFacts, isOpen, oldestOf, type StreamFacts } from './lag.ts';

/**
 * The time through which a merged topic is complete: everything that a site had accepted by then
 * has landed, or is on the loss ledger. A fact, so it stays where it is while a site is silent.
 * Pure; times are ms on one line (timeline.ts).
 */

/** Of one stream. null: the site has not reported yet. */
export function streamWatermark(
  stream: StreamFacts,
  facts: Pick<EdgeFacts, 'heartbeat' | 'rest'>,
): number | null {
  const { heartbeat, rest } = facts;
  if (!heartbeat) return null;
  // Not named by any heartbeat that we know: some of the backlog beyond the named streams may be
  // its.
  const unknown = !stream.told && stream.head === null && rest.records > 0;
  if (isOpen(stream) || unknown) return oldestOf(stream, heartbeat);
  return heartbeat.at;
}

/** The lowest; null as soon as one is not known, and when there is none. */
export function lowest(watermarks: Iterable<number | null>): number | null {
  let low: number | null = null;
  for (const watermark of watermarks) {
    if (watermark === null) return null;
    if (low === null || watermark < low) low = watermark;
  }
  return low;
}

/** Over all sites, and who holds it back: those that are not known, or else the lowest. */
export function overall(sites: readonly { alias: string; watermark: number | null }[]): {
  watermark: number | null;
  heldBackBy: string[];
} {
  const watermark = lowest(sites.map((site) => site.watermark));
  const holding = sites.filter((site) => site.watermark === watermark);
  return { watermark, heldBackBy: [...new Set(holding.map(({ alias }) => alias))] };
}
