import {
  nearestName,
  type Origin,
  type SettingsProblem,
  showValue,
  soundsSecret,
} from './settings-problem.ts';
import type {
  AnySpec,
  AnyValueSpec,
  ChoiceSpec,
  ListSpec,
  ReadOf,
  TableSpec,
} from './settings-spec.ts';
import type { SettingsNode, TableNode } from './settings-tree.ts';

/**
 * Reads a tree by its declaration. Every problem is added to `problems`; a value that is wrong
 * reads as its default (undefined where it has none), so that later checks can go on looking.
 */
export function checkTree<S extends TableSpec>(
  spec: S,
  tree: TableNode,
  problems: SettingsProblem[],
): ReadOf<S> {
  return new TreeCheck(problems).table(spec, tree, '', tree.origin) as ReadOf<S>;
}

const join = (path: string, key: string): string => (path === '' ? key : `${path}.${key}`);

class TreeCheck {
  readonly #problems: SettingsProblem[];

  constructor(problems: SettingsProblem[]) {
    this.#problems = problems;
  }

  table(spec: TableSpec, node: SettingsNode | undefined, path: string, above: Origin): object {
    return this.#fields(spec, node, path, above, []);
  }

  #fields(
    spec: TableSpec,
    node: SettingsNode | undefined,
    path: string,
    above: Origin,
    alsoKnown: string[],
  ): { [key: string]: unknown } {
    if (node !== undefined && node.kind !== 'table') {
      const last = path.split('.').at(-1);
      this.#add(node, path, `must be a table, written as [${path}] or ${last} = { … }`);
    }
    const entries = node?.kind === 'table' ? node.entries : new Map<string, SettingsNode>();
    const origin = node?.origin ?? above;
    const known = [...Object.keys(spec.fields), ...alsoKnown];
    for (const [key, inner] of entries) {
      if (!known.includes(key)) this.#unknown(key, inner, path, known);
    }
    const value: { [key: string]: unknown } = {};
    for (const [key, field] of Object.entries(spec.fields)) {
      value[key] = this.#read(field, entries.get(key), join(path, key), origin);
    }
    return value;
  }

  #read(spec: AnySpec, node: SettingsNode | undefined, path: string, above: Origin): unknown {
    switch (spec.kind) {
      case 'value':
        return this.#value(spec, node, path, above);
      case 'table':
        return this.table(spec, node, path, above);
      case 'list':
        return this.#list(spec, node, path);
      case 'choice':
        return this.#choice(spec, node, path, above);
    }
  }

  #value(spec: AnyValueSpec, node: SettingsNode | undefined, path: string, above: Origin): unknown {
    const fallback = spec.default === undefined ? undefined : read(spec, spec.default);
    if (node === undefined) {
      if (spec.required) this.#missing(spec, path, above);
      return fallback;
    }
    if (node.kind !== 'leaf') {
      this.#add(node, path, `must be ${spec.type.expects}, not a table`);
      return fallback;
    }
    const raw = node.isText ? (spec.type.fromText?.(String(node.value)) ?? node.value) : node.value;
    const outcome = spec.type.read(raw);
    const problem = typeof outcome === 'string' ? outcome : spec.check?.(outcome.value);
    if (problem === undefined && typeof outcome !== 'string') return outcome.value;
    this.#add(node, path, problem ?? '', spec.secret ? '(not shown)' : showValue(node.value));
    return fallback;
  }

  #list(spec: ListSpec, node: SettingsNode | undefined, path: string): unknown[] {
    if (node === undefined || (node.kind === 'leaf' && isEmptyArray(node.value))) return [];
    if (node.kind !== 'list') {
      this.#add(node, path, `must be tables, each written under its own [[${path}]]`);
      return [];
    }
    return node.items.map((item, index) =>
      this.#read(spec.item, item, `${path}[${index}]`, node.origin),
    );
  }

  #choice(spec: ChoiceSpec, node: SettingsNode | undefined, path: string, above: Origin): unknown {
    const typeNode = node?.kind === 'table' ? node.entries.get('type') : undefined;
    const raw = typeNode === undefined ? spec.defaultType : leafValue(typeNode);
    const chosen = typeof raw === 'string' && Object.hasOwn(spec.choices, raw) ? raw : undefined;
    if (chosen !== undefined) {
      const fields = this.#fields(spec.choices[chosen]!, node, path, above, ['type']);
      return { type: chosen, ...fields };
    }
    const key = join(path, 'type');
    const known = Object.keys(spec.choices);
    if (typeNode === undefined) {
      const message = `is missing; must be ${known.map((name) => `"${name}"`).join(' or ')}`;
      this.#problems.push({ origin: node?.origin ?? above, key, message, isAbsence: true });
    } else {
      const near = typeof raw === 'string' ? nearestName(raw, known) : undefined;
      const message = `must be ${known.map((name) => `"${name}"`).join(' or ')}${didYouMean(near)}`;
      this.#add(typeNode, key, message, showValue(raw));
    }
    return undefined;
  }

  #unknown(key: string, node: SettingsNode, path: string, known: string[]): void {
    const near = nearestName(key, known);
    const hidden = soundsSecret(key) || (near !== undefined && soundsSecret(near));
    const message = near
      ? `there is no such setting${didYouMean(near)}`
      : `there is no such setting; known here: ${known.join(', ')}`;
    const value = node.kind === 'leaf' && !hidden ? showValue(node.value) : undefined;
    this.#problems.push({ origin: node.origin, key: join(path, key), value, message });
  }

  #missing(spec: AnyValueSpec, path: string, above: Origin): void {
    const example = spec.example ? `, for example ${path.split('.').at(-1)} = ${spec.example}` : '';
    const message = `is missing and has no default; set it${example} (${spec.doc})`;
    this.#problems.push({ origin: above, key: path, message, isAbsence: true });
  }

  #add(node: SettingsNode | undefined, key: string, message: string, value?: string): void {
    this.#problems.push({ origin: node?.origin ?? null, key, value, message });
  }
}

const didYouMean = (near: string | undefined): string => (near ? `; did you mean "${near}"?` : '');

const leafValue = (node: SettingsNode): unknown => (node.kind === 'leaf' ? node.value : undefined);

const isEmptyArray = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

/** A default, which a test proves to be good. */
function read(spec: AnyValueSpec, raw: unknown): unknown {
  const outcome = spec.type.read(raw);
  if (typeof outcome === 'string') throw new TypeError(`default ${showValue(raw)} ${outcome}`);
  return outcome.value;
}
