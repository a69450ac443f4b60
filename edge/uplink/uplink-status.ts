/**
 * What the uplink says of itself, for status, metrics and the systemd STATUS line. Times ms, null:
 * not yet.
 */
export interface UplinkStatus {
  /**
   * `connected`: all that was asked last was done. `not-landing`: central answers and cannot land
   * what it is sent, heartbeats or records. `waiting`: it does not answer, or not as it should.
   */
  state: 'connecting' | 'connected' | 'not-landing' | 'waiting' | 'adopt-needed' | 'stopped';
  /** The central that is tried or used; null when none is set. */
  url: string | null;
  centralId: string | null;
  lastAckAt: number | null;
  /** The newest failure, in words; null after a success of the same. */
  lastError: string | null;
  /** Since when something fails. */
  failingSince: number | null;
  nextAttemptAt: number | null;
  /** Central's clock minus ours, seconds. */
  clockOffsetSeconds: number | null;
  /** Size that requests aim at now, bytes. */
  requestBytesTarget: number;
  /** Streams that central cannot take just now, and why; they are tried again. */
  held: string[];
  sentBytes: number;
  sentFrames: number;
}
