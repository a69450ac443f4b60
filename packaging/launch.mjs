// Starts a program's main.ts with Node 24, whatever Node the machine has. Plain JavaScript for any
// Node from 18 on.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

const neededMajor = 24;
const passedOn = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];

/** `main`: URL of the main.ts. Arguments, terminal, signals and exit code are passed through. */
export async function launch(main) {
  if (Number(process.versions.node.split('.')[0]) >= neededMajor) {
    await import(main.href);
    return;
  }
  const node = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  if (!existsSync(node)) {
    const checkout = fileURLToPath(new URL('..', import.meta.url));
    console.error(
      `Tributary needs Node ${neededMajor}; this is ${process.version}, and the bundled one is not ` +
        `installed yet.\nInstall it with: node ${checkout}packaging/setup.mjs`,
    );
    process.exitCode = 1;
    return;
  }
  const child = spawn(node, [fileURLToPath(main), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of passedOn) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`${node} cannot be started: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
}
