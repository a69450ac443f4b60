import { globMatcher } from '#shared/std/glob.ts';
import { splitRemoteTopic } from '#shared/wire/topic-name.ts';
import type { Told, WrittenFlow } from './flow-check.ts';

/**
 * What must hold of flows where sites' topics keep their names (landing.naming = "identity"): what
 * lands under a flow's name would be in there twice, or be taken for what the flow has merged.
 */
export function checkKeptNames(flows: readonly WrittenFlow[], told: Told): void {
  const inputs = flows.flatMap(({ from, external }) => (external ? [] : (from ?? [])));
  const topics = inputs.flatMap((pattern) => splitRemoteTopic(pattern)?.topic ?? []);
  for (const [index, { into, external, start }] of flows.entries()) {
    if (!external && start === 'earliest') {
      told.problem(
        `flow[${index}].start`,
        'cannot be "earliest" with landing.naming = "identity": what landed before the flow is in ' +
          'topics of several sites at once; use "latest"',
      );
    }
    if (into === undefined) continue;
    const key = `flow[${index}].into`;
    if (topics.includes(into)) {
      told.problem(
        key,
        `is where the sites' topic "${into}" lands already, of all sites in one: with ` +
          'landing.naming = "identity" leave that flow away, or choose another name',
      );
    } else if (topics.some((topic) => globMatcher([topic])(into))) {
      told.warning(
        key,
        `is not to be a topic of a site, too: with landing.naming = "identity" a site's "${into}" ` +
          'would be held back',
      );
    }
  }
}
