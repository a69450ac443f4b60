import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReportBook } from '#central/mirror/report-book.ts';
import type { KafkaSight } from '#edge/source/kafka-groups.ts';
import { KafkaTold } from '#edge/source/kafka-told.ts';
import type { KafkaReport } from '#shared/wire/kafka-report.ts';
import { checkKafkaReport } from '#shared/wire/kafka-report-check.ts';
import { limits } from '#shared/wire/limits.ts';
import { runs, seed } from '../../shared/wire/arbitrary.ts';

const incarnation = '1'.padStart(32, '0');
const epoch = 'e'.repeat(32);
const s1 = 'a'.repeat(32);
const s2 = 'b'.repeat(32);

/** `groups`: by name, offset by partition. */
const sight = (groups: { [group: string]: number[] }, topics: string[] = ['t']): KafkaSight => ({
  groups: Object.entries(groups).map(([group, offsets]) => ({
    ...{ group, state: 'Stable' },
    offsets: offsets.flatMap((offset, partition) =>
      offset < 0 ? [] : [{ topic: 't', partition, offset, incarnation, metadata: '' }],
    ),
  })),
  positions: [{ topic: 't', partition: 0, incarnation, next: 5, epoch, sequence: 5 }],
  topics: topics.map((topic) => ({ topic, incarnation, partitions: 2, configs: [] })),
  acls: null,
});

const inReport = ({ groups }: KafkaReport) =>
  groups.map(({ group, offsets }) => [group, offsets.map(({ offset }) => offset)]);

describe('reports of a session', () => {
  test('tell all, then what is new, then nothing', () => {
    const told = new KafkaTold('a');
    const first = told.next(s1, sight({ g: [1, 2], h: [3] }))!;
    expect(first.report).toMatchObject({ number: 0, gone: [], complete: true });
    expect(first.report.topics).toHaveLength(1);
    expect(first.report.positions).toHaveLength(1);
    first.answered(1);
    expect(told.next(s1, sight({ g: [1, 2], h: [3] }))).toBeUndefined();
    const second = told.next(s1, sight({ g: [1, 9], h: [3] }))!;
    expect(second.report).toMatchObject({ number: 1, positions: [], topics: [] });
    expect(inReport(second.report)).toEqual([['g', [9]]]);
  });

  test('repeat what was not answered, newer, under the same number', () => {
    const told = new KafkaTold('a');
    told.next(s1, sight({ g: [1] }))!.answered(1);
    told.next(s1, sight({ g: [2] }));
    const again = told.next(s1, sight({ g: [3] }))!;
    expect([again.report.number, inReport(again.report)]).toEqual([1, [['g', [3]]]]);
  });

  test('tell all again to another session, to a central that knows nothing, and without a topic', () => {
    for (const forget of [
      (told: KafkaTold) => told.next(s2, sight({ g: [1] })),
      (told: KafkaTold) => {
        told.next(s1, sight({ g: [2] }))!.answered(0);
        return told.next(s1, sight({ g: [1] }));
      },
      (told: KafkaTold) => told.next(s1, sight({ g: [1] }, [])),
    ]) {
      const told = new KafkaTold('a');
      told.next(s1, sight({ g: [1] }))!.answered(1);
      const { report } = forget(told)!;
      expect([report.number, inReport(report)]).toEqual([0, [['g', [1]]]]);
    }
  });

  test('an empty site tells that it is all', () => {
    const nothing: KafkaSight = { groups: [], positions: [], topics: [], acls: null };
    const told = new KafkaTold('a');
    const first = told.next(s1, nothing)!;
    expect(first.report).toMatchObject({ number: 0, complete: true });
    first.answered(1);
    expect(told.next(s1, nothing)).toBeUndefined();
  });

  test('stay within the limits of the link, and get through all the same', () => {
    const told = new KafkaTold('a');
    const metadata = 'm'.repeat(4_000);
    const large = sight({});
    large.groups = Array.from({ length: 50 }, (_, i) => ({
      ...{ group: `${i}`.padStart(900, 'g'), state: 'Stable' },
      offsets: Array.from({ length: 20 }, (_, partition) => {
        return { topic: 't', partition, offset: i, incarnation, metadata };
      }),
    }));
    let reports = 0;
    let offsets = 0;
    for (let next = told.next(s1, large); next; next = told.next(s1, large)) {
      const { report, answered } = next;
      expect(() => checkKafkaReport(report)).not.toThrow();
      expect(Buffer.byteLength(JSON.stringify(report))).toBeLessThan(limits.kafkaReportBytes);
      reports += 1;
      for (const group of report.groups) offsets += group.offsets.length;
      expect(report.complete).toBe(offsets === 1_000);
      answered(report.number + 1);
    }
    expect(offsets).toBe(1_000);
    expect(reports).toBeGreaterThan(4);
  });
});

/** What the site sees in turn; each report may be lost before or after it was kept. */
const steps = fc.array(
  fc.record({
    groups: fc.dictionary(
      fc.constantFrom('g', 'h', 'i'),
      fc.array(fc.integer({ min: -1, max: 3 }), { maxLength: 2 }),
    ),
    topics: fc.constantFrom<string[]>(['t'], ['t', 'u']),
    fate: fc.constantFrom('answered', 'answered', 'lost', 'refused', 'restart', 'session'),
  }),
  { maxLength: 25 },
);

test(`central has in the end what the site sees, whatever was lost between (seed ${seed})`, () => {
  fc.assert(
    fc.property(steps, (all) => {
      const told = new KafkaTold('a');
      let book = new ReportBook();
      let session = s1;
      const facts = new Map<string, string>();
      const tell = (seen: KafkaSight, fate: string): boolean => {
        const next = told.next(session, seen);
        if (!next) return true;
        const reported = book.report(next.report, facts, 1);
        if (fate === 'refused') {
          reported.failed();
          return true;
        }
        for (const { key, value } of reported.facts) {
          if (value === null) facts.delete(key);
          else facts.set(key, value);
        }
        reported.committed();
        if (fate === 'lost') return true;
        next.answered(reported.next);
        return false;
      };
      let last = sight({});
      for (const { groups, topics, fate } of all) {
        if (fate === 'restart') book = new ReportBook();
        if (fate === 'session') session = session === s1 ? s2 : s1;
        last = sight(groups, topics);
        tell(last, fate);
      }
      for (let i = 0; i < 10 && !tell(last, 'answered'); i++);
      expect(placesOf(facts)).toEqual(
        last.groups
          .flatMap(({ group, offsets }) =>
            offsets.map(({ partition, offset }) => `${group}/${partition} ${offset}`),
          )
          .sort(),
      );
      const known = [...facts.keys()].filter((key) => key.startsWith('["topic"'));
      expect(known).toHaveLength(last.topics.length);
    }),
    runs(1_000),
  );
});

const placesOf = (facts: ReadonlyMap<string, string>): string[] =>
  [...facts]
    .map(([key, value]) => [JSON.parse(key) as unknown[], value] as const)
    .filter(([[kind]]) => kind === 'group')
    .map(([[, group, , partition], value]) => {
      return `${group}/${partition} ${(JSON.parse(value) as { offset: number }).offset}`;
    })
    .sort();
