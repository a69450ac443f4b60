import { cell, h, keyedList, setAttribute, setText, table } from './dom.js';
import { at, bytes, count, duration, lagWords, rate, records, stateWords } from './format.js';
import { stateIcon } from './icons.js';
import { sparkline } from './lag-history.js';
import { siteDetails } from './site-details.js';

/** The table of sites. `show(edges, view)`, view: `{ now, stale, history }`. */

const columns = ['Site', 'State', 'Lag', 'Backlog', 'Rate', 'Buffer', 'Lost'];

export function sitesTable(parent) {
  const node = table('Sites, those in trouble first', columns, 'sites');
  parent.append(node);
  let view;
  // A site is a table body of its own: its row and, when opened, its details.
  const sync = keyedList(
    node,
    (edge) => edge.alias,
    (edge) => siteRow(edge, () => view),
    () => node.tBodies[0] ?? null,
  );
  return (edges, now) => {
    view = now;
    node.hidden = edges.length === 0;
    sync(edges);
  };
}

function siteRow(edge, view) {
  const name = siteCell(edge.alias);
  const state = stateCell();
  const lag = lagCell();
  const backlog = twoLines('Backlog');
  const pace = twoLines('Rate');
  const buffer = bufferCell();
  const lost = twoLines('Lost');
  const cells = [name, state, lag, backlog, pace, buffer, lost];
  const row = h('tr', { role: 'row' }, ...cells.map(({ node }) => node));
  const node = h('tbody', { role: 'rowgroup', class: 'site' }, row);
  let details;
  name.onToggle((open) => {
    details?.close();
    details?.node.remove();
    details = open ? siteDetails(edge.alias, columns.length, view) : undefined;
    if (details) node.append(details.node);
  });
  const update = (next) => {
    setAttribute(node, 'data-state', next.state);
    name.update(next);
    state.update(next, view());
    lag.update(next, view());
    backlog.update(...backlogWords(next.lag, view()));
    const { recordsPerSecond, bytesPerSecond } = next.rates;
    pace.update(`${rate(recordsPerSecond)} /s`, `${bytes(Math.round(bytesPerSecond))}/s`);
    buffer.update(next.buffer);
    lost.update(count(next.losses.records), '');
    setAttribute(lost.node, 'data-bad', next.losses.records > 0);
    details?.update(next);
  };
  return { node, update, gone: () => details?.close() };
}

/** Of a silent site it is what was last heard. */
function backlogWords(lag, { now, stale }) {
  if (lag.records === null) return ['unknown', ''];
  const old = (lag.atLeast || stale) && lag.asOf !== null;
  const heard = old ? `, as of ${at(Date.parse(lag.asOf), now)}` : '';
  return [records(lag.records), `${bytes(lag.bytes)}${heard}`];
}

function siteCell(alias) {
  const button = h('button', { class: 'site-name', 'aria-expanded': 'false' }, alias);
  const alarms = h('ul', { class: 'alarms' });
  const sync = keyedList(
    alarms,
    (alarm) => alarm,
    (alarm) => ({ node: h('li', {}, alarm), update() {} }),
  );
  return {
    node: h('th', { role: 'rowheader', scope: 'row' }, button, alarms),
    update: (edge) => sync([...new Set(edge.alarms)]),
    onToggle: (toggle) =>
      button.addEventListener('click', () => {
        const open = button.getAttribute('aria-expanded') !== 'true';
        setAttribute(button, 'aria-expanded', String(open));
        toggle(open);
      }),
  };
}

function stateCell() {
  const badge = h('span', { class: 'badge' });
  const since = h('span', { class: 'soft' });
  let shown;
  const update = ({ state, stateSince }, { now }) => {
    if (shown !== state) {
      shown = state;
      setAttribute(badge, 'data-state', state);
      badge.replaceChildren(stateIcon(state), stateWords[state] ?? state);
    }
    const ms = Date.parse(stateSince);
    setText(since, state === 'never-seen' ? '' : `for ${duration((now - ms) / 1000)}`);
    setAttribute(since, 'title', `since ${at(ms, now)}`);
  };
  return { node: cell('State', badge, since), update };
}

function lagCell() {
  const words = h('span', { class: 'lag-words' });
  const detail = h('span', { class: 'soft' });
  const spark = sparkline();
  const update = (edge, { now, stale, history }) => {
    const said = lagWords(edge, now, stale);
    setText(words, said.words);
    setText(detail, said.detail);
    setAttribute(words, 'data-sure', said.detail === '' ? 'yes' : 'no');
    spark.update(history.points(edge.alias), now);
  };
  const text = h('span', { class: 'lines' }, words, detail);
  return { node: cell('Lag', h('span', { class: 'lag' }, text, spark.node)), update };
}

function twoLines(label) {
  const first = h('span', { class: 'number' });
  const second = h('span', { class: 'soft' });
  const update = (one, two) => {
    setText(first, one);
    setText(second, two);
  };
  return { node: cell(label, first, second), update };
}

function bufferCell() {
  const bar = h('meter', { min: '0', max: '1', low: '0.7', high: '0.9', optimum: '0' });
  const words = h('span', { class: 'soft' });
  const eta = h('span', { class: 'soft warn' });
  const update = ({ usedBytes, maxBytes, etaFullSeconds }) => {
    const known = usedBytes !== null && maxBytes !== null && maxBytes > 0;
    bar.hidden = !known;
    bar.value = known ? usedBytes / maxBytes : 0;
    setAttribute(bar, 'aria-label', known ? `${Math.round(bar.value * 100)} % full` : null);
    setText(words, known ? `${bytes(usedBytes)} of ${bytes(maxBytes)}` : 'unknown');
    setText(eta, etaFullSeconds === null ? '' : `full in ${duration(etaFullSeconds)}`);
  };
  return { node: cell('Buffer', bar, words, eta), update };
}
