import type { AclBinding, ConfigEntry } from '#shared/kafka/kafka.ts';
import type { ReportedAcl, ReportedConfig } from '#shared/wire/kafka-report.ts';
import type { NameFilter } from '#shared/wire/mm2-filter.ts';
import type { TopicValues } from './mirror.ts';

/**
 * How a topic at central follows the site's topic that it comes from, by MirrorMaker 2's rules, but
 * for what a store-and-forward site needs otherwise.
 */

/**
 * Not followed, whatever the lists say: records keep their own times, however far off; a segment
 * must fit; a broker that packs batches anew would cost us the sealed ones.
 */
const keptAtCentral: ReadonlySet<string> = new Set([
  'message.timestamp.type',
  'message.timestamp.before.max.ms',
  'message.timestamp.after.max.ms',
  'message.timestamp.difference.max.ms',
  'max.message.bytes',
  'compression.type',
]);

export interface FollowOptions {
  /** Which settings follow (`configFilter` of shared/wire/mm2-filter.ts). */
  follows: NameFilter;
  /** Added to a site's retention: so old may its backlog be when it lands. */
  longestOutageMs: number;
  /** What topics at central are made with. */
  madeWith: TopicValues;
}

/** The site's explicit settings, as central should have them. */
export function settingsWanted(
  site: readonly ReportedConfig[],
  { follows, longestOutageMs }: Pick<FollowOptions, 'follows' | 'longestOutageMs'>,
): TopicValues {
  const wanted: { [name: string]: string } = {};
  for (const { name, value, explicit } of site) {
    if (!explicit || value === null || keptAtCentral.has(name) || !follows(name)) continue;
    wanted[name] = name === 'retention.ms' ? retentionFor(value, longestOutageMs) : value;
  }
  return wanted;
}

/**
 * What to set at central: the site's explicit settings where they differ. Where the site has its
 * cluster's default and central an override: back to what the topic was made with, or (null) to the
 * default; but what is kept longer than that stays.
 */
export function configsToSet(
  site: readonly ReportedConfig[],
  central: readonly ConfigEntry[],
  options: FollowOptions,
): { [name: string]: string | null } {
  const { follows, madeWith } = options;
  const wanted = settingsWanted(site, options);
  const at = new Map(central.map((entry) => [entry.name, entry]));
  const changes: { [name: string]: string | null } = {};
  for (const { name } of site) {
    if (keptAtCentral.has(name) || !follows(name)) continue;
    const there = at.get(name);
    if (there?.readOnly || there?.sensitive) continue;
    const value = wanted[name] ?? madeWith[name] ?? null;
    if (there?.source === 'topic' ? there.value === value : !(name in wanted)) continue;
    if (!(name in wanted) && keepsLonger(name, there?.value, value)) continue;
    changes[name] = value;
  }
  return changes;
}

/** How long or how much of it is kept: nobody's default takes records away. */
function keepsLonger(
  name: string,
  there: string | null | undefined,
  value: string | null,
): boolean {
  if (name !== 'retention.ms' && name !== 'retention.bytes') return false;
  const amount = (text: string | null | undefined) => {
    const number = Number(text ?? -1);
    return number < 0 ? Number.POSITIVE_INFINITY : number;
  };
  return amount(there) >= amount(value);
}

/** A site's `retention.ms` (-1: for ever) as central needs it to keep a record as long. */
export function retentionFor(site: string, longestOutageMs: number): string {
  const ms = Number(site);
  return Number.isSafeInteger(ms) && ms >= 0 ? String(ms + longestOutageMs) : site;
}

/**
 * Bindings of topics that central lacks: of literal names only; who may write at the site may not
 * write here, where only replication does; who may do all may read. A denial stays one.
 */
export function aclsToCreate(
  site: readonly ReportedAcl[],
  central: readonly AclBinding[],
  nameAtCentral: (topic: string) => string,
): AclBinding[] {
  const there = new Set(central.map(keyOf));
  const wanted = new Map<string, AclBinding>();
  for (const { topic, principal, host, operation, permission } of site) {
    const allowed = permission === 'ALLOW';
    if (allowed && operation === 'WRITE') continue;
    const binding: AclBinding = {
      ...{ resourceType: 'topic', resourceName: nameAtCentral(topic), patternType: 'literal' },
      ...{ principal, host, permission },
      operation: allowed && operation === 'ALL' ? 'READ' : operation,
    };
    const key = keyOf(binding);
    if (!there.has(key)) wanted.set(key, binding);
  }
  return [...wanted.values()];
}

const keyOf = (binding: AclBinding): string =>
  JSON.stringify([
    ...[binding.resourceType, binding.resourceName, binding.patternType, binding.principal],
    ...[binding.host, binding.operation, binding.permission],
  ]);
