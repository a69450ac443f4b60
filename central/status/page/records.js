import { byId, h, setText } from './dom.js';
import { getJson } from './feed.js';
import { at, bytes, count } from './format.js';

/** The records of one topic, newest first. They were written by strangers: text, never markup. */

const pageSize = 50;
const shownLetters = 300;

export function recordsPanel(now) {
  const section = byId('records');
  let state;

  const load = async (move) => {
    const { topic, partition } = state;
    try {
      const { topics } = await getJson('/api/v1/topics');
      const found = topics.find((row) => row.topic === topic);
      const range = found?.offsets.find((row) => row.partition === partition);
      if (range === undefined) throw new Error(`${topic} is no longer there`);
      const from = startOf(move, state.from, range);
      const path = `/api/v1/topics/${encodeURIComponent(topic)}/partitions/${partition}/records`;
      const { records } = await getJson(`${path}?offset=${from}&limit=${pageSize}`);
      if (state.topic !== topic || state.partition !== partition) return;
      state.from = from;
      state.show(records, range);
    } catch (error) {
      state.complain(`Could not be read just now: ${error.message}`);
    }
  };

  const open = (topic) => {
    const first = topic.offsets.find((row) => row.endOffset > row.startOffset) ?? topic.offsets[0];
    state = { topic: topic.topic, partition: first?.partition ?? 0, from: null };
    Object.assign(state, build(section, topic, state, load, now));
    section.hidden = false;
    load('newest');
    section.scrollIntoView({ block: 'start' });
    section.focus({ preventScroll: true });
  };
  return open;
}

function startOf(move, from, { startOffset, endOffset }) {
  const newest = Math.max(startOffset, endOffset - pageSize);
  if (move === 'newest' || from === null) return newest;
  const moved = move === 'older' ? from - pageSize : from + pageSize;
  return Math.max(startOffset, Math.min(newest, moved));
}

function build(section, topic, state, load, now) {
  const title = h('h2', { id: 'records-title' }, topic.topic);
  const where = h('p', { class: 'soft' });
  const trouble = h('p', { class: 'trouble', role: 'status' });
  const body = h('tbody');
  const head = ['Offset', 'Time', 'Key', 'Value', 'Headers'].map((name) =>
    h('th', { scope: 'col' }, name),
  );
  const button = (words, move) => {
    const node = h('button', { class: 'plain-button' }, words);
    node.addEventListener('click', () => (move === 'close' ? close() : load(move)));
    return node;
  };
  const close = () => {
    section.hidden = true;
    section.replaceChildren();
    byId('topics').scrollIntoView({ block: 'nearest' });
  };
  section.replaceChildren(
    h(
      'div',
      { class: 'card-head' },
      title,
      where,
      partitionChoice(topic, state, load),
      button('Older', 'older'),
      button('Newer', 'newer'),
      button('Newest', 'newest'),
      button('Close', 'close'),
    ),
    trouble,
    h(
      'div',
      { class: 'scroll' },
      h('table', { class: 'plain records' }, h('thead', {}, h('tr', {}, ...head)), body),
    ),
  );
  return {
    complain: (words) => setText(trouble, words),
    show: (records, { startOffset, endOffset }) => {
      setText(trouble, records.length === 0 ? 'This partition holds no record.' : '');
      setText(where, `${count(endOffset - startOffset)} offsets, ${startOffset} to ${endOffset}`);
      body.replaceChildren(...records.reverse().map((record) => recordRow(record, now())));
    },
  };
}

function partitionChoice(topic, state, load) {
  if (topic.offsets.length < 2) return null;
  const select = h(
    'select',
    { 'aria-label': 'Partition' },
    ...topic.offsets.map(({ partition }) =>
      h(
        'option',
        { value: partition, selected: partition === state.partition },
        `partition ${partition}`,
      ),
    ),
  );
  select.addEventListener('change', () => {
    state.partition = Number(select.value);
    load('newest');
  });
  return select;
}

function recordRow(record, now) {
  const ms = record.timestamp === null ? null : Date.parse(record.timestamp);
  return h(
    'tr',
    {},
    h('td', { class: 'number' }, String(record.offset)),
    h('td', { title: record.timestamp }, ms === null ? 'none' : at(ms, now)),
    h('td', {}, payload(record.key, record.keyBase64)),
    h('td', { class: 'value' }, payload(record.value, record.valueBase64)),
    h('td', {}, headers(record.headers)),
  );
}

function payload(text, base64) {
  if (base64 !== undefined) {
    const size = bytes(Math.floor((base64.replace(/=+$/, '').length * 3) / 4));
    return long(base64, `${size}, not text; base64: `);
  }
  return text === null ? h('em', { class: 'soft' }, 'null') : long(text, '');
}

/** Long ones are cut and open on demand, so that one record cannot push the others away. */
function long(text, prefix) {
  if (text.length <= shownLetters) return h('code', {}, prefix + text);
  const cut = `${prefix}${text.slice(0, shownLetters)}… (${count(text.length)} characters)`;
  const node = h('details', {}, h('summary', {}, h('code', {}, cut)));
  node.addEventListener('toggle', () => node.append(h('code', {}, text)), { once: true });
  return node;
}

function headers(list) {
  if (list.length === 0) return h('span', { class: 'soft' }, 'none');
  const items = list.map(([name, value]) =>
    h('li', {}, h('b', {}, name), ' ', payload(value?.base64 ? null : value, value?.base64)),
  );
  return h(
    'details',
    {},
    h('summary', {}, count(list.length)),
    h('ul', { class: 'headers' }, ...items),
  );
}
