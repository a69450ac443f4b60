/**
 * Java's .properties format (java.util.Properties.load): `key = value`, `key: value` or `key value`;
 * `#` and `!` begin comments; a backslash escapes, and at the end of a line goes on with the next.
 */
export interface Property {
  key: string;
  value: string;
  /** Where it begins, from 1. */
  line: number;
}

export class PropertiesError extends Error {
  override name = 'PropertiesError';
}

/** In the order of the file; a key that comes again is there again (the last one counts). */
export function parseProperties(text: string): Property[] {
  return logicalLines(text).map(({ content, line }) => {
    const end = keyEnd(content);
    const value = content.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, '');
    return { key: unescaped(content.slice(0, end), line), value: unescaped(value, line), line };
  });
}

/** Lines joined where a backslash says so, without comments and blank ones. */
function logicalLines(text: string): { content: string; line: number }[] {
  const all: { content: string; line: number }[] = [];
  let open: { content: string; line: number } | undefined;
  for (const [index, raw] of text.split(/\r\n|\r|\n/).entries()) {
    const natural = raw.replace(/^[ \t\f]+/, '');
    if (!open && (natural === '' || natural.startsWith('#') || natural.startsWith('!'))) continue;
    const goesOn = /\\*$/.exec(natural)![0].length % 2 === 1;
    const content = goesOn ? natural.slice(0, -1) : natural;
    open ??= { content: '', line: index + 1 };
    open.content += content;
    if (goesOn) continue;
    all.push(open);
    open = undefined;
  }
  if (open) all.push(open);
  return all;
}

/** A key ends at the first `=`, `:` or white space that is not escaped. */
function keyEnd(content: string): number {
  for (let i = 0; i < content.length; i++) {
    if (content[i] === '\\') i += 1;
    else if (/[=: \t\f]/.test(content[i]!)) return i;
  }
  return content.length;
}

const escapes: { readonly [char: string]: string } = { t: '\t', n: '\n', r: '\r', f: '\f' };

function unescaped(text: string, line: number): string {
  return text.replace(/\\(u[0-9A-Fa-f]{4}|u|.|$)/gs, (_, escaped: string) => {
    if (escaped === 'u') {
      throw new PropertiesError(`line ${line}: "\\u" is not followed by 4 hexadecimal digits`);
    }
    if (escaped.length === 5) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return escapes[escaped] ?? escaped;
  });
}
