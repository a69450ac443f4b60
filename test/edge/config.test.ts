import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { edgeSettings, loadEdgeConfig } from '#edge/config.ts';
import { explainSettings, printDefaults } from '#shared/std/settings-explain.ts';
import { formatProblem, SettingsError } from '#shared/std/settings-problem.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'edge-config-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function load(toml: string, overrides: string[] = [], env = {}) {
  const file = join(folder, 'edge.toml');
  writeFileSync(file, toml);
  return loadEdgeConfig({ file, overrides, env });
}

function problems(...input: Parameters<typeof load>): string[] {
  try {
    load(...input);
    return [];
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.problems.map((one) => formatProblem(one).replaceAll(`${folder}/`, ''));
  }
}

const source = (rest: string) => `alias = "a"\n[[source]]\n${rest}`;
const mqtt = (rest: string) =>
  source(`type = "mqtt"\nsubscribe = [{ filter = "s/+", topic = "t" }]\n${rest}`);

const kafka = (rest: string) => source(`type = "kafka"\nbrokers = ["h:9092"]\n${rest}`);

test('an alias is a whole edge: it keeps what it is sent', () => {
  const config = load('alias = "factory-a"');
  expect(config).toEqual({
    alias: 'factory-a',
    central: {
      credentialPath: '/var/lib/tributary-edge/credential.json',
      joinToken: null,
      tlsFiles: null,
      urls: [],
      maxBytesPerSecond: null,
      requestTimeoutMs: 30_000,
    },
    buffer: {
      path: '/var/lib/tributary-edge/buffer.db',
      alias: 'factory-a',
      maxBytes: 10 * 2 ** 30,
      whenFull: 'drop-oldest',
      topics: new Map([['*', { partitions: 1 }]]),
      compression: 'zstd',
    },
    status: { listen: '127.0.0.1:8081' },
    sources: [],
    log: { level: 'info' },
    underJournal: false,
    files: [join(folder, 'edge.toml')],
    warnings: [
      expect.stringContaining('central.url: is not set: records are kept here'),
      expect.stringContaining('source: there is none'),
    ],
  });
});

test('a whole file is read into what the rooms take', () => {
  writeFileSync(join(folder, 'password'), 'hunter2\n');
  const config = load(
    `alias = "factory-a"
[central]
url = ["https://central.example:8443/", "http://localhost:1"]
max_rate = "1MB/s"
request_timeout = "10s"
[buffer]
path = "/tmp/b.db"
max_bytes = "1GiB"
when_full = "block"
compression = "none"
[[topic]]
name = "*"
partitions = 2
[[topic]]
name = "sensor-data"
partitions = 8
max_bytes = "512MiB"
when_full = "drop-oldest"
[[source]]
type = "mqtt"
url = "mqtts://broker:8883"
username = "u"
password_file = "${folder}/password"
tls = { ca_file = "${folder}/password" }
keepalive = "10s"
session_expiry = "1d"
subscribe = [{ filter = "sensors/+/temperature", topic = "sensor-data", key = "{1}", qos = 2 }]
[[source]]
type = "mqtt"
name = "own"
listen = "127.0.0.1:1883"
[[source.subscribe]]
filter = "#"
topic = "all"
[[source]]
type = "http"
listen = "127.0.0.1:8082"
topics = ["a-*"]
token = "s3cret"
[[source]]
type = "host"
interval = "2s"
`,
    ['status.listen=127.0.0.1:0'],
    { STATE_DIRECTORY: '/s', JOURNAL_STREAM: '1:2', TRIBUTARY_LOG__LEVEL: 'debug' },
  );
  expect(config).toMatchObject({
    central: {
      urls: ['https://central.example:8443', 'http://localhost:1'],
      maxBytesPerSecond: 1_000_000,
      requestTimeoutMs: 10_000,
    },
    buffer: { path: '/tmp/b.db', maxBytes: 2 ** 30, whenFull: 'block', compression: 'none' },
    status: { listen: '127.0.0.1:0' },
    log: { level: 'debug' },
    underJournal: true,
    warnings: [],
  });
  expect(config.buffer.topics).toEqual(
    new Map([
      ['*', { partitions: 2 }],
      ['sensor-data', { partitions: 8, maxBytes: 2 ** 29, whenFull: 'drop-oldest' }],
    ]),
  );
  expect(config.sources).toEqual([
    {
      type: 'mqtt',
      name: 'mqtt:broker:8883',
      url: 'mqtts://broker:8883',
      clientId: 'tributary-factory-a',
      protocol: '5',
      username: 'u',
      password: 'hunter2',
      tls: { caFile: `${folder}/password`, certFile: undefined, keyFile: undefined },
      keepaliveSeconds: 10,
      sessionExpirySeconds: 86_400,
      subscribe: [{ filter: 'sensors/+/temperature', topic: 'sensor-data', key: '{1}', qos: 2 }],
    },
    {
      type: 'mqtt',
      name: 'own',
      listen: '127.0.0.1:1883',
      username: undefined,
      password: undefined,
      tls: undefined,
      subscribe: [{ filter: '#', topic: 'all', qos: 1 }],
    },
    {
      type: 'http',
      name: 'http:127.0.0.1:8082',
      listen: '127.0.0.1:8082',
      topics: ['a-*'],
      token: 's3cret',
      maxBodyBytes: 8 * 2 ** 20,
    },
    { type: 'host', name: 'host', topic: 'host-metrics', intervalMs: 2_000 },
  ]);
});

test('the settings file is found by the environment, and must be there then', () => {
  const file = join(folder, 'by-env.toml');
  writeFileSync(file, 'alias = "b"');
  const env = { TRIBUTARY_EDGE_CONFIG: file };
  expect(loadEdgeConfig({ env }).alias).toBe('b');
  expect(() => loadEdgeConfig({ env: { TRIBUTARY_EDGE_CONFIG: `${file}x` } })).toThrow(
    'there is no such file',
  );
});

test('central is reached by https, plain http only on this machine', () => {
  const url = (value: string) => problems(`alias = "a"\ncentral.url = ${value}`).join('\n');
  expect(url('["http://127.0.0.1:1", "http://[::1]:1", "http://localhost", "https://x"]')).toBe('');
  expect(url('"http://central.example:8443"')).toContain('plain http:// is for this machine only');
  expect(url('"http://10.0.0.1:8443"')).toContain('plain http:// is for this machine only');
  expect(url('"central.example:8443"')).toContain('must begin with https://');
  expect(url('"central.example"')).toContain('must be an address like');
  expect(url('"https://x/link/v1"')).toContain('must end after the port');
  expect(url('"https://x?a=1"')).toContain('must end after the port');
  const secret = url('"https://me:hunter2@x"');
  expect(secret).toContain('must not hold a user name');
  expect(secret).not.toContain('hunter2');
});

test('several things wrong are told at once, in the order of the file', () => {
  expect(
    problems(`alias = "a.b"
[central]
url = "http://central.example"
[[topic]]
name = "x"
partitions = 0
[[topic]]
name = "x"
[[source]]
type = "mqtt"
url = "mqtt://h"
subscribe = [{ filter = "a/#/b", topic = "t" }]
[[source]]
type = "host"
[[source]]
type = "host"
[status]
listen = "0.0.0.0:8081"
`).map((line) => line.split(': ').slice(0, 2).join(': ')),
  ).toEqual([
    'edge.toml:1: alias = "a.b"',
    'edge.toml:3: central.url = "http://central.example"',
    'edge.toml:6: topic[0].partitions = 0',
    'edge.toml:8: topic[1].name = "x"',
    'edge.toml:12: source[0].subscribe[0]',
    'edge.toml:15: source[2].name',
    'edge.toml:18: status.listen = "0.0.0.0:8081"',
  ]);
});

test.each([
  ['', 'alias: is missing'],
  ['alias = "a"\nbuffer.max_bytes = "1kB"', 'is too small'],
  ['alias = "a"\nbuffer.when_full = "drop-newest"', '"drop-oldest" or "block"'],
  ['alias = "a"\nbuffer.compresion = "zstd"', 'did you mean "compression"'],
  ['alias = "a"\ncentral.max_rate = "1MB"', 'or "off"'],
  ['alias = "a"\ncentral.request_timeout = "1ms"', 'is too small'],
  ['alias = "a"\n[[topic]]\nname = "a b"', 'may hold letters'],
  ['alias = "a"\n[[topic]]\nname = "heartbeats"', 'is reserved'],
  ['alias = "a"\n[[topic]]\nname = "x"\nmax_bytes = "20GiB"', 'more than buffer.max_bytes'],
  ['alias = "a"\n[[topic]]', 'topic[0].name: is missing'],
  [source('type = "opcua"'), 'must be "mqtt" or "http" or "host" or "kafka"'],
  [source('type = "kafka"'), 'brokers: is missing'],
  [source('type = "kafka"\nbrokers = ["x"]'), 'names "x", which is not host:port'],
  [kafka('topics = ["*.data"]'), 'any characters are ".*"'],
  [kafka('groups_exclude = ["("]'), 'groups_exclude'],
  [kafka('start = "0"'), '"earliest" or "latest"'],
  [kafka('on_recreate = "stop"'), '"append" or "halt"'],
  [kafka('cut_loops_of = ["a.b"]'), 'cut_loops_of'],
  [kafka('start_offsets_file = "/no"'), '/no: there is no such file'],
  [kafka('sasl.username = "x"'), 'sasl.mechanism: is missing'],
  [kafka('tls.cert_file = "/x"'), 'and tls.key_file go together'],
  [kafka('separator = "_"'), 'there is no such setting'],
  [source('name = "x"'), 'source[0].type: is missing'],
  [source('type = "host"\ntopic = "x.internal"'), 'is reserved'],
  [source('type = "host"\nname = "a/b"'), 'no slash'],
  [source('type = "host"\ninterval = "2"'), 'must be a duration'],
  [source('type = "http"'), 'listen: is missing'],
  [source('type = "http"\nlisten = "0.0.0.0:80"'), 'anybody could write'],
  [source('type = "http"\nlisten = "127.0.0.1:80"\ntopics = []'), 'is empty'],
  [source('type = "http"\nlisten = "127.0.0.1:8081"'), 'is the address of status.listen too'],
  [source('type = "http"\nlisten = "127.0.0.1:1"\ntoken_file = "/no"'), 'there is no such file'],
  [source('type = "mqtt"\nurl = "mqtt://h"'), 'subscribe: is missing'],
  [mqtt(''), 'needs url (be a client of a broker) or listen'],
  [mqtt('url = "mqtt://h"\nlisten = "127.0.0.1:1883"'), 'keep one of them'],
  [mqtt('url = "http://h"'), 'must begin with mqtt://'],
  [mqtt('url = "h:1883"'), 'must begin with mqtt://'],
  [mqtt('url = "mqtt://u:p@h"'), 'set username and password_file'],
  [mqtt('url = "mqtt://h/x"'), 'must end after the port'],
  [mqtt('url = "mqtt://h"\ntls.ca_file = "/etc/hostname"'), 'needs an address with mqtts://'],
  [mqtt('url = "mqtts://h"\ntls.ca_file = "/no/such"'), 'is not there'],
  [mqtt('url = "mqtts://h"\ntls.key_file = "/etc/hostname"'), 'cert_file and key_file together'],
  [mqtt('url = "mqtt://h"\npassword = "x"\nprotocol = "3.1.1"'), 'MQTT 3.1.1 knows no password'],
  [mqtt('url = "mqtt://h"\npassword = "x"\npassword_file = "/x"'), 'keep one of them'],
  [mqtt('url = "mqtt://h"\nkeepalive = "1ms"'), 'is too small'],
  [mqtt('url = "mqtt://h"\nprotocol = "4"'), '"5" or "3.1.1"'],
  [mqtt('listen = "0.0.0.0:1883"'), 'anybody could write'],
  [mqtt('listen = "127.0.0.1:1883"\nusername = "x"'), 'give both or neither'],
  [
    mqtt('listen = "127.0.0.1:1883"\ntls.ca_file = "/etc/hostname"'),
    'needs cert_file and key_file',
  ],
])('%j is refused', (toml, message) => {
  expect(problems(toml).join('\n')).toContain(message);
});

test('routes that cannot work name what is wrong', () => {
  const route = (rest: string) =>
    problems(source(`type = "mqtt"\nurl = "mqtt://h"\nsubscribe = [{ ${rest} }]`)).join('\n');
  expect(route('filter = "a/+", topic = "{2}"')).toContain('subscribe[0]: topic "{2}" names {2}');
  expect(route('filter = "a"')).toContain('subscribe[0].topic: is missing');
  expect(route('filter = "a", topic = "t", qos = 3')).toContain('a whole number from 0 to 2');
  expect(route('filter = "a", topic = "t", kye = "x"')).toContain('did you mean "key"');
  const shared = 'listen = "127.0.0.1:1"\nsubscribe = [{ filter = "$share/g/a", topic = "t" }]';
  expect(problems(source(`type = "mqtt"\n${shared}`)).join()).toContain('shares a subscription');
});

test("a Kafka source takes MirrorMaker 2's defaults, and never goes round in circles", () => {
  const [read] = load(kafka('')).sources;
  expect(read).toMatchObject({
    ...{ name: 'kafka', topics: ['.*'], start: 'earliest', cutLoopsOf: ['central', 'a'] },
    groupsExclude: ['console-consumer-.*', 'connect-.*', '__.*'],
  });
});

test('what may surprise is allowed with a warning', () => {
  const central = 'central.url = "https://x"\n';
  const warnings = (toml: string) => load(central + toml).warnings.join('\n');
  expect(warnings(mqtt('url = "mqtt://h"\nusername = "u"\npassword = "p"'))).toContain(
    'the password can be read on the network',
  );
  const open = 'listen = "0.0.0.0:1883"\nallow_anonymous = true';
  expect(warnings(mqtt(open))).toContain('takes records from anybody');
  const posts = 'type = "http"\nlisten = "0.0.0.0:80"\ntoken = "x"';
  expect(warnings(source(posts))).toContain('is plain HTTP');
});

test('secrets are in no message', () => {
  const found = problems(
    mqtt('url = "mqtt://h"\npassword = "hunter2"\npassword_file = "/no"\npasword = "hunter2"'),
  );
  expect(found.length).toBeGreaterThan(1);
  expect(found.join('\n')).not.toContain('hunter2');
});

test('two sessions at one broker have names and client ids of their own', () => {
  const one = (name: string) =>
    `[[source]]\ntype = "mqtt"\nurl = "mqtt://h"\n${name}\n` +
    'subscribe = [{ filter = "a", topic = "t" }]\n';
  expect(problems(`alias = "a"\n${one('')}${one('')}`).join()).toContain('is taken by another');
  const { sources } = load(`alias = "a"\n${one('')}${one('name = "second"')}`);
  expect(sources.map((each) => ('clientId' in each ? each.clientId : ''))).toEqual([
    'tributary-a',
    'tributary-a-second',
  ]);
});

test('whatever the document says, loading ends in a config or a list of problems', () => {
  const leaf = fc.constantFrom('1', '"x"', '"127.0.0.1:0"', 'true', '[]', '["a"]', '{}', '[{}]');
  const keys = ['type', 'url', 'listen', 'subscribe', 'tls', 'password', 'topics', 'interval'];
  const entry = fc.tuple(fc.constantFrom(...keys), leaf);
  const item = fc.uniqueArray(entry, { selector: ([key]) => key });
  const type = fc.constantFrom('mqtt', 'http', 'host', 'x');
  fc.assert(
    fc.property(fc.array(fc.tuple(type, item), { maxLength: 3 }), leaf, leaf, (items, a, b) => {
      const sources = items.map(([name, pairs]) => {
        const own = pairs
          .filter(([key]) => key !== 'type')
          .map(([key, value]) => `${key} = ${value}`);
        return ['[[source]]', `type = "${name}"`, ...own].join('\n');
      });
      problems(`alias = ${a}\ncentral.url = ${b}\n${sources.join('\n')}`);
    }),
    { numRuns: 300 },
  );
});

test('every default stands and every setting is documented', () => {
  const docs = explainSettings(edgeSettings({}), 'TRIBUTARY_');
  expect(docs.length).toBeGreaterThan(30);
  expect(docs.filter(({ doc }) => !/^[A-Z].*\.$/.test(doc))).toEqual([]);
  expect(printDefaults(edgeSettings({}))).toContain('# max_bytes = "10GiB"');
});
