import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadSettings } from '#shared/std/settings.ts';
import { explainSettings, printDefaults } from '#shared/std/settings-explain.ts';
import { formatProblem, nearestName, SettingsError } from '#shared/std/settings-problem.ts';
import { choice, list, setting, table } from '#shared/std/settings-spec.ts';
import {
  boolean,
  duration,
  integer,
  listenAddress,
  oneOf,
  orWord,
  rate,
  size,
  text,
  texts,
} from '#shared/std/settings-types.ts';

const spec = table('A test.', {
  alias: setting(text, { doc: 'Its name.', required: true, example: '"factory-a"' }),
  password: setting(text, { doc: 'Its password.', secret: true, check: () => 'is too weak' }),
  buffer: table('The buffer.', {
    path: setting(text, { doc: 'Its file.', default: '/var/x.db' }),
    max_bytes: setting(size(), { doc: 'Hard cap.', default: '10GiB' }),
    when_full: setting(oneOf('drop-oldest', 'block'), { doc: 'Policy.', default: 'drop-oldest' }),
    keep: setting(orWord('forever', duration()), { doc: 'Time.', default: 'forever' }),
    sync: setting(boolean, { doc: 'Whether.', default: true }),
    max_rate: setting(rate, { doc: 'Cap.' }),
  }),
  status: table('Status.', {
    listen: setting(listenAddress, { doc: 'Address.', default: '127.0.0.1:0' }),
    hosts: setting(texts, { doc: 'Hosts.', default: [] }),
  }),
  topic: list(
    'Topics.',
    table('One topic.', {
      name: setting(text, { doc: 'Name.', required: true }),
      partitions: setting(integer(1, 100), { doc: 'Count.', default: 1 }),
    }),
  ),
  source: list(
    'Sources.',
    choice('One source.', {
      mqtt: table('MQTT.', { url: setting(text, { doc: 'Broker.', required: true }) }),
      host: table('Vitals.', { interval: setting(duration(1), { doc: 'Pace.', default: '2s' }) }),
    }),
  ),
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'settings-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const file = () => join(folder, 'edge.toml');

function load(toml: string | undefined, env: { [name: string]: string } = {}, set: string[] = []) {
  if (toml !== undefined) writeFileSync(file(), toml);
  return loadSettings(spec, {
    file: file(),
    fileMustExist: toml !== undefined,
    env,
    rules: { prefix: 'TRIBUTARY_', ignore: /^TRIBUTARY_EDGE_CONFIG$/ },
    overrides: set,
  });
}

function problems(...input: Parameters<typeof load>): string[] {
  const { problems: found } = load(...input);
  return found.map((one) => formatProblem(one).replaceAll(folder, ''));
}

test('every setting but the required ones has its default', () => {
  const settings = load('alias = "a"');
  settings.settle();
  expect(settings.values).toEqual({
    alias: 'a',
    password: undefined,
    buffer: {
      path: '/var/x.db',
      max_bytes: 10 * 2 ** 30,
      when_full: 'drop-oldest',
      keep: null,
      sync: true,
      max_rate: undefined,
    },
    status: { listen: '127.0.0.1:0', hosts: [] },
    topic: [],
    source: [],
  });
});

test('later files override and append, then the environment, then the command line', () => {
  mkdirSync(join(folder, 'edge.d'));
  writeFileSync(join(folder, 'edge.d/20-b.toml'), 'buffer.path = "/b"\n[[topic]]\nname = "b"\n');
  writeFileSync(
    join(folder, 'edge.d/10-a.toml'),
    'alias = "z"\nbuffer.path = "/a"\n[[topic]]\nname = "a"\npartitions = 2\n',
  );
  writeFileSync(join(folder, 'edge.d/notes.txt'), 'not settings');
  const settings = load(
    'alias = "a"\n[buffer]\nkeep = "1d"\n[[topic]]\nname = "main"\n',
    {
      TRIBUTARY_BUFFER__MAX_BYTES: '5MiB',
      TRIBUTARY_BUFFER__SYNC: 'false',
      TRIBUTARY_STATUS__HOSTS: 'a, b',
      TRIBUTARY_STATUS__LISTEN: '127.0.0.1:1',
      TRIBUTARY_EDGE_CONFIG: 'elsewhere',
      HOME: '/root',
    },
    ['status.listen=127.0.0.1:2', 'buffer.max_rate=1MB/s'],
  );
  settings.settle();
  const { alias, buffer, status, topic } = settings.values;
  expect(alias).toBe('z');
  expect(buffer).toMatchObject({ path: '/b', keep: 86_400_000, max_bytes: 5 * 2 ** 20 });
  expect(buffer).toMatchObject({ sync: false, max_rate: 1_000_000 });
  expect(status).toEqual({ listen: '127.0.0.1:2', hosts: ['a', 'b'] });
  expect(topic.map(({ name }) => name)).toEqual(['main', 'a', 'b']);
  expect(settings.files.map((name) => name.slice(folder.length))).toEqual([
    '/edge.toml',
    '/edge.d/10-a.toml',
    '/edge.d/20-b.toml',
  ]);
});

test('all problems are told at once, each with its line, key, value and the nearest name', () => {
  const found = problems(`
alias = 5
[buffer]
max_byte = "10GiB"
when_full = "explode"
keep = 7
sync = "yes"
[status]
listen = "localhost"
color = "red"
[[topic]]
partitions = 0
[[source]]
type = "mqqt"
[[source]]
type = "kafka"
brokers = ["x"]
[[source]]
url = "x"
[[source]]
type = "mqtt"
ulr = "mqtt://x"
[sauce]
`);
  expect(found).toEqual([
    '/edge.toml:23: sauce: there is no such setting; did you mean "source"?',
    '/edge.toml:2: alias = 5: must be a text in quotes',
    '/edge.toml:4: buffer.max_byte = "10GiB": there is no such setting; did you mean "max_bytes"?',
    '/edge.toml:5: buffer.when_full = "explode": must be one of "drop-oldest" or "block"',
    '/edge.toml:6: buffer.keep = 7: must be a duration such as "7d", "5s" or "250ms", ' +
      'with its unit, or "forever"',
    '/edge.toml:7: buffer.sync = "yes": must be true or false',
    '/edge.toml:10: status.color = "red": there is no such setting; known here: listen, hosts',
    expect.stringContaining('/edge.toml:9: status.listen = "localhost": must be "host:port"'),
    '/edge.toml:11: topic[0].name: is missing and has no default; set it (Name.)',
    '/edge.toml:12: topic[0].partitions = 0: must be a whole number from 1 to 100',
    '/edge.toml:14: source[0].type = "mqqt": must be "mqtt" or "host"; did you mean "mqtt"?',
    '/edge.toml:16: source[1].type = "kafka": must be "mqtt" or "host"',
    '/edge.toml:18: source[2].type: is missing; must be "mqtt" or "host"',
    '/edge.toml:22: source[3].ulr = "mqtt://x": there is no such setting; did you mean "url"?',
    '/edge.toml:20: source[3].url: is missing and has no default; set it (Broker.)',
  ]);
});

test('a table where a value belongs, and the other way round, is said plainly', () => {
  expect(problems('alias = "a"\nbuffer = 5\ntopic = ["x"]\n[status.listen]\nx = 1\n')).toEqual([
    '/edge.toml:2: buffer: must be a table, written as [buffer] or buffer = { … }',
    expect.stringContaining('status.listen: must be an address and a port'),
    '/edge.toml:3: topic: must be tables, each written under its own [[topic]]',
  ]);
  expect(problems('alias = "a"\ntopic = []')).toEqual([]);
});

test('a syntax error has its line, hides the text around it, and the rest is still checked', () => {
  mkdirSync(join(folder, 'edge.d'));
  writeFileSync(join(folder, 'edge.d/x.toml'), 'bufer.path = "x"');
  const found = problems('password = "hunter2"\nalias = = "a"\n');
  expect(found).toEqual([
    expect.stringMatching(/^\/edge\.toml:2: is not TOML: .*\(column \d+; see/),
    '/edge.d/x.toml:1: bufer: there is no such setting; did you mean "buffer"?',
  ]);
  expect(found.join()).not.toContain('hunter2');
});

test('files that cannot be read say so', () => {
  expect(problems(undefined)).toEqual([
    '/edge.toml: alias: is missing and has no default; set it, for example alias = "factory-a" (Its name.)',
  ]);
  const missing = loadSettings(spec, {
    file: join(folder, 'other.toml'),
    fileMustExist: true,
    env: {},
    rules: { prefix: 'TRIBUTARY_', ignore: /^$/ },
  });
  expect(missing.problems.map(formatProblem)).toEqual([
    `${folder}/other.toml: there is no such file; give the path of a settings file with --config`,
  ]);
  writeFileSync(file(), Buffer.from([0x61, 0xff, 0xfe]));
  expect(problems(undefined)).toEqual(['/edge.toml: is not UTF-8 text']);
  rmSync(file());
  mkdirSync(file());
  expect(problems(undefined)).toEqual(['/edge.toml: is a folder, not a settings file']);
});

test('an unknown name in the environment or on the command line is an error', () => {
  expect(
    problems('alias = "a"', { TRIBUTARY_STATUS__LISTN: 'x', TRIBUTARY_TOPIC: 'x' }, [
      'buffer.pth=1',
      'alias',
      'buffer.max_bytes=many',
    ]),
  ).toEqual([
    'the environment: TRIBUTARY_STATUS__LISTN: there is no such setting; did you mean TRIBUTARY_STATUS__LISTEN?',
    'the environment: TRIBUTARY_TOPIC: there is no such setting; arrays of tables are set in a file only',
    'the command line: buffer.pth: there is no such setting; did you mean buffer.path?',
    'the command line: --set alias: must be written as --set key=value',
    expect.stringContaining('the command line: buffer.max_bytes = "many": must be a size'),
  ]);
});

test('secrets are never repeated', () => {
  const secret = 'hunter2';
  const found = problems(
    `alias = "a"\npassword = "${secret}"\npasswrd = "${secret}"\nauth_token = "${secret}"\n` +
      `[buffer]\nmax_bytes = "mqtt://u:${secret}@h"\n`,
    { TRIBUTARY_PASSWORT: secret },
  );
  expect(found).toHaveLength(5);
  expect(found.join()).not.toContain(secret);
});

test('checks over several settings find the place by the key', () => {
  const settings = load('alias = "a"\n[[topic]]\nname = "x"\n[[topic]]\nname = "x"\n');
  settings.problem('topic[1].name', 'is there twice');
  settings.warning('source', 'there is none');
  expect(() => settings.settle()).toThrow(
    new SettingsError([
      {
        origin: { place: file(), line: 5 },
        key: 'topic[1].name',
        value: '"x"',
        message: 'is there twice',
      },
    ]),
  );
  expect(settings.warnings).toHaveLength(1);
});

test('whatever the document says, reading it ends in values or problems', () => {
  const leaf = fc.constantFrom('1', '"x"', 'true', '[]', '["a"]', '{}', '[{}]', '1.5', '[[1]]');
  const key = fc.constantFrom(
    'alias',
    'buffer',
    'buffer.path',
    'topic',
    'source',
    'status.listen.x',
    '"__proto__"',
    'constructor',
    'status',
  );
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(key, leaf), { selector: ([name]) => name }), (pairs) => {
      const toml = pairs.map(([name, value]) => `${name} = ${value}`).join('\n');
      const settings = load(toml);
      if (settings.problems.length > 0) expect(() => settings.settle()).toThrow(SettingsError);
    }),
    { numRuns: 300 },
  );
});

test('the nearest name forgives typing, not guessing', () => {
  const known = ['max_bytes', 'path', 'when_full'];
  expect(nearestName('maxBytes', known)).toBe('max_bytes');
  expect(nearestName('phat', known)).toBe('path');
  expect(nearestName('wehn-full', known)).toBe('when_full');
  expect(nearestName('colour', known)).toBeUndefined();
});

test('the documentation names every setting, with default, unit and place in the environment', () => {
  const docs = explainSettings(spec, 'TRIBUTARY_');
  expect(docs).toContainEqual({
    key: 'buffer.max_bytes',
    doc: 'Hard cap.',
    expects: 'a size such as "10GiB", "512MiB" or "100kB"',
    default: '"10GiB"',
    required: false,
    env: 'TRIBUTARY_BUFFER__MAX_BYTES',
  });
  expect(docs.map(({ key }) => key)).toEqual(
    expect.arrayContaining(['topic[].name', 'source[mqtt].url', 'source[host].interval']),
  );
  expect(docs.find(({ key }) => key === 'topic[].name')?.env).toBeNull();
});

test('the printed defaults, uncommented, are a settings file', () => {
  const printed = printDefaults(spec);
  const toml = printed.replaceAll(/^# ((\w+ = )|\[)/gm, '$1').replace(/^password.*$/m, '');
  const settings = load(toml);
  expect(settings.problems.map(formatProblem)).toEqual([
    expect.stringContaining('buffer.max_rate = "…": must be a rate'),
  ]);
  expect(settings.values.source).toMatchObject([{ type: 'mqtt' }, { type: 'host' }]);
});
