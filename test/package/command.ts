import { spawn } from 'node:child_process';

export interface Ended {
  code: number;
  out: string;
  err: string;
}

/** Runs a command without holding up the test's own event loop; answers however it ended. */
export function attempt(
  file: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? -1, out, err }));
  });
}

/** The same, where anything but success is an error with all that was said. Answers standard output. */
export async function command(
  file: string,
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
): Promise<string> {
  const { code, out, err } = await attempt(file, args, env);
  if (code === 0) return out.trim();
  throw new Error(`${file} ${args.join(' ')}: exit code ${code}\n${out}\n${err}`);
}
