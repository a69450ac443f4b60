import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { runCentral } from '#central/cli.ts';
import { loadCentralConfig } from '#central/config.ts';
import { readMm2Settings } from '#central/mirror/import-flows.ts';
import { StoredOffsets, startOffsetsFile } from '#central/mirror/import-offsets.ts';
import { planImport } from '#central/mirror/import-plan.ts';
import { loadEdgeConfig } from '#edge/config.ts';
import { mm2Defaults } from '#shared/wire/mm2-filter.ts';
import { capturedIo } from '../../shared/std/captured-io.ts';

const simple = `
clusters = factory-a, central
factory-a.bootstrap.servers = a-1:9092, a-2:9092
central.bootstrap.servers = c-1:9092
factory-a->central.enabled = true
sync.topic.configs.enabled = false
sync.topic.acls.enabled = false
`;

const planOf = (text: string, target?: string) => planImport(readMm2Settings(text), { target });
const fileOf = (text: string, name: string) =>
  planOf(text).files.find((file) => file.name === name)?.text;

test('the least of settings becomes a site and a central', () => {
  const plan = planOf(simple);
  expect([plan.target, plan.sites, plan.remarks]).toEqual(['central', ['factory-a'], []]);
  expect(plan.files).toEqual([
    {
      name: 'central.toml',
      secret: false,
      text: `# Of central: its /etc/tributary/central.toml.
alias = "central"

[link]
listen = "0.0.0.0:8443"

[landing]
type = "kafka"
brokers = ["c-1:9092"]
replication_factor = 2
sync_topic_configs = false
`,
    },
    {
      name: 'factory-a.edge.toml',
      secret: false,
      text: `# Of the site "factory-a": its /etc/tributary/edge.toml.
alias = "factory-a"

[central]
url = "https://CENTRAL:8443"

[[source]]
type = "kafka"
brokers = ["a-1:9092", "a-2:9092"]
cut_loops_of = ["central"]
start_offsets_file = "/etc/tributary/factory-a.start-offsets.ndjson"
`,
    },
  ]);
});

test("what is written for a flow wins over what is written for all, as in MirrorMaker 2's own", () => {
  const text = `${simple}
topics = sensor-.*
groups.exclude =
factory-a->central.topics = sensor-.*, orders
factory-a->central.topics.exclude = .*\\\\.tmp
`;
  expect(fileOf(text, 'factory-a.edge.toml')).toContain(
    'topics = ["sensor-.*", "orders"]\ntopics_exclude = [".*\\\\.tmp"]\ngroups_exclude = []\n',
  );
});

test('settings of central are those of its flows', () => {
  const text = `${simple}
replication.factor = 3
sync.group.offsets.enabled = true
emit.heartbeats.enabled = false
`;
  expect(fileOf(text, 'central.toml')).toContain(
    'replication_factor = 3\nheartbeats = false\nsync_group_offsets = true\n',
  );
});

test('central takes what is written for it', () => {
  const more = 'sync.group.offsets.enabled = true\nconfig.properties.exclude = a.*, b\n';
  const text = `${simple}replication.factor = 3\n${more}`;
  const folder = mkdtempSync(join(tmpdir(), 'import-mm2-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'central.toml');
  writeFileSync(file, fileOf(text, 'central.toml')!);
  const { landing } = loadCentralConfig({ file, env: { STATE_DIRECTORY: folder } });
  expect(landing).toMatchObject({
    ...{ type: 'kafka', replicationFactor: 3, syncGroupOffsets: true, syncTopicAcls: false },
    ...{ syncTopicConfigs: false, configPropertiesExclude: ['a.*', 'b'] },
  });
});

test('topics that kept their names keep them', () => {
  const policy = 'org.apache.kafka.connect.mirror.IdentityReplicationPolicy';
  const text = `${simple}replication.policy.class = ${policy}\n`;
  expect(fileOf(text, 'central.toml')).toContain('naming = "identity"\n');
  expect(planOf(text).remarks).toEqual([]);
});

describe('settings of topics, and who may read them', () => {
  const written = (lines: string) => {
    const plan = planOf(`${simple.replaceAll(/sync\.topic.*\n/g, '')}${lines}`);
    const text = (name: string) => plan.files.find((file) => file.name === name)!.text;
    const central = text('central.toml').match(/^(sync_topic|config_prop).*$/gm) ?? [];
    return { central, acls: /^acls.*$/m.exec(text('factory-a.edge.toml'))?.[0], ...plan };
  };

  test('follow as they did, in what central makes; bindings on request: both is said', () => {
    const { central, acls, remarks } = written('');
    expect([central, acls]).toEqual([[], undefined]);
    expect(remarks).toEqual([
      expect.stringContaining('those that MirrorMaker 2 made keep what they have'),
      expect.stringContaining('ACLs of topics follow on request'),
    ]);
  });

  test('are taken as they are written', () => {
    const on = 'sync.topic.acls.enabled = true\nconfig.properties.exclude = a.*, b\n';
    expect(written(on)).toMatchObject({
      central: ['config_properties_exclude = ["a.*", "b"]', 'sync_topic_acls = true'],
      acls: 'acls = true',
    });
    const off = 'sync.topic.acls.enabled = false\nsync.topic.configs.enabled = false\n';
    expect(written(off)).toMatchObject({
      ...{ central: ['sync_topic_configs = false'], acls: undefined, remarks: [] },
    });
    expect(written('config.properties.blacklist = c\n').central).toEqual([
      'config_properties_exclude = ["c"]',
    ]);
  });

  test('that cannot be read are to be settled by hand', () => {
    const { remarks } = written(
      'sync.topic.configs.enabled = false\nconfig.properties.exclude = *x\n',
    );
    expect(remarks).toContainEqual(expect.stringContaining('config.properties.exclude "*x"'));
  });
});

describe('logins', () => {
  const secured = `${simple}
security.protocol = SASL_SSL
factory-a.sasl.mechanism = SCRAM-SHA-512
factory-a.sasl.jaas.config = org.apache.kafka.common.security.scram.ScramLoginModule required \\
  username="mm" password="s\\\\"cret";
central.security.protocol = SSL
central.ssl.truststore.type = PEM
central.ssl.truststore.location = /etc/ca.pem
factory-a.ssl.truststore.location = /etc/ca.jks
`;

  test('are carried over, a password into a file of its own', () => {
    const { files, remarks } = planOf(secured);
    const text = Object.fromEntries(files.map((file) => [file.name, file.text]));
    expect(text['factory-a.edge.toml']).toContain(
      'tls = { enabled = true }\nsasl = { mechanism = "scram-sha-512", username = "mm", ' +
        'password_file = "/etc/tributary/factory-a-kafka.password" }\n',
    );
    expect(text['factory-a-kafka.password']).toBe('s"cret\n');
    expect(text['central.toml']).toContain('tls = { enabled = true, ca_file = "/etc/ca.pem" }\n');
    expect(files.filter(({ secret }) => secret).map(({ name }) => name)).toEqual([
      'factory-a-kafka.password',
    ]);
    expect(remarks).toEqual([expect.stringContaining('ssl.truststore.location is a JKS file')]);
  });

  test('no password is told', () => {
    expect(JSON.stringify(planOf(secured).report)).not.toContain('cret');
  });

  test('what a config provider held is to be filled in', () => {
    const { remarks } = planOf(secured.replace(/password="[^;]*;/, `password="${'$'}{file:x:y}";`));
    expect(remarks[1]).toContain('came from a config provider');
  });
});

test('every setting has a line of the report, with what becomes of it', () => {
  const text = `${simple}
tasks.max = 4
topic.filter.class = com.example.Filter
factory-a.consumer.fetch.max.bytes = 1
emit.checkpoints.interval.seconds = 5
central->factory-a.enabled = false
something.else = 1
`;
  const fates = planOf(text).report.map(({ key, fate }) => [key, fate]);
  expect(fates).toEqual([
    ['clusters', 'taken'],
    ['sync.topic.configs.enabled', 'taken'],
    ['sync.topic.acls.enabled', 'taken'],
    ['tasks.max', 'otherwise'],
    ['topic.filter.class', 'none'],
    ['emit.checkpoints.interval.seconds', 'otherwise'],
    ['something.else', 'none'],
    ['factory-a.bootstrap.servers', 'taken'],
    ['factory-a.consumer.fetch.max.bytes', 'none'],
    ['central.bootstrap.servers', 'taken'],
    ['factory-a->central.enabled', 'taken'],
    ['central->factory-a.enabled', 'none'],
  ]);
});

test.each([
  ['no clusters', 'a = b', undefined, 'has no "clusters'],
  ['no enabled flow', simple.replace('true', 'false'), undefined, 'no flow is enabled'],
  [
    'two targets',
    `${simple.replace('central\n', 'central, other\n')}factory-a->other.enabled=true`,
    undefined,
    'name the one that becomes central with --target',
  ],
  ['a target without a flow', simple, 'factory-a', 'no flow into "factory-a"'],
  [
    'a flow of a cluster that is none',
    `${simple}x->central.enabled=true`,
    undefined,
    '"clusters" lacks',
  ],
  [
    'an alias that we cannot take',
    simple.replaceAll('factory-a', 'factory.a'),
    undefined,
    'contain "."',
  ],
])('%s is an error that says what to do', (_, text, target, message) => {
  expect(() => planOf(text, target)).toThrow(message);
});

test.each([
  ['topics = *.data', 'any characters are ".*"'],
  ['replication.policy.separator = _', 'separator "_"'],
  ['replication.policy.class = com.example.Policy', 'cannot run here'],
])('"%s" is to be settled by hand', (line, remark) => {
  expect(planOf(`${simple}${line}`).remarks).toEqual([expect.stringContaining(remark)]);
});

describe('stored positions', () => {
  const key = (more: object, connector = 'MirrorSourceConnector') =>
    Buffer.from(JSON.stringify([connector, more]));
  const of = (offset: number) => Buffer.from(JSON.stringify({ offset }));
  const place = { cluster: 'factory-a', partition: 0, topic: 'sensor-data' };
  const starts = (...records: [Buffer | null, Buffer | null][]) => {
    const stored = new StoredOffsets('factory-a');
    for (const [recordKey, value] of records) stored.take({ key: recordKey, value });
    return stored.starts().map(({ topic, partition, next }) => `${topic}-${partition}@${next}`);
  };

  test('the first record is the one behind the last that was replicated', () => {
    expect(starts([key(place), of(41)])).toEqual(['sensor-data-0@42']);
    expect(starts([key(place), of(0)])).toEqual(['sensor-data-0@1']);
  });
  test('the newest entry counts, and a tombstone takes it away', () => {
    expect(starts([key(place), of(41)], [key(place), of(50)])).toEqual(['sensor-data-0@51']);
    expect(starts([key(place), of(41)], [key(place), null])).toEqual([]);
    expect(starts([key(place), of(41)], [key(place), of(-1)])).toEqual([]);
  });
  test('of two connectors for a partition, the one behind: nothing is left out', () => {
    expect(starts([key(place), of(41)], [key(place, 'other'), of(7)])).toEqual(['sensor-data-0@8']);
  });
  test("checkpoints', heartbeats' and other sites' entries, and garbage, are passed over", () => {
    expect(
      starts(
        [key({ topic: 't', partition: 0, group: 'g' }), of(0)],
        [key({ sourceClusterAlias: 'factory-a', targetClusterAlias: 'central' }), of(0)],
        [key({ ...place, cluster: 'factory-b' }), of(9)],
        [Buffer.from('[1'), of(9)],
        [null, null],
        [key({ ...place, topic: 'b', partition: 10 }), of(1)],
        [key({ ...place, topic: 'b', partition: 9 }), of(2)],
      ),
    ).toEqual(['b-9@3', 'b-10@2']);
  });
  test('are written one a line', () => {
    expect(startOffsetsFile([{ topic: 't', partition: 1, next: 42 }])).toBe(
      '{"topic":"t","partition":1,"next":42}\n',
    );
  });
});

describe('the command', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'import-mm2-'));
    writeFileSync(join(folder, 'mm2.properties'), simple);
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const run = async (...argv: string[]) => {
    const io = capturedIo();
    const file = join(folder, 'mm2.properties');
    const code = await runCentral(['import-mm2', file, ...argv], io);
    return { code, output: io.output(), errors: io.errors() };
  };
  const out = () => join(folder, 'out');

  test('writes the files, and does not replace them unasked', async () => {
    const argv = ['--without-offsets', '--out', out()];
    expect(await run(...argv)).toMatchObject({ code: 0, errors: '' });
    expect(readdirSync(out()).sort()).toEqual(['central.toml', 'factory-a.edge.toml']);
    expect(await run(...argv)).toMatchObject({
      code: 1,
      errors: expect.stringContaining('--force'),
    });
    expect(await run(...argv, '--force')).toMatchObject({ code: 0 });
  });

  test("what is written for a site is what an edge reads, password and positions' file too", () => {
    const text = `${simple}security.protocol = SASL_SSL
factory-a.sasl.mechanism = SCRAM-SHA-512
factory-a.sasl.jaas.config = x required username="mm" password="secret";
topics = orders, sensor-.*
groups.exclude = tmp-.*
factory-a->central.source.consumer.auto.offset.reset = latest
`;
    const starts = startOffsetsFile([{ topic: 'orders', partition: 1, next: 42 }]);
    const files = [...planOf(text).files, { name: 'factory-a.start-offsets.ndjson', text: starts }];
    for (const file of files) {
      const moved = file.text.replaceAll('/etc/tributary', folder);
      writeFileSync(join(folder, file.name), moved);
    }
    const config = loadEdgeConfig({ file: join(folder, 'factory-a.edge.toml'), env: {} });
    expect(config.sources).toEqual([
      {
        ...{ type: 'kafka', name: 'kafka', topics: ['orders', 'sensor-.*'], groups: ['.*'] },
        connection: {
          brokers: ['a-1:9092', 'a-2:9092'],
          tls: { enabled: true },
          sasl: {
            ...{ mechanism: 'scram-sha-512', username: 'mm' },
            password_file: join(folder, 'factory-a-kafka.password'),
          },
        },
        ...{ topicsExclude: mm2Defaults.topicsExclude, groupsExclude: ['tmp-.*'], acls: false },
        ...{ cutLoopsOf: ['central'], isolation: 'read_committed', onRecreate: 'append' },
        ...{ start: 'latest', startOffsets: [{ topic: 'orders', partition: 1, next: 42 }] },
        refreshMs: 5_000,
      },
    ]);
  });

  test('without positions no file of them is named', async () => {
    await run('--without-offsets', '--out', out());
    const config = loadEdgeConfig({ file: join(out(), 'factory-a.edge.toml'), env: {} });
    expect(config.sources).toMatchObject([{ startOffsets: [], start: 'earliest' }]);
  });

  test('a file with a secret is for its owner alone', async () => {
    const login = 'central.security.protocol=SASL_SSL\ncentral.sasl.mechanism=PLAIN\n';
    const jaas = 'central.sasl.jaas.config=x required username="u" password="p";\n';
    writeFileSync(join(folder, 'mm2.properties'), simple + login + jaas);
    await run('--without-offsets', '--out', out());
    const file = join(out(), 'central-kafka.password');
    expect([readFileSync(file, 'utf8'), statSync(file).mode & 0o777]).toEqual(['p\n', 0o600]);
  });

  test('a dry run says what it would do, and does nothing', async () => {
    const { code, output } = await run('--without-offsets', '--out', out(), '--dry-run');
    expect(code).toBe(0);
    expect(output).toContain('"central" becomes central, factory-a its sites');
    expect(output).toContain('nothing was written');
    expect(readdirSync(folder)).toEqual(['mm2.properties']);
  });

  test('a file that is not there, or is another, is told in a sentence', async () => {
    writeFileSync(join(folder, 'mm2.properties'), 'a=\\u12');
    expect(await run()).toMatchObject({
      code: 1,
      errors: expect.stringContaining('line 1: "\\u"'),
    });
    rmSync(join(folder, 'mm2.properties'));
    expect(await run()).toMatchObject({
      code: 1,
      errors: expect.stringContaining('cannot be read'),
    });
  });
});
