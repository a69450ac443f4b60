import { expect, test } from 'vitest';
import { Metrics, oneSample, processFamilies } from '#shared/std/metrics.ts';

const lines = (text: string) => text.split('\n').filter((line) => !line.startsWith('#') && line);

test('a scrape shows the numbers of this moment, not sums over scrapes', async () => {
  const metrics = new Metrics();
  const family = (value: number) => [
    { name: 'a_records_total', help: 'Records.', type: 'counter' as const, samples: [{ value }] },
  ];
  expect(lines(await metrics.text(family(5)))).toEqual(['a_records_total 5']);
  expect(lines(await metrics.text(family(7)))).toEqual(['a_records_total 7']);
});

test('families carry help, type and escaped labels', async () => {
  const metrics = new Metrics();
  const text = await metrics.text([
    {
      name: 'a_up',
      help: 'Whether it runs.',
      type: 'gauge',
      samples: [
        { labels: { source: 'mqtt:"x"\n' }, value: 1 },
        { labels: { source: 'b' }, value: 0 },
      ],
    },
  ]);
  expect(text).toBe(
    '# HELP a_up Whether it runs.\n# TYPE a_up gauge\n' +
      'a_up{source="mqtt:\\"x\\"\\n"} 1\na_up{source="b"} 0\n',
  );
});

test('what is not known is left out', async () => {
  const metrics = new Metrics();
  const samples = oneSample(null);
  expect(await metrics.text([{ name: 'a', help: 'A.', type: 'gauge', samples }])).toBe('');
  expect(oneSample(0)).toEqual([{ value: 0 }]);
});

test('a histogram keeps counting between scrapes, beside the process itself', async () => {
  const metrics = new Metrics();
  const observe = metrics.histogram({
    name: 'a_duration_seconds',
    help: 'How long.',
    buckets: [0.1, 1],
    labelNames: ['result'],
  });
  observe(0.05, { result: 'ok' });
  observe(0.5, { result: 'ok' });
  const text = await metrics.text(processFamilies());
  expect(lines(text)).toContain('a_duration_seconds_bucket{le="0.1",result="ok"} 1');
  expect(lines(text)).toContain('a_duration_seconds_count{result="ok"} 2');
  expect(text).toContain('\nprocess_resident_memory_bytes ');
  expect(text.endsWith('\n')).toBe(true);
  expect(text).not.toMatch(/NaN/i);
});
