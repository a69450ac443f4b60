/** What `GET /api/v1/status` says, every two seconds; as text, never as markup. */

const byId = (id) => document.getElementById(id);
const count = (number) => number.toLocaleString('en');

function size(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let amount = bytes;
  for (; amount >= 1024 && unit < units.length - 1; unit += 1) amount /= 1024;
  return `${unit === 0 ? amount : amount.toFixed(1)} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds === null) return '–';
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

function element(name, text, className = '') {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

/** Cells are text, or `[text, class]`. */
function row(name, cells) {
  const made = document.createElement('tr');
  for (const cell of cells) {
    const [text, className] = Array.isArray(cell) ? cell : [cell];
    made.append(element(name, text, className));
  }
  return made;
}

function table(id, heads, rows, none) {
  const all = [row('th', heads), ...rows.map((cells) => row('td', cells))];
  byId(id).replaceChildren(...(rows.length > 0 ? all : [row('td', [[none, 'dim']])]));
}

const right = (text) => [text, 'n'];

const stateClass = {
  connected: 'good',
  running: 'good',
  degraded: 'mid',
  waiting: 'mid',
  connecting: 'mid',
  starting: 'mid',
  failed: 'bad',
  'not-landing': 'bad',
  'adopt-needed': 'bad',
};

const stateWords = { 'not-landing': 'connected, but central cannot land what it is sent' };

function showCentral({ alias, at, central, version, uptimeSeconds }) {
  document.title = `${alias} · Tributary edge`;
  byId('alias').textContent = alias;
  const state = stateWords[central.state] ?? central.state;
  const where = central.url === null ? 'no central is set' : `${state} · ${central.url}`;
  byId('link').textContent = where;
  byId('link').className = stateClass[central.state] ?? 'dim';
  const ago = (Date.parse(at) - Date.parse(central.lastAckAt)) / 1000;
  const ack = central.lastAckAt === null ? 'none yet' : `${duration(Math.max(0, ago))} ago`;
  const run = `version ${version}, up ${duration(uptimeSeconds)}, last acknowledgement ${ack}`;
  byId('run').textContent = run;
  const failing = (Date.parse(at) - Date.parse(central.failingSince)) / 1000;
  const since = central.failingSince === null ? '' : ` (for ${duration(Math.max(0, failing))})`;
  showTrouble(central.lastError === null ? null : `${central.lastError}${since}`);
}

function showTrouble(text) {
  byId('trouble').hidden = text === null;
  byId('trouble').textContent = text ?? '';
}

function showNumbers({ counts, buffer }) {
  const pending = buffer.lossesPending > 0 ? `${buffer.lossesPending} not told yet` : '';
  const boxes = [
    ['accepted', count(counts.accepted), ''],
    ['acknowledged', count(counts.acknowledged), ''],
    ['backlog', count(counts.backlog), size(buffer.backlogBytes)],
    ['oldest waiting', duration(buffer.oldestSeconds), ''],
    ['lost', count(counts.lost), pending],
  ].map(([name, value, more]) => {
    const box = document.createElement('div');
    const number = element('b', value, name === 'lost' && counts.lost > 0 ? 'bad' : '');
    box.append(element('span', name, 'dim'), number, element('span', more, 'dim'));
    return box;
  });
  byId('numbers').replaceChildren(...boxes);
  const fill = buffer.maxBytes > 0 ? buffer.usedBytes / buffer.maxBytes : 0;
  byId('fill').value = fill;
  const used = `${size(buffer.usedBytes)} of ${size(buffer.maxBytes)}`;
  const waiting = buffer.blocked ? ', a source is waiting for room' : '';
  byId('fill-text').textContent =
    `buffer ${used} (${(100 * fill).toFixed(1)} %), when full: ${buffer.whenFull}${waiting}`;
}

function showTables({ sources, streams, losses }) {
  table(
    'sources',
    ['source', 'state', right('accepted'), 'detail'],
    sources.map(({ name, state, acceptedRecords, detail }) => [
      name,
      [state, stateClass[state] ?? 'dim'],
      right(count(acceptedRecords)),
      detail,
    ]),
    'none',
  );
  const longest = streams.toSorted((a, b) => b.backlogRecords - a.backlogRecords).slice(0, 20);
  table(
    'streams',
    ['topic', ...['partition', 'accepted', 'backlog', 'oldest', 'lost'].map(right)],
    longest.map((stream) => [
      stream.topic,
      right(stream.partition),
      right(count(stream.acceptedRecords)),
      right(count(stream.backlogRecords)),
      right(duration(stream.oldestSeconds)),
      right(count(stream.lostRecords)),
    ]),
    'nothing yet',
  );
  table(
    'losses',
    ['declared', 'topic', right('records'), 'reason', 'detail', 'central knows'],
    losses
      .slice(0, 10)
      .map(({ declaredAt, topic, records, reason, detail, landed }) => [
        declaredAt,
        topic,
        right(count(records)),
        reason,
        detail,
        landed ? 'yes' : 'not yet',
      ]),
    'none',
  );
}

async function refresh() {
  try {
    const answer = await fetch('/api/v1/status', { signal: AbortSignal.timeout(8_000) });
    const status = await answer.json();
    if (!answer.ok) throw new Error(status.error.message);
    showCentral(status);
    showNumbers(status);
    showTables(status);
    document.body.className = '';
  } catch (error) {
    showTrouble(`the agent does not answer, what is shown is old: ${error.message}`);
    document.body.className = 'stale';
  }
  setTimeout(refresh, 2_000);
}

refresh();
