import { stripVTControlCharacters } from 'node:util';

/** Text for people on a terminal. */

/** Rows in columns, two spaces apart, the last column as long as it is. */
export function columns(rows: readonly (readonly string[])[], alignRight?: ReadonlySet<number>) {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, cell.length);
    }
  }
  return rows
    .map((row) =>
      row
        .map((cell, index) =>
          alignRight?.has(index) ? cell.padStart(widths[index]!) : cell.padEnd(widths[index]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A table with headings; numbers and sizes stand to the right where `right` says so. */
export function textTable(
  headings: readonly { name: string; right?: boolean }[],
  rows: readonly (readonly string[])[],
): string {
  const right = new Set(headings.flatMap(({ right }, index) => (right ? [index] : [])));
  const safe = rows.map((row) => row.map(printable));
  return columns([headings.map(({ name }) => name), ...safe], right);
}

/** What others wrote may not move the cursor of whoever reads it. */
export const printable = (text: string): string =>
  stripVTControlCharacters(text).replaceAll(/\p{Cc}/gu, '?');

const unknown = '?';

/** 1536 → `1.5 KiB`; null: not known. */
export function showBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return unknown;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let amount = bytes;
  let unit = 0;
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`;
}

/** 75 → `1m 15s`; 0.5 → `0.5s`; null: not known. */
export function showSeconds(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return unknown;
  if (seconds < 10) return `${Math.round(seconds * 10) / 10}s`;
  const whole = Math.round(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  const shown = parts.slice(first, first + 2).filter(([amount]) => amount > 0);
  return shown.map(([amount, unit]) => `${amount}${unit}`).join(' ');
}

/** 1234567 → `1 234 567`; null: not known. */
export function showCount(count: number | null | undefined): string {
  if (count === null || count === undefined) return unknown;
  const [whole, fraction] = String(Math.round(count * 10) / 10).split('.');
  const grouped = whole!.replaceAll(/\B(?=(\d{3})+(?!\d))/g, ' ');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}
