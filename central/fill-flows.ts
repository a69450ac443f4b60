import type { FlowSettings } from './config.ts';
import type { Landing } from './landing/landing.ts';
import { openMerge } from './merge/merge.ts';

/**
 * Flows that begin with the earliest take in what landed before they were there: before any site
 * may land more, so that the older comes first. Of what they have already nothing is done again. A
 * landing that several collectors share does it by itself (`Landing.copies`).
 */
export async function fillFlows(landing: Landing, flows: readonly FlowSettings[]): Promise<void> {
  const earliest = flows.filter(({ start, external }) => start === 'earliest' && !external);
  if (!landing.backfillMerged || earliest.length === 0) return;
  const merge = openMerge(earliest);
  const remote = (await landing.topics()).filter(
    ({ kind, shared }) => kind === 'remote' && !shared,
  );
  for (const { into } of earliest) {
    const topics = remote.map(({ topic }) => topic).filter((t) => merge.targets(t).includes(into));
    await landing.backfillMerged(into, topics);
  }
}
