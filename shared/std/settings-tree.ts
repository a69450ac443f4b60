import type { Origin } from './settings-problem.ts';

/** What was written, with where it was written, before it is checked against a declaration. */
export type SettingsNode = TableNode | ListNode | LeafNode;

export interface TableNode {
  kind: 'table';
  entries: Map<string, SettingsNode>;
  origin: Origin;
}

/** An array of tables. */
export interface ListNode {
  kind: 'list';
  items: TableNode[];
  origin: Origin;
}

export interface LeafNode {
  kind: 'leaf';
  value: unknown;
  /** Written as bare text, in the environment or on a command line, so that its type is open. */
  isText: boolean;
  origin: Origin;
}

export const emptyTable = (origin: Origin): TableNode => ({
  kind: 'table',
  entries: new Map(),
  origin,
});

/** A parsed TOML document as a tree. `lines` is what `keyLines` found in its text. */
export function treeOf(
  table: { readonly [key: string]: unknown },
  place: string,
  lines: ReadonlyMap<string, number>,
): TableNode {
  const origin = (path: string): Origin => ({ place, line: lines.get(path) ?? null });
  const node = (value: unknown, path: string): SettingsNode => {
    if (isTable(value)) return tableNode(value, path);
    if (Array.isArray(value) && value.length > 0 && value.every(isTable)) {
      const items = value.map((item, index) => tableNode(item, `${path}[${index}]`));
      return { kind: 'list', items, origin: origin(path) };
    }
    return { kind: 'leaf', value, isText: false, origin: origin(path) };
  };
  const tableNode = (value: object, path: string): TableNode => ({
    kind: 'table',
    entries: new Map(
      Object.entries(value).map(([key, inner]) => [
        key,
        node(inner, path ? `${path}.${key}` : key),
      ]),
    ),
    origin: origin(path),
  });
  return tableNode(table, '');
}

const isTable = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** Puts `over` on top of `base`: tables merge, arrays of tables append, anything else replaces. */
export function mergeTables(base: TableNode, over: TableNode): TableNode {
  const entries = new Map(base.entries);
  for (const [key, added] of over.entries) {
    const present = entries.get(key);
    if (present?.kind === 'table' && added.kind === 'table') {
      entries.set(key, mergeTables(present, added));
    } else if (present?.kind === 'list' && added.kind === 'list') {
      entries.set(key, { ...present, items: [...present.items, ...added.items] });
    } else {
      entries.set(key, added);
    }
  }
  return { kind: 'table', entries, origin: base.origin };
}

/** The node at a dotted path such as `source[0].url`, or the nearest one above that was written. */
export function nodeAt(root: TableNode, path: string): SettingsNode {
  let node: SettingsNode = root;
  for (const step of path.split(/[.[]/).filter(Boolean)) {
    const index = /^(\d+)\]$/.exec(step)?.[1];
    const next: SettingsNode | undefined =
      index === undefined
        ? node.kind === 'table'
          ? node.entries.get(step)
          : undefined
        : node.kind === 'list'
          ? node.items[Number(index)]
          : undefined;
    if (next === undefined) return node;
    node = next;
  }
  return node;
}
