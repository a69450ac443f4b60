import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * `npm run bench -- NAME… [--flag …]` runs test/bench/NAME.ts, one after the other; flags go to
 * each.
 */

const folder = fileURLToPath(new URL('../test/bench/', import.meta.url));
const known = readdirSync(folder)
  .filter((name) => name.endsWith('.ts') && !name.startsWith('bench-'))
  .map((name) => name.slice(0, -'.ts'.length));
const given = process.argv.slice(2);
const firstFlag = given.findIndex((word) => word.startsWith('-'));
const names = firstFlag < 0 ? given : given.slice(0, firstFlag);
const flags = firstFlag < 0 ? [] : given.slice(firstFlag);
const unknown = names.filter((name) => !known.includes(name));

if (names.length === 0 || unknown.length > 0) {
  for (const name of unknown) console.error(`There is no bench "${name}".`);
  console.error(`Usage: npm run bench -- NAME…\nNames: ${known.join(', ') || '(none yet)'}`);
  process.exit(2);
}
for (const name of names) {
  const { status } = spawnSync(process.execPath, [`${folder}${name}.ts`, ...flags], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(1);
}
