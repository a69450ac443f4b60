import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command } from './command.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** As a release fixes it: a commit made meanwhile must not count as another content. */
const env = { ...process.env, SOURCE_DATE_EPOCH: '1795219200' };

/** Runs `npm run package` with these options into a new folder and answers it. */
export async function buildPackages(...options: string[]): Promise<string> {
  const out = mkdtempSync(join(tmpdir(), 'tributary-debs-'));
  const script = join(root, 'packaging/build.ts');
  await command(process.execPath, [script, '--out', out, ...options], env);
  return out;
}
