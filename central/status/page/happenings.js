import { byId, h, keyedList, setText } from './dom.js';
import { at } from './format.js';

/** What happened in the fleet, newest first, from the events that central sends. */

const kept = 100;

const typeWords = {
  'edge-state': 'state',
  hello: 'session',
  fork: 'fork',
  'adopt-needed': 'adopt needed',
  refused: 'refused',
  loss: 'loss',
  flow: 'flow',
};

export function happenings(now) {
  let events = [];
  const sync = keyedList(
    byId('happenings-body'),
    ({ key }) => key,
    ({ event }) => part(event, now),
  );
  /** After each answer of central: before the first one it is not known whether anything happened. */
  const answered = () => {
    byId('no-happenings').hidden = events.length > 0;
  };
  /** `id` is unique over runs of central, so that a replay after reconnecting adds nothing twice. */
  const happened = (id, event) => {
    if (events.some(({ key }) => key === id)) return;
    events = [{ key: id, event }, ...events].sort(newestFirst).slice(0, kept);
    byId('no-happenings').hidden = true;
    sync(events);
  };
  return { happened, answered };
}

const newestFirst = (a, b) =>
  a.event.at === b.event.at ? b.event.id - a.event.id : a.event.at < b.event.at ? 1 : -1;

function part(event, now) {
  const time = h('time', { datetime: event.at }, at(Date.parse(event.at), now()));
  const node = h(
    'li',
    { 'data-type': event.type },
    time,
    h('span', { class: 'kind' }, typeWords[event.type] ?? event.type),
    h('span', { class: 'what' }, h('b', {}, event.alias), ' ', event.message),
  );
  return { node, update: () => setText(time, at(Date.parse(event.at), now())) };
}
