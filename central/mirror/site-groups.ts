import type { ReadPosition, ReportedOffset } from '#shared/wire/kafka-report.ts';
import {
  type FactKey,
  type OffsetFact,
  type ReadFact,
  readFactKey,
  type StateFact,
} from './site-facts.ts';

/** One group in one source partition, as the site told it. */
export interface GroupPosition extends ReportedOffset {
  group: string;
  state: string;
  reportedAt: number;
}

/** The groups of one site, by its facts. */
export class SiteGroups {
  readonly #facts = new Map<string, string>();
  readonly #states = new Map<string, string>();
  readonly #offsets = new Map<string, GroupPosition>();
  readonly #reads = new Map<string, ReadPosition>();

  /** Takes all facts as they are now. Returns what that changes. */
  follow(facts: ReadonlyMap<string, string>): {
    changed: GroupPosition[];
    gone: GroupPosition[];
    readOn: boolean;
  } {
    const changed: GroupPosition[] = [];
    const gone: GroupPosition[] = [];
    let readOn = false;
    for (const key of [...this.#facts.keys()]) {
      if (facts.has(key)) continue;
      this.#facts.delete(key);
      const position = this.#offsets.get(key);
      if (position) gone.push(position);
      this.#forget(key);
    }
    for (const [key, value] of facts) {
      if (this.#facts.get(key) === value) continue;
      this.#facts.set(key, value);
      const parts = readFactKey(key);
      if (!parts) continue;
      const position = this.#take(key, parts, value);
      if (position) changed.push(position);
      if (parts[0] === 'read') readOn = true;
    }
    return { changed, gone, readOn };
  }

  *all(): Generator<GroupPosition> {
    for (const position of this.#offsets.values()) {
      yield { ...position, state: this.#states.get(position.group) ?? '' };
    }
  }

  /** How far the site has read this partition. */
  readTo(topic: string, partition: number): ReadPosition | undefined {
    return this.#reads.get(`${topic}/${partition}`);
  }

  #take(key: string, parts: FactKey, value: string): GroupPosition | undefined {
    if (parts[0] === 'state') {
      this.#states.set(parts[1], (JSON.parse(value) as StateFact).state);
    } else if (parts[0] === 'read') {
      const [, topic, partition] = parts;
      const read = { topic, partition, ...(JSON.parse(value) as ReadFact) };
      this.#reads.set(`${topic}/${partition}`, read);
    } else if (parts[0] === 'group') {
      const [, group, topic, partition] = parts;
      const { at, ...offset } = JSON.parse(value) as OffsetFact;
      const position = { group, topic, partition, ...offset, state: '', reportedAt: at };
      this.#offsets.set(key, position);
      return position;
    }
    return undefined;
  }

  #forget(key: string): void {
    const parts = readFactKey(key);
    if (parts?.[0] === 'state') this.#states.delete(parts[1]);
    if (parts?.[0] === 'read') this.#reads.delete(`${parts[1]}/${parts[2]}`);
    this.#offsets.delete(key);
  }
}
