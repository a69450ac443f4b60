import { cell, h, keyedList, setAttribute, setText, table } from './dom.js';
import { count, rate, recordCount, stateWords, watermarkWords } from './format.js';
import { stateIcon } from './icons.js';

/** Merged topics, through when each is complete, and the sites that hold it back. */

const sourcesShown = 6;

export function flowsTable(parent) {
  const columns = ['Topic', 'Complete through', 'Held back by', 'Sites', 'Records', 'Rate'];
  const node = table('Merged topics', columns, 'flows');
  const body = h('tbody', { role: 'rowgroup' });
  node.append(body);
  parent.append(node);
  let now = 0;
  const sync = keyedList(
    body,
    (flow) => flow.into,
    () => flowRow(() => now),
  );
  return (flows, at) => {
    now = at;
    node.hidden = flows.length === 0;
    sync(flows);
  };
}

function flowRow(now) {
  const name = h('button', { class: 'topic-link' });
  const from = h('span', { class: 'soft' });
  const troubles = h('ul', { class: 'alarms' });
  const through = h('span', { class: 'number' });
  const ago = h('span', { class: 'soft' });
  const holders = h('span', { class: 'holders' });
  const sites = h('span', { class: 'number' });
  const many = h('span', { class: 'number' });
  const pace = h('span', { class: 'number' });
  const node = h(
    'tr',
    { role: 'row' },
    h('th', { role: 'rowheader', scope: 'row' }, name, from, troubles),
    cell('Complete through', through, ago),
    cell('Held back by', holders),
    cell('Sites', sites),
    cell('Records', many),
    cell('Rate', pace),
  );
  const syncTroubles = keyedList(
    troubles,
    (trouble) => trouble,
    (trouble) => ({ node: h('li', {}, trouble), update() {} }),
  );
  const syncHolders = keyedList(holders, ({ key }) => key, holderPart);
  const update = (flow) => {
    setText(name, flow.into);
    setAttribute(name, 'data-topic', flow.into);
    setText(from, flow.from.join(', '));
    const said = watermarkWords(flow.watermark, now());
    setText(through, said.words);
    setText(ago, said.detail);
    syncTroubles(troublesOf(flow));
    syncHolders(holdersOf(flow));
    setText(sites, count(new Set(flow.sources.map(({ alias }) => alias)).size));
    setText(many, recordCount(flow));
    setText(pace, `${rate(flow.recordsPerSecond)} /s`);
  };
  return { node, update };
}

/** Copies into it that stand still, and why. */
function troublesOf({ sources }) {
  const troubles = sources
    .filter(({ copy }) => copy !== null && copy.trouble !== null)
    .map(({ remoteTopic, copy }) => `${remoteTopic} is not copied: ${copy.trouble}`);
  return [...new Set(troubles)].slice(0, sourcesShown);
}

/** The first few by name, and how many more: two hundred silent sites are one line too. */
function holdersOf(flow) {
  const states = new Map(flow.sources.map(({ alias, state }) => [alias, state]));
  const named = flow.heldBackBy.slice(0, sourcesShown).map((alias) => ({
    key: `${alias} ${states.get(alias)}`,
    alias,
    state: states.get(alias) ?? 'never-seen',
  }));
  const left = flow.heldBackBy.length - sourcesShown;
  if (left > 0) named.push({ key: `+${left}`, alias: `and ${count(left)} more`, state: null });
  return named;
}

function holderPart({ alias, state }) {
  const node = h('span', { class: 'holder', 'data-state': state }, alias);
  if (state !== null) {
    node.prepend(stateIcon(state));
    setAttribute(node, 'title', `${alias}: ${stateWords[state] ?? state}`);
  }
  return { node, update() {} };
}
