/** The `http` source: other programs post records to us. */
export interface HttpSettings {
  type: 'http';
  /** Unique on this edge; `http:<listen>` unless set. */
  name: string;
  /** `host:port`; port 0 picks a free one. */
  listen: string;
  /** Topics that may be written, names or globs (`*` and `?`); absent: any. */
  topics?: readonly string[];
  /** What `Authorization: Bearer …` has to say; absent: nobody is asked. */
  token?: string;
  /** Largest request body, bytes; {@link httpDefaults} unless set. */
  maxBodyBytes?: number;
}

export const httpDefaults = { maxBodyBytes: 8 * 1024 * 1024 } as const;
