import { Counter, Gauge, Histogram, prometheusContentType, Registry } from '@prometheus-io/client';

/**
 * Prometheus text (exposition format 0.0.4). Most of our numbers are kept elsewhere, so a scrape is
 * a list of families read at that moment; what happens between scrapes goes into a histogram.
 */
export interface MetricFamily {
  /**
   * Base units, plural: `…_bytes`, `…_seconds`, `…_timestamp_seconds`; counters end in `_total`.
   */
  name: string;
  help: string;
  type: 'counter' | 'gauge';
  /** All with the same label names. A sample that is not known is left out, never written as 0. */
  samples: readonly MetricSample[];
}

export interface MetricSample {
  /** Bounded values only: aliases and source names yes, topics and keys of records never. */
  labels?: { readonly [name: string]: string };
  value: number;
}

/** The samples of one number that may not be known yet: none, or one without labels. */
export const oneSample = (value: number | null): MetricSample[] =>
  value === null ? [] : [{ value }];

export class Metrics {
  readonly contentType: string = prometheusContentType;
  /** What lives across scrapes. */
  readonly #histograms = new Registry();

  /** Gives the way to observe a duration (seconds) or size. */
  histogram(options: {
    name: string;
    help: string;
    buckets: readonly number[];
    labelNames?: readonly string[];
  }): (value: number, labels?: { readonly [name: string]: string }) => void {
    const { name, help, buckets, labelNames = [] } = options;
    const histogram = new Histogram<string>({
      name,
      help,
      labelNames: [...labelNames],
      buckets: [...buckets],
      registers: [this.#histograms],
    });
    return (value, labels = {}) => histogram.observe(labels, value);
  }

  /** The answer to one scrape. */
  async text(families: readonly MetricFamily[]): Promise<string> {
    const scrape = new Registry();
    for (const family of families) if (family.samples.length > 0) register(scrape, family);
    const parts = [await scrape.metrics(), await this.#histograms.metrics()];
    return parts.filter((part) => part.trim() !== '').join('');
  }
}

function register(registry: Registry, { name, help, type, samples }: MetricFamily): void {
  const labelNames = Object.keys(samples[0]?.labels ?? {});
  const options = { name, help, labelNames, registers: [registry] };
  const metric = type === 'counter' ? new Counter<string>(options) : new Gauge<string>(options);
  for (const { labels = {}, value } of samples) metric.inc(labels, value);
}

/**
 * The process itself, under the names that every Prometheus client uses. The vendor's own default
 * set has 200 lines, two samplers that run all the time and impossible values before their first
 * sample.
 */
export function processFamilies(): MetricFamily[] {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return [
    {
      name: 'process_cpu_seconds_total',
      help: 'User and system CPU time of this process.',
      type: 'counter',
      samples: [{ value: (user + system) / 1e6 }],
    },
    {
      name: 'process_resident_memory_bytes',
      help: 'Resident memory of this process.',
      type: 'gauge',
      samples: [{ value: rss }],
    },
    {
      name: 'nodejs_heap_size_used_bytes',
      help: 'JavaScript heap in use.',
      type: 'gauge',
      samples: [{ value: heapUsed }],
    },
    {
      name: 'process_start_time_seconds',
      help: 'When this process started, seconds since the Unix epoch.',
      type: 'gauge',
      samples: [{ value: performance.timeOrigin / 1000 }],
    },
  ];
}
