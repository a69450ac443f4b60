import { JavaRegexError, javaRegex } from './java-regex.ts';
import { cameFrom, isMm2Internal } from './mm2-topics.ts';
import { isInternalTopic } from './topic-name.ts';

/**
 * What MirrorMaker 2 includes and excludes: lists of names and regular expressions. A list matches
 * a name that one of its members matches as a whole; an empty list matches nothing; exclude wins.
 */
export const mm2Defaults = {
  topics: ['.*'],
  topicsExclude: ['.*[\\-\\.]internal', '.*\\.replica', '__.*'],
  groups: ['.*'],
  groupsExclude: ['console-consumer-.*', 'connect-.*', '__.*'],
  /** Settings of topics that stay as they are at the target. */
  configPropertiesExclude: [
    'follower\\.replication\\.throttled\\.replicas',
    'leader\\.replication\\.throttled\\.replicas',
    'message\\.timestamp\\.difference\\.max\\.ms',
    'message\\.timestamp\\.type',
    'unclean\\.leader\\.election\\.enable',
    'min\\.insync\\.replicas',
  ],
} as const satisfies { [name: string]: readonly string[] };

export type NameFilter = (name: string) => boolean;

/** A list as properties files write it (ConfigDef.Type.LIST): `a, b.*`; blank is empty. */
export const splitList = (text: string): string[] =>
  text.trim() === '' ? [] : text.trim().split(/\s*,\s*/);

/** Why `patterns` are no list of names and regular expressions; undefined when they are fine. */
export function patternsProblem(patterns: readonly string[]): string | undefined {
  for (const pattern of patterns) {
    const problem = patternProblem(pattern);
    if (problem !== undefined) return `"${pattern}" ${problem}`;
  }
  return undefined;
}

function patternProblem(pattern: string): string | undefined {
  try {
    javaRegex(pattern);
    return undefined;
  } catch (error) {
    if (error instanceof JavaRegexError) return error.message;
    throw error;
  }
}

/** Throws a JavaRegexError that names the pattern; `patternsProblem` says so beforehand. */
export function nameFilter(include: readonly string[], exclude: readonly string[]): NameFilter {
  const problem = patternsProblem([...include, ...exclude]);
  if (problem !== undefined) throw new JavaRegexError(problem);
  const included = include.map(javaRegex);
  const excluded = exclude.map(javaRegex);
  return (name) =>
    included.some((pattern) => pattern.test(name)) &&
    !excluded.some((pattern) => pattern.test(name));
}

export interface TopicFilterOptions {
  include?: readonly string[];
  exclude?: readonly string[];
  /**
   * Clusters whose topics must not come back to where they are: a topic with such an alias among
   * its prefixes is left out (`central.orders`, `b.central.orders`).
   */
  cutLoopsOf?: readonly string[];
}

/**
 * Which of a site's topics are replicated. Whatever the lists say, never internal ones, nor
 * heartbeats (central writes each site's itself), nor what would go round in circles.
 */
export function topicFilter({
  include = mm2Defaults.topics,
  exclude = mm2Defaults.topicsExclude,
  cutLoopsOf = [],
}: TopicFilterOptions = {}): NameFilter {
  const wanted = nameFilter(include, exclude);
  return (topic) =>
    wanted(topic) &&
    !isMm2Internal(topic) &&
    !isInternalTopic(topic) &&
    !cutLoopsOf.some((alias) => cameFrom(alias, topic));
}

/** Which consumer groups' positions are replicated. */
export const groupFilter = (
  include: readonly string[] = mm2Defaults.groups,
  exclude: readonly string[] = mm2Defaults.groupsExclude,
): NameFilter => nameFilter(include, exclude);

/** Which settings of a topic follow its source. */
export const configFilter = (
  exclude: readonly string[] = mm2Defaults.configPropertiesExclude,
): NameFilter => nameFilter(['.*'], exclude);
