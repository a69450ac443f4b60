import { byId, h, setAttribute, setText } from './dom.js';
import { bytes, count, duration, lagWords, rate, stateWords } from './format.js';
import { stateIcon } from './icons.js';

/** The fleet at a glance: a row of tiles, and the chips that filter the sites by state. */

const names = ['Sites', 'Furthest behind', 'Landing now', 'Declared lost', 'Landing disk'];

export function tiles() {
  const parts = names.map((name) => {
    const big = h('span', { class: 'tile-big' });
    const small = h('span', { class: 'soft' });
    byId('tiles').append(h('div', { class: 'tile' }, h('h2', {}, name), big, small));
    return (words, detail, bad = false) => {
      setText(big, words);
      setText(small, detail);
      setAttribute(big, 'data-bad', bad);
    };
  });
  const [sites, worst, pace, lost, disk] = parts;
  return (edges, central, { now, stale }) => {
    const down = edges.filter(needsLook).length;
    sites(count(edges.length), down === 0 ? 'all reporting' : `${count(down)} need a look`);
    const behind = furthest(edges);
    const said = behind && lagWords(behind, now, stale);
    worst(
      said?.words ?? 'none',
      behind ? `${behind.alias}${said.detail && `, ${said.detail}`}` : '',
    );
    const sum = (of) => edges.reduce((total, edge) => total + of(edge), 0);
    const perSecond = sum(({ rates }) => rates.bytesPerSecond);
    pace(
      `${rate(sum(({ rates }) => rates.recordsPerSecond))} /s`,
      `${bytes(Math.round(perSecond))}/s`,
    );
    const losses = sum((edge) => edge.losses.records);
    lost(
      count(losses),
      losses === 0
        ? 'nothing'
        : `at ${count(edges.filter((edge) => edge.losses.records > 0).length)} of the sites`,
      losses > 0,
    );
    const { kind, usedBytes = null, maxBytes = null } = central?.landing ?? {};
    if (kind === 'kafka') disk('Kafka', 'its brokers keep the records');
    else disk(bytes(usedBytes), maxBytes === null ? '' : `of ${bytes(maxBytes)}`);
  };
}

/** A site that catches up helps itself; one with an alarm does not. */
export const needsLook = ({ state, alarms }) =>
  alarms.length > 0 || (state !== 'live' && state !== 'catching-up');

/** The largest lag that is known; sites that never came have none to compare. */
function furthest(edges) {
  let found;
  for (const edge of edges) {
    if (edge.lag.seconds === null || (edge.lag.records === 0 && !edge.lag.atLeast)) continue;
    if (found === undefined || edge.lag.seconds > found.lag.seconds) found = edge;
  }
  return found;
}

/** Toggles that narrow the table to some states. `onChange(set)`; an empty set means all. */
export function stateChips(onChange) {
  const chosen = new Set();
  const chips = Object.entries(stateWords).map(([state, words]) => {
    const number = h('span', { class: 'chip-number' });
    const attributes = {
      class: 'chip',
      'data-state': state,
      'aria-pressed': 'false',
      hidden: true,
    };
    const node = h('button', attributes, stateIcon(state), number, ` ${words}`);
    node.addEventListener('click', () => {
      if (!chosen.delete(state)) chosen.add(state);
      setAttribute(node, 'aria-pressed', String(chosen.has(state)));
      onChange(chosen);
    });
    byId('chips').append(node);
    return { state, node, number };
  });
  return (edges) => {
    for (const { state, node, number } of chips) {
      const n = edges.filter((edge) => edge.state === state).length;
      setText(number, count(n));
      node.hidden = n === 0 && !chosen.has(state);
    }
  };
}

/** One sentence for those who listen: `3 sites: 2 live, 1 offline`. */
export function spoken(edges) {
  const parts = Object.entries(stateWords).flatMap(([state, words]) => {
    const n = edges.filter((edge) => edge.state === state).length;
    return n === 0 ? [] : [`${n} ${words}`];
  });
  const sites = `${edges.length} site${edges.length === 1 ? '' : 's'}`;
  return parts.length === 0 ? 'No sites' : `${sites}: ${parts.join(', ')}`;
}

/** How long central runs and where sites connect to. */
export function about(central, now) {
  const runs = duration((now - Date.parse(central.startedAt)) / 1000);
  const link = central.linkUrl === null ? '' : ` · sites connect to ${central.linkUrl}`;
  return `Tributary ${central.version} · running for ${runs}${link}`;
}
