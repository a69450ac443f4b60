/** The longest time between two of `times`, or with none until now, since `sinceMs`. */
export function longestGap(times: readonly number[], sinceMs: number): number {
  const all = [sinceMs, ...times.filter((at) => at > sinceMs), performance.now()];
  return Math.max(...all.slice(1).map((at, i) => at - all[i]!));
}
