import { aliasProblem } from '#shared/wire/alias.ts';
import { landedTopic, type Naming } from '#shared/wire/mm2-topics.ts';
import {
  isInternalTopic,
  remoteTopic,
  splitRemoteTopic,
  topicProblem,
} from '#shared/wire/topic-name.ts';

/** A merged topic and the globs of the remote topics that feed it (`[[flow]]`). */
export interface Flow {
  into: string;
  from: readonly string[];
}

/** Where a site's topic lands, and which merged topics it feeds. */
export interface Merge {
  readonly flows: readonly Flow[];
  /** The name at central of a site's topic. */
  landedTopic(alias: string, topic: string): string;
  /** Why a site's topic cannot land under that name; undefined when it can. */
  nameProblem(alias: string, topic: string): string | undefined;
  /**
   * The merged topics that `<alias>.<topic>` feeds, however that is named at central, in the order
   * of the settings; empty when none.
   */
  targets(origin: string): readonly string[];
  /** What this alias would feed if it had it: topics may hold `*`. */
  expectedOf(alias: string): readonly { into: string; topic: string }[];
  /** The flow whose name takes a name of this alias' remote topics away; undefined when none. */
  flowInTheWayOf(alias: string): Flow | undefined;
}

/** Remote topics remembered; a fleet with more forgets and matches again. */
const rememberedMax = 100_000;

/**
 * Why `flow` is none; undefined when it is fine. Globs are `<alias>.<topic>`: `*` stands for any
 * characters, in the alias for any but the dot, which ends it.
 */
export function flowProblem(flow: Flow): string | undefined {
  const problem = topicProblem(flow.into);
  if (problem) return `into = "${flow.into}" ${problem}`;
  if (isInternalTopic(flow.into)) return `into = "${flow.into}" is a name that we use ourselves`;
  if (flow.from.length === 0) return 'from = [] names nothing; for example ["*.sensor-data"]';
  for (const glob of flow.from) {
    const found = globProblem(glob);
    if (found) return `from = "${glob}" ${found}`;
  }
  return undefined;
}

function globProblem(glob: string): string | undefined {
  const parts = splitRemoteTopic(glob);
  if (!parts) return 'must be an alias, a dot and a topic, for example "*.sensor-data"';
  const alias = aliasProblem(parts.alias.replaceAll('*', 'a'));
  if (alias) return `has an alias that ${alias}`;
  const topic = topicProblem(parts.topic.replaceAll('*', 'a'));
  return topic && `has a topic that ${topic}`;
}

/** Throws a RangeError for a flow that is none, or two into the same topic. */
export function openMerge(flows: readonly Flow[], naming: Naming = 'default'): Merge {
  const names = new Set(flows.map(({ into }) => into));
  for (const flow of flows) {
    const problem = flowProblem(flow);
    if (problem) throw new RangeError(`flow: ${problem}`);
  }
  if (names.size < flows.length) {
    throw new RangeError(
      'flow: two flows have the same "into"; give one of them both "from" lists',
    );
  }
  const matchers = flows.map(({ into, from }) => ({ into, takes: globs(from) }));
  const remembered = new Map<string, readonly string[]>();
  const match = (origin: string): readonly string[] => {
    const parts = splitRemoteTopic(origin);
    // A topic of ours, or one that is merged already, would come around in circles.
    if (!parts || isInternalTopic(origin)) return [];
    if (names.has(landedTopic(parts.alias, parts.topic, naming))) return [];
    return matchers.filter(({ takes }) => takes(parts)).map(({ into }) => into);
  };
  return {
    flows,
    landedTopic: (alias, topic) => landedTopic(alias, topic, naming),
    nameProblem(alias, topic) {
      if (naming === 'default' || isInternalTopic(remoteTopic(alias, topic))) return undefined;
      const name = landedTopic(alias, topic, naming);
      return names.has(name) ? mergedAlready(name) : isKept(name) ? kept(name) : undefined;
    },
    targets(origin) {
      let targets = remembered.get(origin);
      if (!targets) {
        targets = match(origin);
        if (remembered.size >= rememberedMax) remembered.clear();
        remembered.set(origin, targets);
      }
      return targets;
    },
    expectedOf: (alias) =>
      flows.flatMap(({ into, from }) =>
        from
          .map((glob) => splitRemoteTopic(glob)!)
          .filter((glob) => expression(glob.alias, '[^.]*').test(alias))
          .map(({ topic }) => ({ into, topic })),
      ),
    flowInTheWayOf: (alias) => flows.find(({ into }) => splitRemoteTopic(into)?.alias === alias),
  };
}

/** With a prefix these are fine; without one they would be ours, or the brokers' own. */
const isKept = (name: string): boolean => isInternalTopic(name) || name.startsWith('__');

const kept = (name: string): string =>
  `topic "${name}" is no site's to write, and with landing.naming = "identity" topics keep their ` +
  'names; send it under another one';

const mergedAlready = (name: string): string =>
  `topic "${name}" is the merged topic of a flow, and with landing.naming = "identity" sites' ` +
  'topics keep their names; give the flow another "into"';

function globs(from: readonly string[]): (name: { alias: string; topic: string }) => boolean {
  const pairs = from.map((glob) => {
    const { alias, topic } = splitRemoteTopic(glob)!;
    return { alias: expression(alias, '[^.]*'), topic: expression(topic, '.*') };
  });
  return ({ alias, topic }) =>
    pairs.some((pair) => pair.alias.test(alias) && pair.topic.test(topic));
}

function expression(glob: string, any: string): RegExp {
  const parts = glob.split(/\*+/).map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join(any)}$`);
}
