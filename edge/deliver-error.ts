/** Why a delivery was not taken; then nothing of it was kept. */
export class DeliverError extends Error {
  readonly code: 'buffer-full' | 'disk-full' | 'bad-topic' | 'too-many-streams' | 'closed' | 'io';
  /** Whether the same delivery may succeed later. */
  readonly canRetry: boolean;

  constructor(code: DeliverError['code'], message: string) {
    super(message);
    this.name = 'DeliverError';
    this.code = code;
    this.canRetry = code === 'buffer-full' || code === 'disk-full' || code === 'io';
  }
}
