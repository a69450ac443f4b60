import { remoteTopic } from '#shared/wire/topic-name.ts';
import type { TopicRow } from '../landing/landing.ts';
import type { Flow, Merge } from '../merge/merge.ts';
import type { EdgeRecord } from './edge-record.ts';
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
  /** By remote topic. */
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

  constructor(merge: Merge, timeline: Timeline) {
    this.#merge = merge;
    this.#timeline = timeline;
    this.#flows = new Map(
      merge.flows.map((flow) => [
        flow.into,
        { flow, feeds: new Map(), rate: new Rate(), partitions: 0, records: 0 },
      ]),
    );
  }

  /** A stream was heard of for the first time. */
  created(edge: EdgeRecord, stream: StreamFacts): void {
    const remote = remoteTopic(edge.alias, stream.topic);
    for (const into of this.#merge.targets(remote)) {
      const { feeds } = this.#flows.get(into)!;
      const feed = feeds.get(remote) ?? { edge, topic: stream.topic, streams: [] };
      feeds.set(remote, feed);
      feed.streams.push(stream);
    }
  }

  removed(edge: EdgeRecord): void {
    for (const { feeds } of this.#flows.values()) {
      for (const [remote, feed] of feeds) if (feed.edge === edge) feeds.delete(remote);
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
      const known = [...facts.feeds.values()].map((feed) => ({
        ...feed,
        watermark: watermarkOf(feed),
      }));
      const missing = expected.flatMap(({ edge, feeds }) =>
        feeds
          .filter(({ into }) => into === facts.flow.into)
          .map(({ topic }) => ({ edge, topic, watermark: null })),
      );
      return this.#view(facts, [...known, ...missing]);
    });
  }

  #view(
    { flow, partitions, records, rate }: FlowFacts,
    feeds: readonly { edge: EdgeRecord; topic: string; watermark: number | null }[],
  ): FlowView {
    const timeline = this.#timeline;
    const { watermark, heldBackBy } = overall(
      feeds.map(({ edge, watermark }) => ({ alias: edge.alias, watermark })),
    );
    return {
      into: flow.into,
      from: [...flow.from],
      partitions,
      records,
      recordsPerSecond: rate.perSecond(timeline.now()),
      watermark: timeline.wallOrNull(watermark),
      heldBackBy,
      sources: feeds.map(({ edge, topic, watermark }) => ({
        alias: edge.alias,
        topic,
        remoteTopic: remoteTopic(edge.alias, topic),
        watermark: timeline.wallOrNull(watermark),
        state: edge.state,
      })),
    };
  }
}

const watermarkOf = ({ edge, streams }: Feed): number | null =>
  lowest(streams.map((stream) => streamWatermark(stream, edge.facts)));
