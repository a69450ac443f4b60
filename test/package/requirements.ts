import { spawnSync } from 'node:child_process';

/** Why tests that need `tools` and root cannot run here; undefined when they can. Printed, never silent. */
export function whyNot(tools: readonly string[], more?: string): string | undefined {
  const missing = tools.filter((tool) => spawnSync('which', [tool]).status !== 0);
  const problems = [
    ...(more === undefined ? [] : [more]),
    ...(missing.length > 0 ? [`missing: ${missing.join(', ')}`] : []),
    ...(process.getuid?.() === 0 ? [] : ['needs root']),
    ...(process.platform === 'linux' && process.arch === 'x64' ? [] : ['needs Linux on x64']),
  ];
  if (problems.length === 0) return undefined;
  const reason = `test/package: ${problems.join('; ')}`;
  if (process.env.TRIBUTARY_REQUIRE === 'all') throw new Error(reason);
  console.log(`skipped: ${reason}`);
  return reason;
}
