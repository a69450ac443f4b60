import type { ConfigEntry } from '#shared/kafka/kafka.ts';
import type { ReportedTopic } from '#shared/wire/kafka-report.ts';
import type { TopicDrift } from './mirror.ts';
import { configsToSet, type FollowOptions, retentionFor } from './topic-follow.ts';

export interface AuditedTopic {
  alias: string;
  site: ReportedTopic;
  /** As central names it. */
  topic: string;
  /** null: it does not exist yet. */
  central: CentralTopic | null;
  /** Age of the oldest record that has yet to land, ms; null: no backlog. */
  backlogAgeMs: number | null;
}

export interface CentralTopic {
  partitions: number;
  replicas: number;
  configs: readonly ConfigEntry[];
  /** Made here, or records of ours are in it: it is grown with the site's. */
  grows: boolean;
}

export interface AuditOptions extends FollowOptions {
  /** Settings follow their site's. */
  syncs: boolean;
}

type Finding = Omit<TopicDrift, 'alias' | 'topic'>;

/** Only compares: nothing is read or written here. */
export function auditTopic(audited: AuditedTopic, options: AuditOptions): TopicDrift[] {
  const { alias, topic, central, site } = audited;
  const findings = central
    ? [
        ...partitionDrift(site, central),
        ...retentionDrift(audited, central, options),
        ...cleanupDrift(site, central, options),
        ...minIsrDrift(site, central),
        ...otherSettings(site, central, options),
      ]
    : [missing(site)];
  return findings.map((finding) => ({ alias, topic, ...finding }));
}

const missing = ({ partitions }: ReportedTopic): Finding => ({
  ...{ what: 'missing', severity: 'note', site: `${partitions} partitions`, central: null },
  meaning: 'nothing of it has landed yet',
  change: `it is made with ${partitions} partitions when the first record lands`,
});

function partitionDrift(site: ReportedTopic, central: CentralTopic): Finding[] {
  const counts = { site: String(site.partitions), central: String(central.partitions) };
  if (central.partitions === site.partitions) return [];
  if (central.partitions > site.partitions) {
    return [
      {
        ...{ what: 'partitions', severity: 'note', ...counts, change: null },
        meaning: 'central has more (other sites, or the settings); partitions never become fewer',
      },
    ];
  }
  if (!central.grows) {
    return [
      {
        ...{ what: 'partitions', severity: 'danger', ...counts, change: null },
        meaning:
          'it was there before us, and is not grown: no record can land before somebody does',
      },
    ];
  }
  return [
    {
      ...{ what: 'partitions', severity: 'warning', ...counts },
      meaning: 'the site has more since; whoever reads by key finds keys in other partitions',
      change: `it is grown to ${site.partitions} when a record of a new partition lands`,
    },
  ];
}

function retentionDrift(
  { site, backlogAgeMs }: AuditedTopic,
  central: CentralTopic,
  options: AuditOptions,
): Finding[] {
  const here = effective(central.configs, 'retention.ms');
  const there = reported(site, 'retention.ms');
  const deletes = (effective(central.configs, 'cleanup.policy') ?? 'delete').includes('delete');
  if (here === undefined || Number(here) < 0 || !deletes) return [];
  const findings: Finding[] = [];
  const wanted = retentionFor(there ?? here, options.longestOutageMs);
  const short = there !== undefined && (Number(wanted) < 0 || Number(here) < Number(wanted));
  const change = changeOf('retention.ms', site, central, options);
  const values = { site: there ?? null, central: here };
  if (short) {
    findings.push({
      ...{ what: 'retention', severity: 'warning', ...values, change },
      meaning:
        'records keep their own time: what waits at the site is kept so much shorter, or deleted ' +
        `as it lands (retention.ms = ${wanted} would do)`,
    });
  }
  if (backlogAgeMs !== null && backlogAgeMs > Number(here)) {
    findings.push({
      ...{ what: 'backlog', severity: 'danger', ...values, change },
      meaning: `the site's oldest record that has yet to land is ${Math.round(backlogAgeMs)} ms old`,
    });
  }
  return findings;
}

function cleanupDrift(
  site: ReportedTopic,
  central: CentralTopic,
  options: AuditOptions,
): Finding[] {
  const values = {
    site: reported(site, 'cleanup.policy') ?? null,
    central: effective(central.configs, 'cleanup.policy') ?? null,
  };
  if (values.site === null || policies(values.site) === policies(values.central)) return [];
  const compactsHere = values.central?.includes('compact') && !values.site.includes('compact');
  return [
    {
      ...{ what: 'cleanup', ...values, severity: compactsHere ? 'danger' : 'warning' },
      meaning: compactsHere
        ? 'central compacts what the site keeps: of each key only the newest record stays'
        : 'what the site keeps by key is kept by age at central, or the other way round',
      change: changeOf('cleanup.policy', site, central, options),
    },
  ];
}

/** Never followed by default: it says how many of a cluster's own brokers must have a record. */
function minIsrDrift(site: ReportedTopic, { configs, replicas }: CentralTopic): Finding[] {
  const here = effective(configs, 'min.insync.replicas');
  const there = reported(site, 'min.insync.replicas');
  if (here === undefined) return [];
  const values = { site: there ?? null, central: here, change: null };
  if (Number(here) > replicas) {
    return [
      {
        ...{ what: 'min-isr', severity: 'danger', ...values },
        meaning: `it has ${replicas} replicas: no record can land`,
      },
    ];
  }
  if (there === undefined || Number(here) >= Number(there)) return [];
  return [
    {
      ...{ what: 'min-isr', severity: 'note', ...values },
      meaning: 'fewer brokers hold a record when it counts as landed than hold it at the site',
    },
  ];
}

const ofTheirOwn: ReadonlySet<string> = new Set([
  'retention.ms',
  'cleanup.policy',
  'min.insync.replicas',
]);

/** What following would change besides. */
function otherSettings(
  site: ReportedTopic,
  central: CentralTopic,
  options: AuditOptions,
): Finding[] {
  return Object.entries(configsToSet(site.configs, central.configs, options))
    .filter(([name]) => !ofTheirOwn.has(name))
    .map(([name, value]) => ({
      ...{ what: 'settings', severity: 'note' },
      site: `${name} = ${reported(site, name) ?? 'default'}`,
      central: `${name} = ${effective(central.configs, name) ?? 'default'}`,
      meaning: 'differs from the site',
      change: options.syncs ? setting(name, value) : null,
    }));
}

function changeOf(
  name: string,
  site: ReportedTopic,
  central: CentralTopic,
  options: AuditOptions,
): string | null {
  const changes = configsToSet(site.configs, central.configs, options);
  return options.syncs && name in changes ? setting(name, changes[name]!) : null;
}

const setting = (name: string, value: string | null): string =>
  value === null ? `${name} is set back to its default` : `${name} is set to ${value}`;

const effective = (configs: readonly ConfigEntry[], name: string): string | undefined =>
  configs.find((entry) => entry.name === name)?.value ?? undefined;

const reported = ({ configs }: ReportedTopic, name: string): string | undefined =>
  configs.find((config) => config.name === name)?.value ?? undefined;

const policies = (list: string | null): string =>
  (list ?? '')
    .split(',')
    .map((policy) => policy.trim())
    .sort()
    .join(',');
