import type { Route, StatusParts } from './app.ts';

const patienceMs = 5_000;
/** Probing writes to the disk: callers share one result this long. */
const freshMs = 1_000;

interface Finding {
  ok: boolean;
  message: string;
}

/**
 * `/livez`: the process answers. `/readyz` and `/healthz`: the landing answers and can write,
 * without which nothing can be taken over from an edge. Edges that are down make central neither
 * unhealthy nor unready (DESIGN §1.5).
 */
export function probeRoutes(parts: StatusParts): Route[] {
  const probe = sharedProbe(parts);
  const health: Route['get'] = async (c) => {
    const landing = await probe();
    const status = landing.ok ? 'ok' : 'failing';
    return c.json({ status, version: parts.version, checks: { landing } }, landing.ok ? 200 : 503);
  };
  return [
    { path: '/livez', get: (c) => c.json({ status: 'ok', version: parts.version, checks: {} }) },
    { path: '/readyz', get: health },
    { path: '/healthz', get: health },
  ];
}

function sharedProbe({ landing, clock }: StatusParts): () => Promise<Finding> {
  let current: { at: number; finding: Promise<Finding> } | undefined;
  return () => {
    const now = clock.monotonic();
    if (current === undefined || now - current.at >= freshMs) {
      current = { at: now, finding: probeOnce(landing, clock) };
    }
    return current.finding;
  };
}

async function probeOnce(
  landing: StatusParts['landing'],
  clock: StatusParts['clock'],
): Promise<Finding> {
  const done = new AbortController();
  const late = clock.sleep(patienceMs, done.signal).then(
    () => ({ ok: false, message: `the landing did not answer within ${patienceMs / 1000} s` }),
    () => ({ ok: false, message: 'stopped' }),
  );
  const answer = landing.probe().then(
    () => ({ ok: true, message: 'answers and can write' }),
    (error: Error) => ({ ok: false, message: error.message }),
  );
  const finding = await Promise.race([answer, late]);
  done.abort();
  return finding;
}
