import { setAttribute, svg } from './dom.js';
import { duration } from './format.js';

/** What this page has seen of each site's lag: the last five minutes, kept in the page only. */

const windowMs = 5 * 60_000;
/** A page just opened shows less, so that its line is one. */
const windowMsMin = 20_000;
const stepMs = 2_000;
const width = 120;
const height = 26;
/** A lag below this is drawn as a low line, so that seconds do not look like mountains. */
const scaleSecondsMin = 10;

export class LagHistory {
  #sites = new Map();

  /** `at`: central's clock, ms. */
  take(edge, at) {
    const points = this.#sites.get(edge.alias) ?? [];
    this.#sites.set(edge.alias, points);
    const last = points.at(-1);
    if (edge.lag.seconds === null || (last && at - last.at < stepMs)) return;
    points.push({ at, seconds: edge.lag.seconds, atLeast: edge.lag.atLeast });
    while (points[0].at < at - windowMs) points.shift();
  }

  points(alias) {
    return this.#sites.get(alias) ?? [];
  }

  forget(alias) {
    this.#sites.delete(alias);
  }
}

/** A small line of lag over time; dashed where it is only a lower bound. */
export function sparkline() {
  const sure = svg('path', { class: 'spark-sure' });
  const bound = svg('path', { class: 'spark-bound' });
  const area = svg('path', { class: 'spark-area' });
  const title = svg('title');
  const node = svg(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, class: 'spark', role: 'img' },
    title,
    area,
    sure,
    bound,
  );
  const update = (points, now) => {
    const worst = points.reduce((most, { seconds }) => Math.max(most, seconds), 0);
    const scale = Math.max(scaleSecondsMin, worst);
    const span = Math.min(windowMs, Math.max(windowMsMin, now - (points[0]?.at ?? now)));
    const x = (at) => round(width - 2 - ((now - at) / span) * (width - 4));
    const y = ({ seconds }) => round(height - 2 - (seconds / scale) * (height - 5));
    setAttribute(sure, 'd', line(points, x, y, false));
    setAttribute(bound, 'd', line(points, x, y, true));
    setAttribute(area, 'd', closed(points, x, y));
    const words = `Lag over the last ${duration(span / 1000)}: up to ${duration(worst)}`;
    if (title.textContent !== words) title.textContent = words;
  };
  return { node, update };
}

const round = (n) => Math.round(n * 10) / 10;

/** The segments whose end is a lower bound, or those whose end is sure. */
function line(points, x, y, atLeast) {
  let path = '';
  points.forEach((point, n) => {
    const from = points[n - 1];
    if (from === undefined || point.atLeast !== atLeast) return;
    const joins = n >= 2 && from.atLeast === atLeast;
    if (!joins) path += `M${x(from.at)} ${y(from)}`;
    path += `L${x(point.at)} ${y(point)}`;
  });
  return path;
}

function closed(points, x, y) {
  if (points.length < 2) return '';
  const top = points.map((point) => `${x(point.at)} ${y(point)}`).join('L');
  return `M${x(points[0].at)} ${height}L${top}L${x(points.at(-1).at)} ${height}Z`;
}
