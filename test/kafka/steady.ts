import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { longestGap } from './gaps.ts';
import { javaCommand } from './java.ts';

/** Apache's own producers beside ours: how long the cluster itself lets everybody wait. */
export interface Steady {
  /** The longest time without a commit that one of them had since then, ms. */
  longestGap(sinceMs: number): number;
  close(): Promise<void>;
}

/** One for each partition of the topic. Resolves when each has committed. */
export async function startSteady(
  bootstrap: string,
  topic: string,
  partitions: number,
): Promise<Steady> {
  const args = [bootstrap, topic, String(partitions)];
  const child = spawn('java', await javaCommand('Steady', args), {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = once(child, 'close');
  const times = Array.from({ length: partitions }, (): number[] => []);
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      times[Number(line)]!.push(performance.now());
      if (times.every(({ length }) => length > 0)) resolve();
    });
    ended.then(([code]) => reject(new Error(`Steady ended with ${code}`)), reject);
  });
  return {
    longestGap(sinceMs) {
      if (child.exitCode !== null) throw new Error("Apache's own producers have ended");
      return Math.max(...times.map((one) => longestGap(one, sinceMs)));
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}
