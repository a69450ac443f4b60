import { parseProperties } from './java-properties.ts';

/**
 * MirrorMaker 2's settings file taken apart (MirrorMakerConfig): clusters with what reaches them, and
 * flows with what applies to each.
 */
export interface Mm2Settings {
  clusters: Map<string, Mm2Cluster>;
  flows: Mm2Flow[];
  /** Keys that belong to no cluster and no flow, with their values. */
  common: Map<string, string>;
}

export interface Mm2Cluster {
  alias: string;
  /** Client settings, without the prefix; those of all clusters included. */
  client: Map<string, string>;
}

export interface Mm2Flow {
  source: string;
  target: string;
  enabled: boolean;
  /** Connector settings, without the prefix; those of all flows included. */
  settings: Map<string, string>;
  /** Written for this flow, not for all. */
  own: ReadonlySet<string>;
}

export class ImportError extends Error {
  override name = 'ImportError';
}

/** Client settings that stand for every cluster when they have no prefix. */
const sharedClientKeys = /^(security\.protocol|ssl\..+|sasl\..+)$/;

/** Throws an ImportError or a PropertiesError that says what is wrong with the file. */
export function readMm2Settings(text: string): Mm2Settings {
  const all = new Map(parseProperties(text).map(({ key, value }) => [key, value.trim()]));
  const aliases = (all.get('clusters') ?? '').split(/\s*,\s*/).filter((alias) => alias !== '');
  if (aliases.length === 0) {
    throw new ImportError(
      'the file has no "clusters = …": is it the one MirrorMaker 2 is run with?',
    );
  }
  const flows = flowsOf(all, aliases);
  const common = new Map([...all].filter(([key]) => !isPrefixed(key, aliases)));
  const shared = [...common].filter(([key]) => sharedClientKeys.test(key));
  const clusters = new Map(
    aliases.map((alias) => {
      return [alias, { alias, client: new Map([...shared, ...stripped(all, `${alias}.`)]) }];
    }),
  );
  return { clusters, flows: flows.map((flow) => resolved(flow, common, all)), common };
}

const isPrefixed = (key: string, aliases: readonly string[]): boolean =>
  aliases.some((alias) => key.startsWith(`${alias}.`) || key.startsWith(`${alias}->`));

function flowsOf(
  all: ReadonlyMap<string, string>,
  aliases: readonly string[],
): { source: string; target: string }[] {
  const named = aliases.flatMap((source) =>
    aliases.filter((target) => target !== source).map((target) => ({ source, target })),
  );
  for (const key of all.keys()) {
    const [, pair] = /^([^=]*?->[^.]*)\./.exec(key) ?? [];
    if (pair && !named.some(({ source, target }) => pair === `${source}->${target}`)) {
      throw new ImportError(`"${key}" is about a flow between clusters that "clusters" lacks`);
    }
  }
  const written = [...all.keys()];
  return named.filter(({ source, target }) =>
    written.some((key) => key.startsWith(`${source}->${target}.`)),
  );
}

function resolved(
  { source, target }: { source: string; target: string },
  common: ReadonlyMap<string, string>,
  all: ReadonlyMap<string, string>,
): Mm2Flow {
  const own = stripped(all, `${source}->${target}.`);
  const settings = new Map([...common, ...own]);
  return {
    ...{ source, target, settings, own: new Set(own.keys()) },
    enabled: settings.get('enabled') === 'true',
  };
}

const stripped = (all: ReadonlyMap<string, string>, prefix: string): Map<string, string> =>
  new Map(
    [...all]
      .filter(([key]) => key.startsWith(prefix))
      .map(([key, value]) => [key.slice(prefix.length), value]),
  );
