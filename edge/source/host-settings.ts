/** The `host` source: the gateway's own vitals. */
export interface HostSettings {
  type: 'host';
  /** Unique on this edge; `host` unless set. */
  name: string;
  /** {@link hostDefaults} unless set. */
  topic?: string;
  /** Time between two readings, ms; {@link hostDefaults} unless set. */
  intervalMs?: number;
}

export const hostDefaults = { topic: 'host-metrics', intervalMs: 10_000 } as const;
