import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from './command.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Runs `npm run package` with these options into a new folder and answers it. */
export async function buildPackages(...options: string[]): Promise<string> {
  const out = mkdtempSync(join(tmpdir(), 'tributary-debs-'));
  const script = join(root, 'packaging/build.ts');
  await command(process.execPath, [script, '--out', out, ...options]);
  return out;
}
