import { aliasProblem } from '#shared/wire/alias.ts';
import { isInternalTopic, splitRemoteTopic, topicProblem } from '#shared/wire/topic-name.ts';

/** A merged topic and the globs of the remote topics that feed it (`[[flow]]`). */
export interface Flow {
  into: string;
  from: readonly string[];
}

/** Which remote topics feed which merged topics. */
export interface Merge {
  readonly flows: readonly Flow[];
  /** The merged topics that `remoteTopic` feeds, in the order of the settings; empty when none. */
  targets(remoteTopic: string): readonly string[];
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
export function openMerge(flows: readonly Flow[]): Merge {
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
  const match = (remoteTopic: string): readonly string[] => {
    const parts = splitRemoteTopic(remoteTopic);
    // A topic of ours, or one that is merged already, would come around in circles.
    if (!parts || isInternalTopic(remoteTopic) || names.has(remoteTopic)) return [];
    return matchers.filter(({ takes }) => takes(parts)).map(({ into }) => into);
  };
  return {
    flows,
    targets(remoteTopic) {
      let targets = remembered.get(remoteTopic);
      if (!targets) {
        targets = match(remoteTopic);
        if (remembered.size >= rememberedMax) remembered.clear();
        remembered.set(remoteTopic, targets);
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
