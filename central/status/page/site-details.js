import { h, keyedList, setAttribute, setText } from './dom.js';
import { getJson } from './feed.js';
import { at, bytes, count, duration } from './format.js';

/** What is behind a site's row: its counts, sources, streams and losses. */

const streamsEveryMs = 3_000;
const streamsShown = 50;
const lossesShown = 10;

export function siteDetails(alias, span, view) {
  const facts = h('dl', { class: 'facts' });
  const sources = listOf('Sources', ['Source', 'State', 'Accepted', 'Detail'], sourceCells);
  const streams = listOf(
    'Streams',
    ['Topic', 'Partition', 'Landed through', 'Head', 'Backlog'],
    (s) => streamCells(s),
  );
  const losses = listOf('Losses', ['Landed', 'Topic', 'Records', 'Reason', 'Detail'], (loss) =>
    lossCells(loss, view().now),
  );
  const trouble = h('p', { class: 'trouble', role: 'status' });
  const inside = h(
    'div',
    { class: 'details' },
    facts,
    trouble,
    sources.node,
    streams.node,
    losses.node,
  );
  const node = h(
    'tr',
    { role: 'row', class: 'details-row' },
    h('td', { role: 'cell', colspan: span }, inside),
  );
  const syncFacts = keyedList(facts, ([name]) => name, factPart);
  let lost;

  const load = async (what) => {
    try {
      await what();
      setText(trouble, '');
    } catch (error) {
      setText(trouble, `Could not be read just now: ${error.message}`);
    }
  };
  const loadStreams = () =>
    load(async () => {
      const { streams: found } = await getJson(`/api/v1/edges/${encodeURIComponent(alias)}`);
      streams.show(found.slice(0, streamsShown), more(found.length - streamsShown));
    });
  const loadLosses = () =>
    load(async () => {
      const path = `/api/v1/losses?limit=10000&alias=${encodeURIComponent(alias)}`;
      const { losses: found, truncated } = await getJson(path);
      const left = found.length - lossesShown;
      const note = truncated ? 'and newer ones; see /api/v1/losses' : more(left, 'older');
      losses.show(found.slice(-lossesShown).reverse(), note);
    });
  const update = (edge) => {
    syncFacts(factsOf(edge, view().now));
    sources.show(edge.sources, '');
    if (lost !== edge.losses.records) {
      lost = edge.losses.records;
      if (lost > 0) loadLosses();
    }
  };
  const timer = setInterval(() => document.hidden || loadStreams(), streamsEveryMs);
  loadStreams();
  return { node, update, close: () => clearInterval(timer) };
}

const more = (n, kind = 'more') => (n > 0 ? `and ${count(n)} ${kind}` : '');

function factsOf(edge, now) {
  const { accepted, landed, backlog, lost } = edge.counts;
  const offset = edge.clockOffsetSeconds;
  const heartbeat = edge.lastHeartbeatAt;
  return [
    [
      'Records',
      `${count(accepted)} accepted = ${count(landed)} landed + ${count(backlog)} backlog + ${count(lost)} lost`,
    ],
    ['Last heartbeat', heartbeat === null ? 'none' : at(Date.parse(heartbeat), now)],
    ['Its clock', offset === null ? 'unknown' : clockWords(offset)],
    ['Agent', edge.version ?? 'unknown'],
    ['Epoch', edge.epoch ?? 'none'],
  ];
}

function clockWords(seconds) {
  if (Math.abs(seconds) < 1) return 'agrees with central';
  return `${duration(Math.abs(seconds))} ${seconds > 0 ? 'ahead of' : 'behind'} central`;
}

function factPart([name]) {
  const value = h('dd');
  const node = h('div', {}, h('dt', {}, name), value);
  return { node, update: ([, text]) => setText(value, text) };
}

const sourceCells = (source) => [
  source.name,
  source.state,
  count(source.acceptedRecords),
  source.detail,
];

const streamCells = (stream) => [
  stream.remoteTopic,
  String(stream.partition),
  String(stream.through),
  stream.head === null ? 'unknown' : String(stream.head),
  stream.backlog.records === null
    ? 'unknown'
    : `${count(stream.backlog.records)} (${bytes(stream.backlog.bytes)})`,
];

const lossCells = (loss, now) => [
  at(Date.parse(loss.landedAt), now),
  loss.topic,
  loss.records === 0 && loss.scope === 'source' ? 'not known' : count(loss.records),
  loss.reason,
  loss.detail,
];

/** A small table with a heading, hidden while it is empty. Rows are few and plain: written anew. */
function listOf(title, columns, cellsOf) {
  const body = h('tbody');
  const note = h('p', { class: 'soft' });
  const head = h('tr', {}, ...columns.map((column) => h('th', { scope: 'col' }, column)));
  const list = h('table', { class: 'plain' }, h('thead', {}, head), body);
  const node = h(
    'section',
    { hidden: true },
    h('h3', {}, title),
    h('div', { class: 'scroll' }, list),
    note,
  );
  let shown = '';
  const show = (items, words) => {
    const rows = items.map(cellsOf);
    const text = JSON.stringify([rows, words]);
    if (text === shown) return;
    shown = text;
    setAttribute(node, 'hidden', items.length === 0);
    setText(note, words);
    body.replaceChildren(
      ...rows.map((cells) => h('tr', {}, ...cells.map((value) => h('td', {}, value)))),
    );
  };
  return { node, show };
}
