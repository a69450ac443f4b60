import type {
  KafkaAnswer,
  KafkaReport,
  ReadPosition,
  ReportedOffset,
} from '#shared/wire/kafka-report.ts';
import { limits } from '#shared/wire/limits.ts';

/** One group in one source partition, as the site told it. */
export interface GroupPosition extends ReportedOffset {
  group: string;
  state: string;
  reportedAt: number;
}

/** What one site has told of its groups in this session, put together from its reports. */
export class SiteGroups {
  #session = '';
  /** 0: nothing was told (in this life of ours). */
  #next = 0;
  #states = new Map<string, string>();
  #offsets = new Map<string, Map<string, GroupPosition>>();
  #positions = new Map<string, ReadPosition>();
  #count = 0;

  /** Returns what it expects next, and which positions are new or changed. */
  apply(report: KafkaReport, at: number): KafkaAnswer & { changed: GroupPosition[] } {
    if (report.number === 0) this.#begin(report.session);
    const again = report.number === this.#next - 1;
    if (report.session !== this.#session || (report.number !== this.#next && !again)) {
      return { next: report.session === this.#session ? this.#next : 0, changed: [] };
    }
    this.#next = report.number + 1;
    for (const group of report.gone) this.#forget(group);
    for (const position of report.positions) {
      this.#positions.set(placeKey(position.topic, position.partition), position);
    }
    const changed = report.groups.flatMap(({ group, state, offsets }) => {
      this.#states.set(group, state);
      return offsets.flatMap((offset) => this.#set({ ...offset, group, state, reportedAt: at }));
    });
    return { next: this.#next, changed };
  }

  *all(): Generator<GroupPosition> {
    for (const [group, offsets] of this.#offsets) {
      const state = this.#states.get(group) ?? '';
      for (const position of offsets.values()) yield { ...position, state };
    }
  }

  get(group: string, topic: string, partition: number): GroupPosition | undefined {
    return this.#offsets.get(group)?.get(placeKey(topic, partition));
  }

  /** How far the site has read this partition. */
  readTo(topic: string, partition: number): ReadPosition | undefined {
    return this.#positions.get(placeKey(topic, partition));
  }

  #begin(session: string): void {
    this.#session = session;
    this.#next = 0;
    this.#states = new Map();
    this.#offsets = new Map();
    this.#positions = new Map();
    this.#count = 0;
  }

  #set(position: GroupPosition): GroupPosition[] {
    const { group, topic, partition } = position;
    const offsets = this.#offsets.get(group) ?? new Map<string, GroupPosition>();
    const key = placeKey(topic, partition);
    if (!offsets.has(key)) {
      // A site that tells more than it may is cut off here and costs the others nothing.
      if (this.#count >= limits.groupOffsetsPerEdge) return [];
      this.#count += 1;
    }
    offsets.set(key, position);
    this.#offsets.set(group, offsets);
    return [position];
  }

  #forget(group: string): void {
    this.#count -= this.#offsets.get(group)?.size ?? 0;
    this.#offsets.delete(group);
    this.#states.delete(group);
  }
}

const placeKey = (topic: string, partition: number): string => `${topic}/${partition}`;
