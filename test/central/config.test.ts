import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { centralSettings, loadCentralConfig } from '#central/config.ts';
import { openMerge } from '#central/merge/merge.ts';
import { explainSettings, printDefaults } from '#shared/std/settings-explain.ts';
import { formatProblem, SettingsError } from '#shared/std/settings-problem.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'central-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function load(toml: string, overrides: string[] = [], env = {}) {
  const file = join(folder, 'central.toml');
  writeFileSync(file, toml);
  return loadCentralConfig({ file, overrides, env });
}

function problems(...input: Parameters<typeof load>): string[] {
  try {
    load(...input);
    return [];
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.problems.map((one) => formatProblem(one).replace(`${folder}/`, ''));
  }
}

test('an empty file is a whole central', () => {
  expect(load('')).toEqual({
    alias: 'central',
    link: { listen: '127.0.0.1:8443', name: null, tls: { mode: 'off' } },
    enrol: {
      authorityPath: '/var/lib/tributary-central/authority.pem',
      lifeMs: 30 * 86_400_000,
      graceMs: 180 * 86_400_000,
    },
    intake: { heartbeatIntervalMs: 5_000 },
    status: { listen: '127.0.0.1:8080', remote: null },
    landing: {
      naming: 'default',
      type: 'embedded',
      path: '/var/lib/tributary-central/central.db',
      retentionMs: 7 * 86_400_000,
      maxBytes: 50 * 2 ** 30,
    },
    flows: [],
    fleet: { expect: [], offlineAfterMs: 15_000, stalledAfterMs: 30_000 },
    log: { level: 'info' },
    underJournal: false,
    files: [join(folder, 'central.toml')],
    warnings: [],
  });
});

test('without any file the defaults hold, under the state directory of systemd', () => {
  const config = loadCentralConfig({ env: { STATE_DIRECTORY: '/s/central:/s/other' } });
  expect(config.landing).toMatchObject({ path: '/s/central/central.db' });
  const named = join(folder, 'named.toml');
  writeFileSync(named, 'alias = "hq"');
  expect(loadCentralConfig({ env: { TRIBUTARY_CENTRAL_CONFIG: named } }).alias).toBe('hq');
});

test('what is written is what is read', () => {
  const config = load(
    `alias = "hq"
[link]
heartbeat_interval = "1s"
[landing]
type = "embedded"
path = "/tmp/x.db"
retention = "forever"
max_bytes = "1GiB"
[[flow]]
into = "sensor-data"
from = ["*.sensor-data", "store-*.temps"]
[[flow]]
into = "all"
from = "factory-a.*"
[fleet]
expect = ["factory-a", "factory-b", "factory-a"]
offline_after = "2s"`,
    ['status.listen=[::1]:0'],
    { JOURNAL_STREAM: '8:1' },
  );
  expect(config).toMatchObject({
    alias: 'hq',
    intake: { heartbeatIntervalMs: 1_000 },
    status: { listen: '[::1]:0', remote: null },
    landing: { path: '/tmp/x.db', retentionMs: Number.POSITIVE_INFINITY, maxBytes: 2 ** 30 },
    flows: [
      { into: 'sensor-data', from: ['*.sensor-data', 'store-*.temps'], start: 'latest' },
      { into: 'all', from: ['factory-a.*'], external: false },
    ],
    fleet: { expect: ['factory-a', 'factory-b'], offlineAfterMs: 2_000 },
    underJournal: true,
  });
});

test('nothing listens beyond loopback without proof of who is there', () => {
  expect(
    problems(
      'link = { listen = "0.0.0.0:8443", tls = "off" }\nstatus.listen = "central.example:80"',
    ),
  ).toEqual([
    expect.stringMatching(/^central\.toml:1: link\.tls = "off": .*any site; use "auto"/),
    expect.stringMatching(/^central\.toml:2: status\.listen = .*no sign-in/),
  ]);
});

test('a landing in Kafka needs brokers and a whole login', () => {
  const landing = (lines: string) => problems(`[landing]\ntype = "kafka"\n${lines}`).join('\n');
  expect(landing('')).toContain('landing.brokers');
  const good = 'brokers = ["k:1"]\n';
  expect(landing(`${good}config_properties_exclude = ["min.*", "*x"]`)).toMatch(
    /landing\.config_properties_exclude = .*"\*x"/,
  );
  expect(landing('brokers = ["kafka"]')).toContain('names "kafka", which is not host:port');
  const brokers = 'brokers = ["k:9092"]\n';
  expect(landing(brokers)).toBe('');
  expect(landing(`${brokers}sasl = { username = "u" }`)).toContain('landing.sasl.mechanism');
  expect(landing(`${brokers}sasl = { mechanism = "scram-sha-512" }`)).toContain('password_file');
  expect(landing(`${brokers}sasl = { mechanism = "oauthbearer" }`)).toContain('token_command');
  expect(landing(`${brokers}tls = { key_file = "k" }`)).toContain('go together');
  const config = load(`[landing]\ntype = "kafka"\n${brokers}retention = "1d"\nshards = 4`, [], {});
  expect(config.landing).toMatchObject({
    ...{ type: 'kafka', retentionMs: 86_400_000, longestOutageMs: 30 * 86_400_000, shards: 4 },
    connection: { brokers: ['k:9092'] },
  });
});

test('flows that cannot be are refused, each with its reason', () => {
  const flow = (into: string, from: string) => `[[flow]]\ninto = ${into}\nfrom = ${from}\n`;
  const one = (into: string, from: string) => problems(flow(into, from)).join('\n');
  expect(one('"a b"', '"*.x"')).toContain('may hold letters');
  expect(one('""', '"*.x"')).toContain('must be a text');
  expect(one('"tributary.losses"', '"*.x"')).toContain('a topic of our own');
  expect(one('"x"', '"sensor-data"')).toContain('must be written <alias>.<topic>');
  expect(one('"x"', '"*."')).toContain('must be written <alias>.<topic>');
  expect(one('"x"', '"tributary.losses"')).toContain('is reserved');
  expect(one('"x"', '"*.heartbeats"')).toContain('a topic of our own');
  expect(one('"x"', '"a$.x"')).toContain('has the alias "a$"');
  expect(one('"x"', '"a.x y"')).toContain('has the topic "x y"');
  expect(one('"x"', '[]')).toContain('names nothing');
  expect(one('"x"', '[5]')).toContain('must be a text in quotes, or several');
  expect(one('"x"', '"store-?.x"')).toContain('has the alias "store-?"');
  expect(problems('[[flow]]\n')).toHaveLength(2);
});

test('two flows into one topic, circles and the names of sites are errors', () => {
  expect(
    problems(`[fleet]
expect = ["store-9"]
[[flow]]
into = "all"
from = "*.sensor-data"
[[flow]]
into = "all"
from = "*.other"
[[flow]]
into = "x.other"
from = "*.third"
[[flow]]
into = "store-9.all"
from = "*.fourth"
[[flow]]
into = "analytics.sensors"
from = "*.fifth"
`),
  ).toEqual([
    'central.toml:7: flow[1].into = "all": is the target of flow[0] too; put all inputs into one flow',
    'central.toml:10: flow[2].into = "x.other": is itself an input of flow[1]: records would go round in a circle',
    'central.toml:13: flow[3].into = "store-9.all": begins with the site "store-9", which writes topics of that name',
  ]);
  const { warnings } = load('[[flow]]\ninto = "analytics.sensors"\nfrom = "*.fifth"');
  expect(warnings).toEqual([expect.stringContaining('looks like a topic of a site "analytics"')]);
});

test('a site that could never be is not expected', () => {
  expect(problems('fleet.expect = ["a.b", "heartbeats", "ok"]')).toEqual([
    expect.stringContaining('"a.b" must not contain "."'),
    expect.stringContaining('"heartbeats" is reserved'),
  ]);
});

test('offline needs time for two heartbeats', () => {
  expect(problems('link.heartbeat_interval = "10s"')).toEqual([
    expect.stringContaining('fleet.offline_after: is less than two of link.heartbeat_interval'),
  ]);
});

test.each([
  ['alias = "a.b"', 'must not contain "."'],
  ['alias = "tributary"', 'is reserved'],
  ['landing.retention = "soon"', 'or "forever"'],
  ['landing.retention = "-1d"', 'must be a duration'],
  ['landing.max_bytes = "1kB"', 'is too small'],
  ['landing.pth = "x"', 'did you mean "path"'],
  ['landing.type = "kafak"', 'must be "embedded"'],
  ['landing.path = ""', 'must be a text'],
  ['link = 1', 'must be a table'],
  ['link.listen = "127.0.0.1"', 'must be "host:port"'],
  ['link.listen = "127.0.0.1:99999"', '65535'],
  ['link.heartbeat_interval = 5', 'with its unit'],
  ['link.heartbeat_interval = "1ms"', 'is too small'],
  ['link.heartbeat_interval = "2h"', 'is too long'],
  ['fleet.expect = "a b"', 'may hold letters'],
  ['log.level = "loud"', '"debug", "info", "warn" or "error"'],
  ['flow = 5', 'must be tables'],
  ['flows = []', 'did you mean "flow"'],
  ['alias = "a"\nalias = "b"', 'is not TOML'],
])('%s is refused', (toml, message) => {
  expect(problems(toml).join('\n')).toContain(message);
});

describe('landing.naming = "identity"', () => {
  const flow = (into: string, from: string, more = '') =>
    `landing.naming = "identity"\n[[flow]]\ninto = "${into}"\nfrom = ["${from}"]\n${more}`;

  test("a flow may not go where its own records, or another flow's, have landed already", () => {
    const own = problems(flow('data', '*.data')).join('\n');
    expect(own).toContain('flow[0].into');
    expect(own).toContain('lands already');
    const other = `${flow('data', '*.more')}[[flow]]\ninto = "all"\nfrom = ["a.data"]\n`;
    expect(problems(other).join('\n')).toContain('lands already');
    expect(problems(flow('all', '*.data'))).toEqual([]);
    expect(load(flow('all', '*.data')).warnings).toEqual([]);
  });

  test('where a glob only may take it, that is a warning', () => {
    expect(load(flow('all', '*.*')).warnings.join('\n')).toContain('would be held back');
  });

  test('what several sites wrote together is no past of a flow', () => {
    expect(problems(flow('all', '*.data', 'start = "earliest"')).join('\n')).toContain('"latest"');
    const kafka = 'landing.type = "kafka"\nlanding.brokers = ["k:1"]\n';
    const external = flow('all', 'x.data', 'external = true\nstart = "earliest"');
    expect(problems(kafka + external)).toEqual([]);
  });
});

test('every default stands and every setting is documented', () => {
  const docs = explainSettings(centralSettings({}), 'TRIBUTARY_');
  expect(docs.length).toBeGreaterThan(10);
  expect(docs.every(({ doc }) => /^[A-Z].*\.$/.test(doc))).toBe(true);
  const printed = printDefaults(centralSettings({}));
  const config = load(printed.replaceAll(/^# ((\w+ = )|\[)/gm, '$1'));
  expect(config).toMatchObject({
    ...load(''),
    link: { tls: { mode: 'files' } },
    status: {},
    flows: [{ into: 'sensor-data' }],
  });
});

test('the flows that pass are flows to the merge', () => {
  const part = fc.string({ unit: fc.constantFrom(...'ab*.-?$ '), maxLength: 6 });
  const flow = fc.record({ into: part, from: fc.array(part, { maxLength: 2 }) });
  fc.assert(
    fc.property(fc.array(flow, { maxLength: 3 }), (flows) => {
      const toml = flows.map(
        ({ into, from }) => `[[flow]]\ninto = "${into}"\nfrom = ${JSON.stringify(from)}\n`,
      );
      if (problems(toml.join('')).length > 0) return;
      const merge = openMerge(load(toml.join('')).flows);
      for (const { into } of flows) expect(merge.targets(into)).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
});
