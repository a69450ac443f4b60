import { svg } from './dom.js';

/** Each state has a shape of its own: colour alone tells nothing to many people. */
const shapes = {
  live: () => [
    svg('circle', { cx: 8, cy: 8, r: 7, class: 'fill' }),
    svg('path', { d: 'M4.8 8.3l2.2 2.2 4.2-4.6', class: 'mark' }),
  ],
  'catching-up': () => [
    svg('rect', { x: 1, y: 1, width: 14, height: 14, rx: 4, class: 'fill' }),
    svg('path', { d: 'M4.6 8.2L8 4.8l3.4 3.4M4.6 11.8L8 8.4l3.4 3.4', class: 'mark' }),
  ],
  stalled: () => [
    svg('path', { d: 'M8 .8L15.4 14.4H.6z', class: 'fill round' }),
    svg('path', { d: 'M6.5 7.4v4.2M9.5 7.4v4.2', class: 'mark' }),
  ],
  offline: () => [
    svg('path', { d: 'M5 1h6l4 4v6l-4 4H5l-4-4V5z', class: 'fill' }),
    svg('path', { d: 'M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2', class: 'mark' }),
  ],
  'never-seen': () => [svg('circle', { cx: 8, cy: 8, r: 6.4, class: 'hollow' })],
};

export function stateIcon(state) {
  const icon = svg('svg', { viewBox: '0 0 16 16', class: 'icon', 'aria-hidden': 'true' });
  icon.append(...(shapes[state] ?? shapes['never-seen'])());
  return icon;
}
