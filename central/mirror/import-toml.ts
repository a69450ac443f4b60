export type TomlValue = string | number | boolean | readonly string[] | TomlTable | undefined;
/** What is undefined is left out. */
export interface TomlTable {
  [key: string]: TomlValue;
}

/** A settings file: a heading for people, then tables with their headings (`[link]`). */
export function tomlFile(
  doc: string,
  tables: readonly [heading: string, table: TomlTable][],
): string {
  const parts = tables.map(([heading, table]) =>
    [...(heading === '' ? [] : [heading]), ...linesOf(table)].join('\n'),
  );
  return `# ${doc}\n${parts.join('\n\n')}\n`;
}

const linesOf = (table: TomlTable): string[] =>
  Object.entries(table)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} = ${written(value)}`);

function written(value: TomlValue): string {
  if (Array.isArray(value)) return `[${value.map((item) => JSON.stringify(item)).join(', ')}]`;
  if (typeof value === 'object') return `{ ${linesOf(value as TomlTable).join(', ')} }`;
  // JSON's strings are TOML's basic strings.
  return JSON.stringify(value);
}
