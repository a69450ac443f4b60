import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** The rules of the house (DESIGN §3), read off the sources. */

const root = fileURLToPath(new URL('..', import.meta.url));
const product = ['edge', 'central', 'shared', 'packaging'];

interface Source {
  path: string;
  text: string;
  /** `from` is a repository path for our own files, else the package's or `node:` name. */
  imports: { from: string; typeOnly: boolean }[];
}

const sources = product.flatMap((folder) => read(folder));

function read(folder: string): Source[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => {
      const path = join(entry.parentPath, entry.name).slice(root.length);
      const text = readFileSync(join(root, path), 'utf8');
      return { path, text, imports: importsOf(path, text) };
    });
}

function importsOf(path: string, text: string): Source['imports'] {
  const found: Source['imports'] = [];
  const statement = /^(?:import|export)\s+(type\s)?([^'";]*?\sfrom\s+)?'([^']+)'/gm;
  for (const [, type, names, from] of text.matchAll(statement)) {
    const inner = /\{([^}]*)\}/.exec(names ?? '')?.[1];
    const allTypes = inner?.split(',').every((name) => /^\s*(type .*)?$/.test(name.trim()));
    found.push({ from: resolve(path, from!), typeOnly: Boolean(type) || allTypes === true });
  }
  for (const [, from] of text.matchAll(/\bimport\('([^']+)'\)/g)) {
    found.push({ from: resolve(path, from!), typeOnly: false });
  }
  return found;
}

function resolve(path: string, from: string): string {
  if (from.startsWith('#')) return from.slice(1);
  if (from.startsWith('.')) return normalize(join(dirname(path), from));
  return from;
}

/** The package's name of a vendor import. */
const vendorOf = (from: string): string | undefined =>
  product.some((folder) => from.startsWith(`${folder}/`)) ||
  from.startsWith('node:') ||
  from === 'package.json'
    ? undefined
    : from
        .split('/')
        .slice(0, from.startsWith('@') ? 2 : 1)
        .join('/');

const offenders = (rule: (source: Source) => string[]): string[] =>
  sources.flatMap((source) => rule(source).map((what) => `${source.path}: ${what}`));

const matches = (pattern: RegExp, allowed: RegExp) =>
  offenders(({ path, text }) =>
    allowed.test(path) ? [] : [...stripComments(text).matchAll(pattern)].map((hit) => hit[0]),
  );

const stripComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/[^\n]*/g, '$1');

test('edge and central never import each other, and shared imports neither', () => {
  const bad = offenders(({ path, imports }) =>
    imports
      .map(({ from }) => from)
      .filter((from) =>
        path.startsWith('edge/')
          ? from.startsWith('central/')
          : path.startsWith('central/')
            ? from.startsWith('edge/')
            : path.startsWith('shared/') && /^(edge|central|packaging)\//.test(from),
      ),
  );
  expect(bad).toEqual([]);
});

test('the wire imports only shared/std, and shared/std only node and one vendor a file', () => {
  const bad = offenders(({ path, imports }) => {
    const own = imports.map(({ from }) => from).filter((from) => from.startsWith('shared/'));
    if (path.startsWith('shared/wire/')) {
      return own.filter((from) => !/^shared\/(wire|std)\//.test(from));
    }
    if (!path.startsWith('shared/std/')) return [];
    const vendors = new Set(imports.flatMap(({ from }) => vendorOf(from) ?? []));
    return [
      ...own.filter((from) => !from.startsWith('shared/std/')),
      ...(vendors.size > 1 ? [`vendors ${[...vendors].join(', ')}`] : []),
    ];
  });
  expect(bad).toEqual([]);
});

/** What a room shows its neighbours: types only. */
const doors = new Set([
  'edge/source/source.ts',
  'edge/buffer/buffer.ts',
  'edge/uplink/uplink-status.ts',
  'central/enrol/enrol.ts',
  'central/landing/landing.ts',
  'central/fleet/fleet.ts',
  'central/fleet/views.ts',
  'central/merge/merge.ts',
  'central/mirror/mirror.ts',
]);
const roomOf = (path: string): string | undefined =>
  /^((?:edge|central)\/[a-z-]+)\//.exec(path)?.[1];

test('rooms meet in the wiring: from a neighbour they take types of its door only', () => {
  const bad = offenders(({ path, imports }) => {
    const room = roomOf(path);
    if (!room) return [];
    return imports
      .filter(({ from }) => roomOf(from) !== undefined && roomOf(from) !== room)
      .filter(({ from, typeOnly }) => !(typeOnly && doors.has(from)))
      .map(({ from }) => from);
  });
  expect(bad).toEqual([]);
});

/** One vendor, one fence. A vendor that is not here may not be used at all. */
const fences: { readonly [vendor: string]: RegExp } = {
  mqtt: /^edge\/source\/mqtt[a-z-]*\.ts$/,
  'mqtt-packet': /^edge\/source\/mqtt[a-z-]*\.ts$/,
  'better-sqlite3': /^(edge\/buffer\/|central\/landing\/embedded)/,
  hono: /^(central\/intake\/|central\/status\/|edge\/source\/http|edge\/status)/,
  '@hono/node-server': /^(central\/intake\/|central\/status\/|edge\/source\/http|edge\/status)/,
  '@peculiar/x509': /^(central\/enrol\/|edge\/uplink\/credential)/,
  'reflect-metadata': /^(central\/enrol\/|edge\/uplink\/credential)/,
  pino: /^shared\/std\/log\.ts$/,
  '@node-rs/crc32': /^shared\/std\/crc32c\.ts$/,
  kafkajs: /^shared\/kafka\//,
  'smol-toml': /^shared\/std\/settings[a-z-]*\.ts$/,
  '@prometheus-io/client': /^shared\/std\/metrics\.ts$/,
};

test('every vendor stays behind its fence', () => {
  const bad = offenders(({ path, imports }) =>
    imports.flatMap(({ from }) => {
      const vendor = vendorOf(from);
      return vendor === undefined || fences[vendor]?.test(path) ? [] : [vendor];
    }),
  );
  expect(bad).toEqual([]);
});

test('no file imports itself over others', () => {
  const edges = new Map(
    sources.map(({ path, imports }) => [
      path,
      imports.filter(({ typeOnly }) => !typeOnly).map(({ from }) => from),
    ]),
  );
  const cycles: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: string[]): void => {
    if (trail.includes(path)) {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const next of edges.get(path) ?? []) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) walk(path, []);
  expect(cycles).toEqual([]);
});

test('only std/clock.ts reads the time', () => {
  const reads =
    /\bDate\.now\b|\bperformance\.now\b|\bnew Date\(\)|(?<![.\w])setTimeout\(|(?<![.\w])setInterval\(|\bhrtime\b/g;
  expect(matches(reads, /^shared\/std\/clock\.ts$/)).toEqual([]);
});

test('only config.ts, the launchers and packaging read the environment', () => {
  expect(matches(/\bprocess\.env\b/g, /(^|\/)(config|main|cli)\.ts$|^packaging\//)).toEqual([]);
});

test('only main.ts and cli.ts end the process', () => {
  expect(matches(/\bprocess\.exit\(/g, /(^|\/)(main|cli)\.ts$|^packaging\//)).toEqual([]);
});

test('no default exports, no barrels, no suppressed types', () => {
  const shape =
    /^export default\b|^export \*|^export \{[^}]*\} from|@ts-(?:ignore|nocheck|expect-error)|\bas any\b/gm;
  expect(matches(shape, /^$/)).toEqual([]);
});

test('names say what a file is', () => {
  const vague = sources.filter(({ path }) => /(utils?|helpers?|manager|common|misc)\b/.test(path));
  const camel = sources.filter(({ path }) => path !== path.toLowerCase());
  expect([...vague, ...camel].map(({ path }) => path)).toEqual([]);
});

test('no file outgrows a reader: 400 lines at most, 100 columns but for long texts', () => {
  const bad = offenders(({ text }) => {
    const lines = text.split('\n');
    const wide = lines.findIndex(
      (line) => line.length > 100 && !/https?:|['"`][^'"`]{25,}|`,$/.test(line),
    );
    return [
      ...(lines.length > 400 ? [`${lines.length} lines`] : []),
      ...(wide >= 0 ? [`line ${wide + 1} has ${lines[wide]!.length} columns`] : []),
    ];
  });
  expect(bad).toEqual([]);
});
