import { aliasProblem } from '#shared/wire/alias.ts';
import { patternsProblem, splitList } from '#shared/wire/mm2-filter.ts';
import type { Naming } from '#shared/wire/mm2-topics.ts';
import { connectionOf, type ImportedConnection } from './import-connection.ts';
import { ImportError, type Mm2Flow, type Mm2Settings } from './import-flows.ts';
import { type Fate, fateOf } from './import-keys.ts';
import { type TomlTable, tomlFile } from './import-toml.ts';

/** What the import would write and what it says about it. */
export interface ImportPlan {
  /** Alias of the cluster that becomes central. */
  target: string;
  sites: string[];
  files: ImportedFile[];
  report: ReportLine[];
  /** To be done by hand before anything is started. */
  remarks: string[];
}

export interface ImportedFile {
  name: string;
  text: string;
  /** It holds a secret. */
  secret: boolean;
}

export interface ReportLine {
  /** As the properties file has it, prefix included. */
  key: string;
  value: string;
  fate: Fate;
  note: string;
}

const policies = 'org.apache.kafka.connect.mirror.';
const defaultPolicy = `${policies}DefaultReplicationPolicy`;
const identityPolicy = `${policies}IdentityReplicationPolicy`;

/** Where the packages' programs look for settings. */
const folder = '/etc/tributary';

/** File of start positions of a site, beside its settings. */
export const startOffsetsName = (site: string): string => `${site}.start-offsets.ndjson`;

export interface ImportOptions {
  /** Default: the cluster that all enabled flows go to. */
  target?: string | undefined;
  /** Sites get a file of start positions. Default: they do. */
  withOffsets?: boolean;
}

/** Throws an ImportError. */
export function planImport(settings: Mm2Settings, options: ImportOptions = {}): ImportPlan {
  const { target, withOffsets = true } = options;
  const enabled = settings.flows.filter((flow) => flow.enabled);
  const chosen = target ?? onlyTarget(enabled);
  const flows = enabled.filter((flow) => flow.target === chosen);
  if (flows.length === 0) {
    throw new ImportError(
      `no flow into "${chosen}" is enabled ("<site>->${chosen}.enabled = true")`,
    );
  }
  const remarks: string[] = [];
  for (const alias of [chosen, ...flows.map(({ source }) => source)]) {
    const problem = aliasProblem(alias);
    if (problem !== undefined) throw new ImportError(`alias "${alias}" ${problem}`);
  }
  const files = [
    ...centralFiles(settings, chosen, flows, remarks),
    ...flows.flatMap((flow) => siteFiles(settings, flow, { remarks, withOffsets })),
  ];
  const sites = flows.map(({ source }) => source);
  return { target: chosen, sites, files, report: reportOf(settings, chosen), remarks };
}

function onlyTarget(flows: readonly Mm2Flow[]): string {
  const targets = [...new Set(flows.map((flow) => flow.target))];
  if (targets.length === 1) return targets[0]!;
  if (targets.length === 0)
    throw new ImportError('no flow is enabled: there is nothing to take over');
  throw new ImportError(
    `flows go into ${targets.join(', ')}: name the one that becomes central with --target`,
  );
}

function siteFiles(
  settings: Mm2Settings,
  flow: Mm2Flow,
  { remarks, withOffsets }: { remarks: string[]; withOffsets: boolean },
): ImportedFile[] {
  const { source: site, target } = flow;
  const passwordFile = `${folder}/${site}-kafka.password`;
  const connection = connectionOf(settings.clusters.get(site)!, passwordFile);
  remarks.push(...connection.remarks);
  const list = (...keys: string[]): string[] | undefined => {
    const text = keys.map((key) => flow.settings.get(key)).find((value) => value !== undefined);
    if (text === undefined) return undefined;
    const patterns = splitList(text);
    const problem = patternsProblem(patterns);
    if (problem !== undefined) remarks.push(`${site}: ${keys[0]} ${problem}`);
    return patterns;
  };
  const kafka: TomlTable = {
    type: 'kafka',
    brokers: connection.brokers,
    topics: list('topics'),
    topics_exclude: list('topics.exclude', 'topics.blacklist'),
    groups: list('groups'),
    groups_exclude: list('groups.exclude', 'groups.blacklist'),
    acls: flow.settings.get(aclsKey) === 'true' ? true : undefined,
    cut_loops_of: [target],
    start: flow.settings.get('source.consumer.auto.offset.reset'),
    start_offsets_file: withOffsets ? `${folder}/${startOffsetsName(site)}` : undefined,
    ...connectionTables(connection),
  };
  const text = tomlFile(`Of the site "${site}": its ${folder}/edge.toml.`, [
    ['', { alias: site }],
    ['[central]', { url: 'https://CENTRAL:8443' }],
    ['[[source]]', kafka],
  ]);
  return [
    { name: `${site}.edge.toml`, text, secret: false },
    ...passwordFiles(`${site}-kafka.password`, connection),
  ];
}

function centralFiles(
  settings: Mm2Settings,
  target: string,
  flows: readonly Mm2Flow[],
  remarks: string[],
): ImportedFile[] {
  const connection = connectionOf(
    settings.clusters.get(target)!,
    `${folder}/${target}-kafka.password`,
  );
  remarks.push(...connection.remarks);
  const same = (key: string): string | undefined => {
    const values = new Set(flows.map((flow) => flow.settings.get(key)));
    if (values.size > 1) remarks.push(`${key} differs between the flows; central has one for all`);
    return [...values].find((value) => value !== undefined);
  };
  const follows = same('sync.topic.configs.enabled') !== 'false';
  if (follows) remarks.push(topicsOfBefore);
  if (same(aclsKey) === undefined) remarks.push(aclsOnRequest);
  const excludeKey = ['config.properties.exclude', 'config.properties.blacklist'].find(same);
  const exclude = excludeKey === undefined ? undefined : splitList(same(excludeKey)!);
  const problem = patternsProblem(exclude ?? []);
  if (problem !== undefined) remarks.push(`${excludeKey} ${problem}`);
  const landing: TomlTable = {
    type: 'kafka',
    brokers: connection.brokers,
    naming: namingOf(same, remarks),
    replication_factor: Number(same('replication.factor') ?? '2'),
    heartbeats: same('emit.heartbeats.enabled') === 'false' ? false : undefined,
    sync_group_offsets: same('sync.group.offsets.enabled') === 'true' ? true : undefined,
    sync_topic_configs: follows ? undefined : false,
    config_properties_exclude: exclude,
    sync_topic_acls: same(aclsKey) === 'true' ? true : undefined,
    ...connectionTables(connection),
  };
  const text = tomlFile(`Of central: its ${folder}/central.toml.`, [
    ['', { alias: target }],
    ['[link]', { listen: '0.0.0.0:8443' }],
    ['[landing]', landing],
  ]);
  return [
    { name: 'central.toml', text, secret: false },
    ...passwordFiles(`${target}-kafka.password`, connection),
  ];
}

const aclsKey = 'sync.topic.acls.enabled';

/** MirrorMaker 2 does both unless told otherwise. */
const aclsOnRequest =
  'ACLs of topics follow on request: with clusters that have an authorizer, "acls = true" in the ' +
  'source and "sync_topic_acls = true" under [landing]';

const topicsOfBefore =
  "settings follow the site's in topics that central makes; those that MirrorMaker 2 made keep what " +
  'they have: "tributary-central audit" shows where they differ';

/** undefined: the default. */
function namingOf(
  same: (key: string) => string | undefined,
  remarks: string[],
): Naming | undefined {
  const separator = same('replication.policy.separator');
  if (separator !== undefined && separator !== '.') {
    remarks.push(`topics were named with the separator "${separator}"; here they are with "."`);
  }
  const asked = same('replication.policy.class');
  if (asked === identityPolicy) return 'identity';
  if (asked !== undefined && asked !== defaultPolicy) {
    remarks.push(
      `replication.policy.class ${asked} cannot run here: topics are named <alias>.<topic>`,
    );
  }
  return undefined;
}

const connectionTables = ({ tls, sasl }: ImportedConnection): TomlTable => ({
  tls: Object.keys(tls).length > 0 ? tls : undefined,
  sasl: Object.keys(sasl).length > 0 ? sasl : undefined,
});

const passwordFiles = (name: string, { password }: ImportedConnection): ImportedFile[] =>
  password === undefined ? [] : [{ name, text: `${password}\n`, secret: true }];

/** Every setting of the file once. */
function reportOf({ clusters, flows, common }: Mm2Settings, target: string): ReportLine[] {
  const line = (prefix: string, key: string, value: string): ReportLine => {
    const shown = /password|jaas|secret/.test(key) ? '…' : value;
    return { key: prefix + key, value: shown, ...fateOf(key) };
  };
  const lines = [...common].map(([key, value]) => line('', key, value));
  for (const { alias, client } of clusters.values()) {
    for (const [key, value] of client) {
      if (common.get(key) !== value) lines.push(line(`${alias}.`, key, value));
    }
  }
  for (const flow of flows) {
    const prefix = `${flow.source}->${flow.target}.`;
    for (const key of flow.own) {
      const found = line(prefix, key, flow.settings.get(key)!);
      lines.push(
        flow.target === target ? found : { ...found, fate: 'none', note: elsewhere(target) },
      );
    }
  }
  return lines;
}

const elsewhere = (target: string): string => `records are carried from sites to "${target}" only`;
