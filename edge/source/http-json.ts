/**
 * Where the parts of a JSON text are, so that a value can be kept byte for byte as it was sent
 * (parsing and printing again would turn 12345678901234567890 or 1.0 into something else).
 */

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
export const openBracket = 0x5b;
const closeBracket = 0x5d;
export const openBrace = 0x7b;
const closeBrace = 0x7d;

export interface JsonChild {
  /** The member's name as written, quotes included; empty in an array. */
  name: Buffer;
  value: Buffer;
}

/**
 * The array or object does not end where it should; its parts are checked by whoever parses them.
 */
export class JsonShapeError extends Error {
  override name = 'JsonShapeError';
}

/**
 * The elements of an array or the members of an object, one after the other. `json` is trimmed
 * and begins with `[` or `{`. Only the outermost level is looked at: the text as a whole is JSON
 * exactly when every name and every value given here is.
 */
export function* jsonChildren(json: Buffer): Generator<JsonChild> {
  const close = json[0] === openBracket ? closeBracket : closeBrace;
  let depth = 0;
  let start = 1;
  let nameEnd = -1;
  for (let at = 1; at < json.length; at += 1) {
    const byte = json[at]!;
    if (byte === quote) at = stringEnd(json, at);
    else if (byte === openBracket || byte === openBrace) depth += 1;
    else if (depth > 0) {
      if (byte === closeBracket || byte === closeBrace) depth -= 1;
    } else if (byte === colon && nameEnd < 0) nameEnd = at;
    else if (byte === comma) {
      yield child(json, start, nameEnd, at);
      start = at + 1;
      nameEnd = -1;
    } else if (byte === closeBracket || byte === closeBrace) {
      if (byte !== close || at !== json.length - 1) throw new JsonShapeError(`ends at byte ${at}`);
      if (start > 1 || trimJson(json.subarray(1, at)).length > 0) {
        yield child(json, start, nameEnd, at);
      }
      return;
    }
  }
  throw new JsonShapeError('is not closed');
}

function child(json: Buffer, start: number, nameEnd: number, end: number): JsonChild {
  const named = json[0] === openBrace && nameEnd >= 0;
  return {
    name: trimJson(json.subarray(start, named ? nameEnd : start)),
    value: trimJson(json.subarray(named ? nameEnd + 1 : start, end)),
  };
}

/** Index of the quote that closes the string opened at `at`; the length where none does. */
function stringEnd(json: Buffer, at: number): number {
  for (let i = at + 1; i < json.length; i += 1) {
    if (json[i] === backslash) i += 1;
    else if (json[i] === quote) return i;
  }
  return json.length;
}

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

/** Without the white space around it. */
export function trimJson(json: Buffer): Buffer {
  let start = 0;
  let end = json.length;
  while (start < end && isSpace(json[start])) start += 1;
  while (end > start && isSpace(json[end - 1])) end -= 1;
  return json.subarray(start, end);
}

/** How deep brackets nest, strings left out. Cheap, while parsing deep nesting is not. */
export function jsonDepth(json: Buffer): number {
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at]!;
    if (byte === quote) at = stringEnd(json, at);
    else if (byte === openBracket || byte === openBrace) deepest = Math.max(deepest, ++depth);
    else if (byte === closeBracket || byte === closeBrace) depth -= 1;
  }
  return deepest;
}
