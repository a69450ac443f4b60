import { limits } from './limits.ts';

/** Names an alias may not take, because topics with these prefixes have a meaning of their own. */
export const reservedAliases: ReadonlySet<string> = new Set([
  'tributary',
  'heartbeats',
  'mm2-offset-syncs',
]);

const pattern = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;

/** Why `alias` is not one, in words for the person who typed it; undefined when it is fine. */
export function aliasProblem(alias: unknown): string | undefined {
  if (typeof alias !== 'string' || alias === '') return 'must be a name, for example "factory-a"';
  if (alias.length > limits.aliasLength) return `is longer than ${limits.aliasLength} characters`;
  if (alias.includes('.')) return 'must not contain ".", which separates alias and topic';
  if (!pattern.test(alias)) {
    return 'may hold letters, digits, "_" and "-" only, and starts with a letter or digit';
  }
  if (reservedAliases.has(alias)) return 'is reserved';
  return undefined;
}
