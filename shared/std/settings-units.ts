/** Sizes, durations and rates as settings write them. Bytes and milliseconds inside. */

const sizeUnits: { readonly [unit: string]: number } = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

const durationUnits: { readonly [unit: string]: number } = {
  ms: 1,
  s: 1e3,
  m: 60e3,
  min: 60e3,
  h: 3600e3,
  d: 86_400e3,
  w: 7 * 86_400e3,
};

/** `"10GiB"`, `"100kB"`, `"1.5 MB"` → bytes; undefined when it is no size. */
export function parseSize(text: string): number | undefined {
  const parts = takeApart(text);
  const factor = parts && sizeUnits[parts.unit.toLowerCase()];
  return factor === undefined ? undefined : whole(parts!.amount * factor);
}

/** `"7d"`, `"5s"`, `"250ms"`, `"1h30m"` → milliseconds; undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  const pieces = text.match(/\d+(?:\.\d+)?\s*[a-z]+\s*/g) ?? [];
  if (pieces.length === 0 || pieces.join('') !== text) return undefined;
  let total = 0;
  for (const piece of pieces) {
    const parts = takeApart(piece.trim());
    const factor = parts && durationUnits[parts.unit];
    if (factor === undefined) return undefined;
    total += parts!.amount * factor;
  }
  return whole(total);
}

/**
 * `"500kB/s"`, `"2MiB/s"`, and in bits `"16Mbit/s"` → bytes per second; undefined when it is no
 * rate.
 */
export function parseRate(text: string): number | undefined {
  const perSecond = /^(.*?)\s*\/\s*s$/.exec(text)?.[1];
  if (perSecond === undefined) return undefined;
  const bits = /^(.*?)bits?$/i.exec(perSecond)?.[1];
  if (bits === undefined) return parseSize(perSecond);
  const bytes = parseSize(`${bits}B`);
  return bytes === undefined ? undefined : whole(bytes / 8);
}

/** The largest unit that gives the size exactly, for documentation: 10737418240 → `10GiB`. */
export function showSize(bytes: number): string {
  for (const [unit, factor] of [
    ['TiB', 2 ** 40],
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (bytes > 0 && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return `${bytes}B`;
}

function takeApart(text: string): { amount: number; unit: string } | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text);
  return match ? { amount: Number(match[1]), unit: match[2]! } : undefined;
}

/** Rounded; undefined when it is beyond what a number holds exactly. */
function whole(amount: number): number | undefined {
  const rounded = Math.round(amount);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}
