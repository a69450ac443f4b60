import { byId, setAttribute, setText } from './dom.js';
import { getJson, openFeed } from './feed.js';
import { flowsTable } from './flows.js';
import { at } from './format.js';
import { happenings } from './happenings.js';
import { LagHistory } from './lag-history.js';
import { recordsPanel } from './records.js';
import { sitesTable } from './sites.js';
import { about, needsLook, spoken, stateChips, tiles } from './tiles.js';
import { topicsTable } from './topics.js';

/** The dashboard: what central says goes into `fleet`, and is drawn at most once a frame. */

const fleet = { edges: new Map(), flows: [], central: undefined };
const history = new LagHistory();
const filter = { states: new Set(), text: '' };
/** Central's clock minus this machine's, ms: every age on the page is by central's clock. */
let clockOffset = 0;
let heardAt = null;
let link = 'waiting';
let drawing = false;

const now = () => Date.now() + clockOffset;
const drawSites = sitesTable(byId('sites-body'));
const drawFlows = flowsTable(byId('flows-body'));
const drawTiles = tiles();
const drawChips = stateChips((states) => {
  filter.states = states;
  draw();
});
const { happened, answered } = happenings(now);

function takeEdges({ edges, removed, complete, at: time }) {
  heardAt = Date.parse(time);
  clockOffset = heardAt - Date.now();
  if (complete) fleet.edges = new Map();
  for (const alias of removed) {
    fleet.edges.delete(alias);
    history.forget(alias);
  }
  for (const edge of edges) fleet.edges.set(edge.alias, edge);
  for (const edge of fleet.edges.values()) history.take(edge, heardAt);
  draw();
}

function takeLink(next) {
  if (next === link) return;
  const back = link === 'lost' || link === 'waiting';
  link = next;
  if (back && next !== 'lost') loadCentral();
  draw();
}

async function loadCentral() {
  try {
    fleet.central = await getJson('/api/v1/central');
    draw();
  } catch {
    // The feed finds out by itself that central does not answer, and says so.
  }
}

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    drawAll();
  });
}

function drawAll() {
  const edges = [...fleet.edges.values()].sort(troubleFirst);
  const stale = link === 'lost';
  // What is shown of a central that does not answer stands still: it is from then.
  const view = { now: stale && heardAt !== null ? heardAt : now(), stale, history };
  drawLink(view);
  if (heardAt === null) return;
  drawTiles(edges, fleet.central, view);
  drawChips(edges);
  const shown = edges.filter(wanted);
  drawSites(shown, view);
  drawFlows(fleet.flows, view.now);
  byId('no-flows').hidden = fleet.flows.length > 0;
  answered();
  drawEmpty(edges.length, shown.length);
  document.title = titleOf(edges, stale);
  setText(byId('spoken'), stale ? '' : spoken(edges));
  if (fleet.central) setText(byId('about'), about(fleet.central, view.now));
}

const linkWords = {
  waiting: 'Connecting',
  live: 'Live',
  polling: 'Live, by polling',
  lost: 'No answer',
};

function drawLink(view) {
  setAttribute(byId('link'), 'data-state', link);
  const time = heardAt === null ? '' : ` · ${at(heardAt, view.now)}`;
  setText(byId('link-words'), linkWords[link] + time);
  byId('stale').hidden = link !== 'lost';
  setAttribute(document.body, 'data-stale', link === 'lost');
  if (link !== 'lost') return;
  const since =
    heardAt === null ? '' : ` since ${at(heardAt, view.now)}; what you see is from then`;
  setText(byId('stale'), `Central does not answer${since}. Trying again.`);
}

function drawEmpty(all, shown) {
  const node = byId('no-sites');
  node.hidden = shown > 0;
  if (shown > 0) return;
  const url = fleet.central?.linkUrl;
  const advice = url ? ` Start an edge with central.url = "${url}".` : '';
  setText(node, all === 0 ? `No site has come yet.${advice}` : 'No site is like that.');
}

/** A tab in the background tells too. */
function titleOf(edges, stale) {
  if (stale) return 'No answer · Tributary';
  const down = edges.filter(needsLook).length;
  return down === 0 ? 'Tributary' : `${down} need a look · Tributary`;
}

const trouble = { offline: 0, stalled: 1, 'catching-up': 3, live: 3, 'never-seen': 2 };

/** What needs a person stands on top; within that by name, so that rows keep their place. */
function troubleFirst(a, b) {
  const rank = (edge) => (edge.alarms.length > 0 ? -1 : (trouble[edge.state] ?? 0));
  return rank(a) - rank(b) || a.alias.localeCompare(b.alias, 'en', { numeric: true });
}

const wanted = (edge) =>
  (filter.states.size === 0 || filter.states.has(edge.state)) &&
  edge.alias.toLowerCase().includes(filter.text);

byId('site-filter').addEventListener('input', ({ target }) => {
  filter.text = target.value.trim().toLowerCase();
  draw();
});
topicsTable(recordsPanel(now));
openFeed({
  edges: takeEdges,
  flows: (flows) => {
    fleet.flows = flows;
    draw();
  },
  happened,
  link: takeLink,
});
setInterval(draw, 1_000);
setInterval(() => document.hidden || loadCentral(), 30_000);
