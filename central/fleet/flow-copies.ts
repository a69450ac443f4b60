import type { CopyView } from '../landing/landing.ts';
import type { Timeline } from './timeline.ts';
import type { EdgeStateName, FlowCopyView, FlowView } from './views.ts';

/** As `FlowView` has it, with the watermark on the fleet's line. */
export type FlowSource = FlowView['sources'][number];

/** Where a source was complete so lately it is live: ends are asked for every few seconds. */
const liveMs = 15_000;

/** Where flows' copies stand, and what that means for completeness. */
export class FlowCopies {
  readonly #timeline: Timeline;
  readonly #stalledAfterMs: number;
  #views: readonly CopyView[] = [];
  /** Records by copy, as they were told last. */
  #counted = new Map<string, number>();

  constructor(timeline: Timeline, stalledAfterMs: number) {
    this.#timeline = timeline;
    this.#stalledAfterMs = stalledAfterMs;
  }

  /** Returns what was copied since; of what is seen for the first time nothing. */
  take(views: readonly CopyView[]): { into: string; records: number }[] {
    const before = this.#counted;
    this.#views = views;
    this.#counted = new Map(views.map((view) => [keyOf(view), view.records]));
    return views.map((view) => {
      const since = view.records - (before.get(keyOf(view)) ?? view.records);
      return { into: view.into, records: Math.max(0, since) };
    });
  }

  /** What is older than a flow and not all there yet; null: nothing is. */
  fill(into: string, remoteTopic: string): FlowCopyView | null {
    const found = this.#views.find((view) => {
      return view.own && view.into === into && view.from === remoteTopic;
    });
    return found ? copyOf(found) : null;
  }

  /** Topics that others write, as sources of a flow. */
  external(into: string): FlowSource[] {
    return this.#views
      .filter((view) => !view.own && view.into === into)
      .map((view) => ({
        ...{ alias: view.alias, topic: view.topic, remoteTopic: view.from },
        ...{ watermark: view.completeAt, state: this.#stateOf(view), copy: copyOf(view) },
      }));
  }

  #stateOf({ completeAt, movedAt, trouble }: CopyView): EdgeStateName {
    const now = this.#timeline.now();
    if (trouble !== null) return 'stalled';
    if (completeAt !== null && now - completeAt <= liveMs) return 'live';
    return now - movedAt >= this.#stalledAfterMs ? 'stalled' : 'catching-up';
  }
}

const keyOf = ({ into, from }: CopyView): string => `${into}/${from}`;

const copyOf = ({ records, behind, trouble }: CopyView): FlowCopyView => {
  return { records, behind, trouble };
};
