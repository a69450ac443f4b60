import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { listenHttp } from '#shared/std/http-server.ts';
import type { SourceContext } from './source/source.ts';
import { type StatusEnv, type StatusParts, statusApp } from './status-app.ts';
import { sharedProbe } from './status-probe.ts';
import type { StatusSubject } from './status-snapshot.ts';

export interface StatusOptions extends StatusSubject {
  /** `host:port`, loopback only (config.ts holds that); port 0 picks a free one. */
  listen: string;
  context: SourceContext;
}

export interface Status {
  /** `http://127.0.0.1:8081`, without a slash at the end. */
  url: string;
  /** Finishes requests in flight. Idempotent. */
  close(): Promise<void>;
}

const closeDeadlineMs = 2_000;

/** The app without a socket, for tests and for {@link openStatus}. */
export function createStatus(
  options: StatusSubject & Pick<StatusParts, 'context'>,
): Hono<StatusEnv> {
  const { buffer, clock } = options;
  return statusApp({
    ...options,
    startedAt: clock.monotonic(),
    probe: sharedProbe(buffer, clock),
  });
}

/** Listens; rejects with a ListenError or RangeError that names `status.listen`. */
export async function openStatus(options: StatusOptions): Promise<Status> {
  const answer = getRequestListener(createStatus(options).fetch);
  const server = await listenHttp({
    listen: options.listen,
    setting: 'status.listen',
    listener: (request, response) => void answer(request, response),
  });
  return { url: server.url, close: () => server.close(closeDeadlineMs) };
}
