import type { CommandIo } from './command-io.ts';
import { showBytes, showCount } from './text-table.ts';

const pauseMs = 200;
const barWidth = 20;

/** A line on a terminal (standard error) that says how far a transfer is; silent anywhere else. */
export class Progress {
  readonly #io: CommandIo;
  readonly #totalBytes: number | null;
  readonly #startedAt: number;
  readonly #stop: () => void;
  readonly #isShown: boolean;
  #bytes = 0;
  #records = 0;

  /** `totalBytes`: null where it is not known. */
  constructor(io: CommandIo, totalBytes: number | null) {
    this.#io = io;
    this.#totalBytes = totalBytes;
    this.#startedAt = io.clock.monotonic();
    this.#isShown = io.stderr.isTTY === true;
    this.#stop = this.#isShown ? io.clock.every(pauseMs, () => this.#draw()) : () => {};
  }

  addBytes(bytes: number): void {
    this.#bytes += bytes;
  }

  set(records: number): void {
    this.#records = records;
  }

  close(): void {
    this.#stop();
    if (!this.#isShown) return;
    this.#draw();
    this.#io.stderr.write('\n');
  }

  #draw(): void {
    const seconds = Math.max(0.001, (this.#io.clock.monotonic() - this.#startedAt) / 1000);
    const rate = `${showCount(Math.round(this.#records / seconds))}/s`;
    const text = `${this.#bar()}${showCount(this.#records)} records  ${rate}`;
    const width = (this.#io.stderr.columns ?? 80) - 1;
    this.#io.stderr.write(`\r${text.slice(0, width).padEnd(width)}`);
  }

  #bar(): string {
    if (this.#totalBytes === null || this.#totalBytes === 0) return `${showBytes(this.#bytes)}  `;
    const share = Math.min(1, this.#bytes / this.#totalBytes);
    const full = Math.round(share * barWidth);
    const bar = '#'.repeat(full) + '-'.repeat(barWidth - full);
    return `[${bar}] ${Math.floor(share * 100)} %  `;
  }
}
