import type { KafkaReport, ReportedGroup } from '#shared/wire/kafka-report.ts';
import { limits } from '#shared/wire/limits.ts';
import { linkVersion } from '#shared/wire/link.ts';
import type { KafkaSight } from './kafka-groups.ts';

/** Of the rows of one report; its frame, and what a proxy adds, fit beside. */
const rowsBytesMax = limits.kafkaReportBytes - 64 * 1024;

/** One thing that central is to know. */
interface Row {
  key: string;
  /** As it is told, JSON. */
  text: string;
  put: (report: KafkaReport) => void;
}

/**
 * What central knows of the site's Kafka, as far as this session has told it, and what is to be told
 * next (PROTOCOL.md §7). A report whose answer is lost is told again, newer.
 */
export class KafkaTold {
  readonly #alias: string;
  #session = '';
  #number = 0;
  #told = new Map<string, string>();
  #complete = false;

  constructor(alias: string) {
    this.#alias = alias;
  }

  /** The next report; undefined: all is told. `answered` with central's answer goes on from it. */
  next(
    session: string,
    sight: KafkaSight,
  ): { report: KafkaReport; answered: (next: number) => void } | undefined {
    if (session !== this.#session) this.#begin(session);
    const rows = rowsOf(sight);
    const seen = new Set(rows.map(({ key }) => key));
    const missing = [...this.#told.keys()].filter((key) => !seen.has(key));
    // A topic that is not replicated any more: only a new beginning takes it away.
    if (missing.some((key) => !isOffset(key))) {
      this.#begin(session);
      missing.length = 0;
    }
    const shrunk = new Set(missing.map(groupOf));
    const changed = rows.filter(
      ({ key, text }) =>
        this.#told.get(key) !== text || (isOffset(key) && shrunk.has(groupOf(key))),
    );
    if (changed.length === 0 && shrunk.size === 0 && this.#complete) return undefined;
    return this.#report(changed, [...shrunk]);
  }

  #report(changed: readonly Row[], gone: string[]) {
    const report: KafkaReport = {
      ...{ version: linkVersion, alias: this.#alias, session: this.#session },
      ...{ number: this.#number, groups: [], gone: gone.slice(0, limits.kafkaReportRows) },
      ...{ positions: [], topics: [], acls: null, complete: true },
    };
    const left = new Set(report.gone);
    const told: Row[] = [];
    let bytes = report.gone.reduce((sum, name) => sum + 2 * Buffer.byteLength(name) + 4, 0);
    for (const row of changed) {
      // Whatever JSON makes of a name: a group of many rows bears it once for each at most.
      bytes += Buffer.byteLength(row.text) + Buffer.byteLength(row.key) + 64;
      if (told.length >= limits.kafkaReportRows || (told.length > 0 && bytes > rowsBytesMax)) {
        report.complete = false;
        break;
      }
      row.put(report);
      told.push(row);
    }
    if (gone.length > left.size) report.complete = false;
    this.#doubt(told, left);
    const answered = (next: number): void => {
      if (next !== report.number + 1) {
        this.#begin(this.#session);
        return;
      }
      this.#number = next;
      for (const key of this.#told.keys()) {
        if (isOffset(key) && left.has(groupOf(key))) this.#told.delete(key);
      }
      for (const { key, text } of told) this.#told.set(key, text);
      this.#complete = report.complete;
    };
    return { report, answered };
  }

  /** Until the answer is there, central may or may not know it so. */
  #doubt(told: readonly Row[], gone: ReadonlySet<string>): void {
    for (const { key } of told) this.#told.set(key, unknown);
    for (const key of this.#told.keys()) {
      if (isOffset(key) && gone.has(groupOf(key))) this.#told.set(key, unknown);
    }
  }

  #begin(session: string): void {
    this.#session = session;
    this.#number = 0;
    this.#told = new Map();
    this.#complete = false;
  }
}

/** No row's text: it is told (again), or taken away. */
const unknown = '';

const isOffset = (key: string): boolean => key.startsWith('["group",');
const groupOf = (key: string): string => (JSON.parse(key) as string[])[1]!;

function rowsOf({ topics, positions, groups, acls }: KafkaSight): Row[] {
  const rows: Row[] = [];
  const add = (key: unknown[], value: unknown, put: Row['put']) =>
    rows.push({ key: JSON.stringify(key), text: JSON.stringify(value), put });
  for (const one of topics) add(['topic', one.topic], one, (to) => to.topics.push(one));
  for (const one of positions) {
    add(['read', one.topic, one.partition], one, (to) => to.positions.push(one));
  }
  if (acls) {
    add(['acls'], acls, (to) => {
      to.acls = acls;
    });
  }
  for (const { group, state, offsets } of groups) {
    for (const offset of offsets) {
      const { topic, partition } = offset;
      add(['group', group, topic, partition], { state, ...offset }, (to) =>
        groupIn(to, group, state).offsets.push(offset),
      );
    }
  }
  return rows;
}

function groupIn(report: KafkaReport, group: string, state: string): ReportedGroup {
  const last = report.groups.at(-1);
  if (last?.group === group) return last;
  const begun: ReportedGroup = { group, state, offsets: [] };
  report.groups.push(begun);
  return begun;
}
