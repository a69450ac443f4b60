/**
 * Brings the fleet to the page: server-sent events while they flow, polling while they do not, and a
 * plain statement when neither does.
 */

const silenceMs = 12_000;
const pollMs = 5_000;
const reopenMs = 3_000;
const requestMs = 8_000;

const happenings = ['edge-state', 'hello', 'fork', 'adopt-needed', 'refused', 'loss', 'flow'];

/** Rejects when there is no answer in time or it is not 2xx; the message is for a person. */
export async function getJson(path) {
  const response = await fetch(path, { signal: AbortSignal.timeout(requestMs) });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error?.message ?? `central answered ${response.status}`);
  return body;
}

/**
 * `on.edges({ edges, removed, complete, at })`, `on.flows(flows)`, `on.happened(id, event)`,
 * `on.link('live' | 'polling' | 'lost')`.
 */
export function openFeed(on) {
  let source;
  let heardAt = performance.now();
  let reopenAt = 0;
  let polledAt = Number.NEGATIVE_INFINITY;
  let polling = false;

  const heard = () => {
    heardAt = performance.now();
    on.link('live');
  };

  const open = () => {
    source?.close();
    source = new EventSource('/api/v1/events');
    heardAt = performance.now();
    reopenAt = heardAt + reopenMs;
    const listen = (name, take) =>
      source.addEventListener(name, (message) => {
        heard();
        take(JSON.parse(message.data), message.lastEventId);
      });
    listen('edges', on.edges);
    listen('flows', ({ flows }) => on.flows(flows));
    listen('reset', () => {});
    for (const name of happenings) listen(name, (event, id) => on.happened(id, event));
  };

  const poll = async () => {
    polling = true;
    polledAt = performance.now();
    try {
      const paths = ['/api/v1/edges', '/api/v1/flows', '/api/v1/central'];
      const [{ edges }, { flows }, central] = await Promise.all(paths.map(getJson));
      on.edges({ edges, removed: [], complete: true, at: central.now });
      on.flows(flows);
      if (source.readyState !== EventSource.OPEN) on.link('polling');
    } catch {
      if (source.readyState !== EventSource.OPEN) on.link('lost');
    }
    polling = false;
  };

  const watch = () => {
    if (document.hidden) return;
    const now = performance.now();
    const dead = source.readyState === EventSource.CLOSED || now - heardAt > silenceMs;
    if (dead && now > reopenAt) open();
    const open_ = source.readyState === EventSource.OPEN && now - heardAt < silenceMs;
    if (!open_ && !polling && now - polledAt > pollMs) poll();
  };

  // A browser allows few connections to one host: a page that nobody sees gives its own back.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) source.close();
    else open();
  });
  open();
  setInterval(watch, 500);
}
