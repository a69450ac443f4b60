/**
 * Whether a name is matched by one of `patterns`, as a whole: `*` stands for any characters, `?`
 * for one, everything else for itself.
 */
export const globMatcher =
  (patterns: readonly string[]) =>
  (name: string): boolean =>
    patterns.some((pattern) => matches(pattern, name));

/**
 * On a mismatch, only the last star takes one character more: at most pattern × name steps, where a
 * regular expression of many stars would try every way to share the name among them.
 */
function matches(pattern: string, name: string): boolean {
  let p = 0;
  let n = 0;
  let star = -1;
  let starTakes = 0;
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p++;
      starTakes = n;
    } else if (pattern[p] === '?' || pattern[p] === name[n]) {
      p += 1;
      n += 1;
    } else if (star >= 0) {
      p = star + 1;
      n = ++starTakes;
    } else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
}
