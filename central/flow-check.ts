import { aliasProblem } from '#shared/wire/alias.ts';
import { isInternalTopic, splitRemoteTopic, topicProblem } from '#shared/wire/topic-name.ts';
import { openMerge } from './merge/merge.ts';

/** A flow as its settings have it; undefined where a setting was wrong and is told already. */
export interface WrittenFlow {
  into?: string | undefined;
  from?: string[] | undefined;
  external?: boolean | undefined;
  start?: 'latest' | 'earliest' | undefined;
}

export interface Told {
  problem(key: string, message: string): void;
  warning(key: string, message: string): void;
}

/** What must hold between flows: every merged topic has one flow, and none feeds another. */
export function checkFlows(flows: readonly WrittenFlow[], expect: string[], told: Told): void {
  const firstWith = new Map<string, number>();
  for (const [index, { into, from, external }] of flows.entries()) {
    for (const pattern of from ?? []) {
      const problem = external ? externalProblem(pattern) : inputProblem(pattern);
      if (problem !== undefined) told.problem(`flow[${index}].from`, `"${pattern}" ${problem}`);
    }
    if (from?.length === 0) told.problem(`flow[${index}].from`, 'names nothing that feeds it');
    if (into === undefined) continue;
    const key = `flow[${index}].into`;
    const problem = targetProblem(into);
    if (problem !== undefined) told.problem(key, problem);
    const earlier = firstWith.get(into);
    if (earlier !== undefined) {
      told.problem(key, `is the target of flow[${earlier}] too; put all inputs into one flow`);
    } else {
      firstWith.set(into, index);
    }
    checkPrefix(into, key, flows, expect, told);
  }
}

/** A merged topic that looks like a site's own could be fed by a flow, or written by that site. */
function checkPrefix(
  into: string,
  key: string,
  flows: readonly WrittenFlow[],
  expect: string[],
  told: Told,
): void {
  const split = splitRemoteTopic(into);
  if (split === undefined || aliasProblem(split.alias) !== undefined) return;
  const feeds = flows.findIndex(({ from }) => from && isInputOf(from, into));
  const siteNamed = [
    ...expect,
    ...flows.flatMap(({ from }) => from?.map((one) => one.split('.')[0]!) ?? []),
  ].includes(split.alias);
  if (feeds >= 0) {
    told.problem(key, `is itself an input of flow[${feeds}]: records would go round in a circle`);
  } else if (siteNamed) {
    told.problem(key, `begins with the site "${split.alias}", which writes topics of that name`);
  } else {
    told.warning(
      key,
      `looks like a topic of a site "${split.alias}": never give a site this alias, or choose a ` +
        `name without a dot`,
    );
  }
}

/** Patterns that are none match nothing here; they are told apart. */
function isInputOf(patterns: readonly string[], remoteTopic: string): boolean {
  const from = patterns.filter((one) => inputProblem(one) === undefined);
  return from.length > 0 && openMerge([{ into: 'any', from }]).targets(remoteTopic).length > 0;
}

function targetProblem(into: string): string | undefined {
  const problem = topicProblem(into);
  if (problem !== undefined) return problem;
  if (isInternalTopic(into)) return 'is a topic of our own; choose another name';
  return undefined;
}

/** A whole topic name of anybody, but for our own topics. */
function externalProblem(pattern: string): string | undefined {
  const problem = topicProblem(pattern.replaceAll(/\*/g, 'x'));
  if (problem !== undefined) return problem;
  return isInternalTopic(pattern) ? 'is a topic of our own, which no flow may read' : undefined;
}

function inputProblem(pattern: string): string | undefined {
  const dot = pattern.indexOf('.');
  if (dot <= 0 || dot === pattern.length - 1) {
    return 'must be written <alias>.<topic>, for example "*.sensor-data"';
  }
  const alias = pattern.slice(0, dot);
  const topic = pattern.slice(dot + 1);
  // The wildcard stands for characters that the name may hold: put one there and check the name.
  const problem = aliasProblem(alias.replaceAll(/\*/g, 'x'));
  if (problem !== undefined) return `has the alias "${alias}", which ${problem}`;
  const topicWrong = topicProblem(topic.replaceAll(/\*/g, 'x'));
  if (topicWrong !== undefined) return `has the topic "${topic}", which ${topicWrong}`;
  if (isInternalTopic(topic) || isInternalTopic(pattern)) {
    return 'is a topic of our own, which no flow may read';
  }
  return undefined;
}
