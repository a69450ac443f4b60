/** One HTTP exchange with central: the network, as a seam that a simulation can own. */
export interface Transport {
  /**
   * Rejects with a TransportError when there is no answer; resolves for every status code.
   * `body` is not changed; it may be sent again.
   */
  post(request: TransportRequest): Promise<TransportResponse>;
  close(): void;
}

export interface TransportRequest {
  /** Base address of the central to try, for example `https://central.example:8443`. */
  url: string;
  path: string;
  headers: { readonly [name: string]: string };
  body: Uint8Array;
  /**
   * Gives up when the whole exchange takes longer (half-open links look alive to TCP for minutes).
   */
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface TransportResponse {
  status: number;
  headers: { readonly [name: string]: string };
  body: Uint8Array;
}

export class TransportError extends Error {
  override name = 'TransportError';
}
