import { byId, cell, h, keyedList, setAttribute, setText, table } from './dom.js';
import { getJson } from './feed.js';
import { count, recordCount } from './format.js';

/** The topics at central. `onOpen(topic)` when one is chosen. */

const everyMs = 5_000;
const shownMax = 100;

export function topicsTable(onOpen) {
  const node = table('Topics at central', ['Topic', 'Kind', 'Partitions', 'Records'], 'topics');
  const body = h('tbody', { role: 'rowgroup' });
  const note = h('p', { class: 'soft note' });
  node.append(body);
  byId('topics-body').append(node, note);
  let topics = [];
  const sync = keyedList(body, ({ topic }) => topic, topicRow);

  const show = () => {
    const wanted = byId('topic-filter').value.trim().toLowerCase();
    const found = topics.filter(({ topic }) => topic.toLowerCase().includes(wanted));
    sync(found.slice(0, shownMax));
    node.hidden = found.length === 0;
    byId('no-topics').hidden = topics.length > 0;
    setText(note, noteOf(topics.length, found.length));
  };
  const load = async () => {
    if (document.hidden) return;
    try {
      ({ topics } = await getJson('/api/v1/topics'));
      topics.sort((a, b) => rank[a.kind] - rank[b.kind] || (a.topic < b.topic ? -1 : 1));
      show();
    } catch {
      // The head of the page says already that central does not answer.
    }
  };
  byId('topic-filter').addEventListener('input', show);
  // Topics are named in the table of flows too.
  document.addEventListener('click', ({ target }) => {
    const name = target.closest?.('.topic-link')?.dataset.topic;
    if (name === undefined) return;
    const topic = topics.find(({ topic }) => topic === name);
    if (topic) onOpen(topic);
  });
  setInterval(load, everyMs);
  load();
}

const rank = { merged: 0, remote: 1, internal: 2 };

function noteOf(all, found) {
  if (found > shownMax) return `and ${count(found - shownMax)} more; type to find one`;
  return all > 0 && found === 0 ? 'No topic has this in its name.' : '';
}

function topicRow({ topic }) {
  const name = h('button', { class: 'topic-link', 'data-topic': topic }, topic);
  const troubles = h('ul', { class: 'alarms' });
  const syncTroubles = keyedList(
    troubles,
    (trouble) => trouble,
    (trouble) => ({ node: h('li', {}, trouble), update() {} }),
  );
  const kind = h('span', { class: 'kind' });
  const partitions = h('span', { class: 'number' });
  const many = h('span', { class: 'number' });
  const node = h(
    'tr',
    { role: 'row' },
    h('th', { role: 'rowheader', scope: 'row' }, name, troubles),
    cell('Kind', kind),
    cell('Partitions', partitions),
    cell('Records', many),
  );
  const update = (row) => {
    syncTroubles(row.troubles);
    setText(kind, row.kind);
    setAttribute(kind, 'data-kind', row.kind);
    setText(partitions, count(row.partitions));
    setText(many, recordCount(row));
  };
  return { node, update };
}
