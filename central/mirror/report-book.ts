import type { KafkaReport, ReportedGroup, ReportedTopic } from '#shared/wire/kafka-report.ts';
import { limits } from '#shared/wire/limits.ts';
import type { Fact } from '../landing/landing.ts';
import type { Reported } from './mirror.ts';
import { factKey, type OffsetFact, readFactKey } from './site-facts.ts';

/** Of all kinds, of one site: one that tells more is cut off, and costs the others nothing. */
const factsMax = limits.groupOffsetsPerEdge + 50_000;
/** A fact may have twice that. */
const configsBytesMax = 128 * 1024;

/**
 * Reports of one site, in their turn, and what each changes of what is committed. Numbers live as
 * long as we do: after a restart, or where another collector takes over, the site tells all again,
 * and what it does not tell any more goes when it has.
 */
export class ReportBook {
  #session = '';
  #next = 0;
  /** Told in an earlier life and not yet again; undefined: all is told. */
  #stale: Set<string> | undefined;

  report(report: KafkaReport, known: ReadonlyMap<string, string>, at: number): Reported {
    const isFirst = report.number === 0;
    const again = report.number === this.#next - 1;
    const inTurn = report.session === this.#session && (report.number === this.#next || again);
    if (!isFirst && !inTurn) {
      const next = report.session === this.#session ? this.#next : 0;
      return { facts: [], next, committed() {}, failed() {} };
    }
    const next = report.number + 1;
    const stale = isFirst ? new Set(known.keys()) : new Set(this.#stale);
    const facts = new FactChanges(known, stale);
    tell(facts, report, at);
    if (report.complete) for (const key of stale) facts.remove(key);
    return {
      ...{ facts: facts.all(), next },
      committed: () => {
        this.#session = report.session;
        this.#next = next;
        this.#stale = report.complete ? undefined : stale;
      },
      failed: () => {
        this.#session = '';
        this.#next = 0;
      },
    };
  }
}

class FactChanges {
  readonly #known: ReadonlyMap<string, string>;
  readonly #stale: Set<string>;
  readonly #changes = new Map<string, string | null>();
  #count: number;

  constructor(known: ReadonlyMap<string, string>, stale: Set<string>) {
    this.#known = known;
    this.#stale = stale;
    this.#count = known.size;
  }

  /** `same`: what is known means the same. */
  put(key: string, value: object, same = (before: string) => before === JSON.stringify(value)) {
    this.#stale.delete(key);
    const before = this.#now(key);
    if (before !== null && same(before)) return;
    if (before === null) {
      if (this.#count >= factsMax) return;
      this.#count += 1;
    }
    this.#changes.set(key, JSON.stringify(value));
  }

  remove(key: string): void {
    this.#stale.delete(key);
    if (this.#now(key) === null) return;
    this.#count -= 1;
    this.#changes.set(key, null);
  }

  *keys(): Generator<string> {
    yield* this.#known.keys();
    for (const key of this.#changes.keys()) if (!this.#known.has(key)) yield key;
  }

  all(): Fact[] {
    return [...this.#changes]
      .filter(([key, value]) => (this.#known.get(key) ?? null) !== value)
      .map(([key, value]) => ({ key, value }));
  }

  #now(key: string): string | null {
    const changed = this.#changes.get(key);
    return changed !== undefined ? changed : (this.#known.get(key) ?? null);
  }
}

function tell(facts: FactChanges, report: KafkaReport, at: number): void {
  removeGroups(facts, new Set(report.gone));
  for (const group of report.groups) tellGroup(facts, group, at);
  for (const { topic, partition, ...read } of report.positions) {
    facts.put(factKey(['read', topic, partition]), read);
  }
  for (const { topic, ...rest } of report.topics) {
    facts.put(factKey(['topic', topic]), { ...rest, configs: configsOf(rest) });
  }
  if (report.acls === null) return;
  const told = new Set<string>();
  for (const { topic, principal, host, operation, permission } of report.acls) {
    const key = factKey(['acl', topic, principal, host, operation, permission]);
    told.add(key);
    facts.put(key, {});
  }
  for (const key of [...facts.keys()]) {
    if (readFactKey(key)?.[0] === 'acl' && !told.has(key)) facts.remove(key);
  }
}

function tellGroup(facts: FactChanges, { group, state, offsets }: ReportedGroup, at: number): void {
  facts.put(factKey(['state', group]), { state });
  for (const { topic, partition, offset, incarnation, metadata } of offsets) {
    const fact: OffsetFact = { offset, incarnation, metadata, at: Math.round(at) };
    facts.put(factKey(['group', group, topic, partition]), fact, (before) => {
      // When it was told first is when it was told.
      const { at: told } = JSON.parse(before) as OffsetFact;
      return before === JSON.stringify({ ...fact, at: told });
    });
  }
}

function removeGroups(facts: FactChanges, gone: ReadonlySet<string>): void {
  if (gone.size === 0) return;
  for (const key of [...facts.keys()]) {
    const [kind, name] = readFactKey(key) ?? [];
    if ((kind === 'group' || kind === 'state') && gone.has(name!)) facts.remove(key);
  }
}

const configsOf = ({ configs }: Pick<ReportedTopic, 'configs'>) =>
  JSON.stringify(configs).length > configsBytesMax ? [] : configs;
