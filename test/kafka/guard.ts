import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Ends brokers and removes their folder when the test process ends, however it ends: a shell that
 * waits for the end of its input, which the system closes even after a `kill -9`. SIGKILL, as a
 * broker may be stopped just then.
 */
const script = `
pids=
while read -r word pid; do
  case $word in
    add) pids="$pids $pid" ;;
    gone) left=; for p in $pids; do [ "$p" = "$pid" ] || left="$left $p"; done; pids=$left ;;
  esac
done
[ -z "$pids" ] || { kill -KILL $pids; sleep 0.3; }
rm -rf "$1"
`;

export class Guard {
  readonly #shell: ChildProcess;

  constructor(folder: string) {
    this.#shell = spawn('/bin/sh', ['-c', script, 'guard', folder], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    // Waits for nobody: a test process that forgot to close ends all the same.
    this.#shell.unref();
    (this.#shell.stdin as unknown as { unref(): void }).unref();
    this.#shell.stdin!.on('error', () => {});
  }

  watch(child: ChildProcess): void {
    this.#shell.stdin!.write(`add ${child.pid}\n`);
    child.once('exit', () => this.#shell.stdin!.write(`gone ${child.pid}\n`));
  }

  /** Ends what is left, removes the folder; resolves when both are done. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#shell.exitCode !== null) return resolve();
      this.#shell.ref();
      this.#shell.once('exit', () => resolve());
      this.#shell.stdin!.end();
    });
  }
}
