import { remoteTopic } from '#shared/wire/topic-name.ts';
import type { CopyView, TopicRow } from '../landing/landing.ts';
import type { Flow, Merge } from '../merge/merge.ts';
import type { EdgeRecord } from './edge-record.ts';
import { FlowCopies, type FlowSource } from './flow-copies.ts';
import type { StreamFacts } from './lag.ts';
import { Rate } from './rate.ts';
import type { Timeline } from './timeline.ts';
import type { FlowView } from './views.ts';
import { lowest, overall, streamWatermark } from './watermark.ts';

/** The streams of one site that carry one topic. */
interface Feed {
  edge: EdgeRecord;
  topic: string;
  streams: StreamFacts[];
}

interface FlowFacts {
  flow: Flow;
  external: boolean;
  /** By `<alias>.<topic>`. */
  feeds: Map<string, Feed>;
  rate: Rate;
  partitions: number;
  /** In the merged topic when it was counted, and landed since. */
  records: number;
}

/** The merged topics: what feeds them, how fast, and through when each is complete. */
export class FlowBook {
  readonly #merge: Merge;
  readonly #timeline: Timeline;
  readonly #flows: Map<string, FlowFacts>;
  readonly #copies: FlowCopies;

  /** `external`: flows that take what others write. */
  constructor(
    { merge, external }: { merge: Merge; external: readonly Flow[] },
    timeline: Timeline,
    stalledAfterMs: number,
  ) {
    this.#merge = merge;
    this.#timeline = timeline;
    this.#copies = new FlowCopies(timeline, stalledAfterMs);
    const facts = (flow: Flow, external: boolean): [string, FlowFacts] => [
      flow.into,
      { flow, external, feeds: new Map(), rate: new Rate(), partitions: 0, records: 0 },
    ];
    this.#flows = new Map([
      ...merge.flows.map((flow) => facts(flow, false)),
      ...external.map((flow) => facts(flow, true)),
    ]);
  }

  /** A stream was heard of for the first time. */
  created(edge: EdgeRecord, stream: StreamFacts): void {
    const origin = remoteTopic(edge.alias, stream.topic);
    for (const into of this.#merge.targets(origin)) {
      const { feeds } = this.#flows.get(into)!;
      const feed = feeds.get(origin) ?? { edge, topic: stream.topic, streams: [] };
      feeds.set(origin, feed);
      feed.streams.push(stream);
    }
  }

  removed(edge: EdgeRecord): void {
    for (const { feeds } of this.#flows.values()) {
      for (const [origin, feed] of feeds) if (feed.edge === edge) feeds.delete(origin);
    }
  }

  landed(alias: string, stream: StreamFacts, records: number): void {
    const now = this.#timeline.now();
    for (const into of this.#merge.targets(remoteTopic(alias, stream.topic))) {
      const facts = this.#flows.get(into)!;
      facts.rate.add(now, records);
      facts.records += records;
      facts.partitions = Math.max(facts.partitions, stream.partition + 1);
    }
  }

  /** Copies as they stand now: what came with them since they were told last counts. */
  copied(views: readonly CopyView[]): void {
    const now = this.#timeline.now();
    for (const { into, records } of this.#copies.take(views)) {
      const facts = this.#flows.get(into);
      facts?.rate.add(now, records);
      if (facts) facts.records += records;
    }
  }

  /** Records landed so far, to be handed back to `counted`. */
  marks(): Map<string, number> {
    return new Map([...this.#flows].map(([into, { records }]) => [into, records]));
  }

  /** The merged topics as the landing counts them; `marks` were taken before it did. */
  counted(rows: readonly TopicRow[], marks: ReadonlyMap<string, number>): void {
    for (const row of rows) {
      const facts = row.kind === 'merged' ? this.#flows.get(row.topic) : undefined;
      if (!facts) continue;
      const since = facts.records - (marks.get(row.topic) ?? 0);
      facts.records = row.records + since;
      facts.partitions = row.partitions.length;
    }
  }

  /** `unseen`: sites that are expected and never came. */
  views(unseen: readonly EdgeRecord[]): FlowView[] {
    const expected = unseen.map((edge) => ({ edge, feeds: this.#merge.expectedOf(edge.alias) }));
    return [...this.#flows.values()].map((facts) => {
      const { into } = facts.flow;
      const known = [...facts.feeds.values()].map(({ edge, topic, streams }) =>
        this.#source(into, edge, topic, watermarkOf(edge, streams)),
      );
      const missing = expected.flatMap(({ edge, feeds }) =>
        feeds
          .filter((feed) => feed.into === into)
          .map(({ topic }) => this.#source(into, edge, topic, null)),
      );
      return this.#view(facts, [...known, ...missing, ...this.#copies.external(into)]);
    });
  }

  /** While what is older has yet to be copied, what is newer waits: complete through nothing. */
  #source(into: string, edge: EdgeRecord, topic: string, watermark: number | null): FlowSource {
    const remote = this.#merge.landedTopic(edge.alias, topic);
    const copy = this.#copies.fill(into, remote);
    return {
      ...{ alias: edge.alias, topic, remoteTopic: remote, state: edge.state, copy },
      watermark: copy ? null : watermark,
    };
  }

  #view(
    { flow, external, partitions, records, rate }: FlowFacts,
    sources: readonly FlowSource[],
  ): FlowView {
    const timeline = this.#timeline;
    const { watermark, heldBackBy } = overall(sources);
    return {
      into: flow.into,
      from: [...flow.from],
      external,
      partitions,
      records,
      recordsPerSecond: rate.perSecond(timeline.now()),
      watermark: timeline.wallOrNull(watermark),
      heldBackBy,
      sources: sources.map((source) => ({
        ...source,
        watermark: timeline.wallOrNull(source.watermark),
      })),
    };
  }
}

const watermarkOf = (edge: EdgeRecord, streams: readonly StreamFacts[]): number | null =>
  lowest(streams.map((stream) => streamWatermark(stream, edge.facts)));
