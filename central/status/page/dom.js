/** The few ways in which this page touches the document. Data only ever becomes text. */

/** `h('td', { class: 'x' }, child, 'text')`; a child that is null is left out. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

const svgSpace = 'http://www.w3.org/2000/svg';

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(svgSpace, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** null and false take the attribute away, true makes it empty. */
export function setAttribute(node, name, value) {
  if (value === null || value === false) node.removeAttribute(name);
  else {
    const text = value === true ? '' : String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
}

export const byId = (id) => document.getElementById(id);

/**
 * Keeps `parent`'s children in step with `items`: one node per key, made once, updated in place, moved
 * only when the order changed, so that focus, selection and open details survive.
 * `first`: where the list begins, in a parent that has other children before it.
 */
export function keyedList(parent, keyOf, create, first = () => parent.firstElementChild) {
  let parts = new Map();
  return (items) => {
    const next = new Map();
    const focused = document.activeElement;
    let before = first();
    for (const item of items) {
      const key = keyOf(item);
      const part = parts.get(key) ?? create(item);
      next.set(key, part);
      part.update(item);
      if (part.node === before) before = before.nextElementSibling;
      else parent.insertBefore(part.node, before);
    }
    for (const [key, part] of parts) {
      if (next.has(key)) continue;
      part.node.remove();
      part.gone?.();
    }
    parts = next;
    // A node that moves loses the focus.
    if (focused?.isConnected && focused !== document.activeElement) {
      focused.focus({ preventScroll: true });
    }
  };
}

/** A table whose parts keep their roles when a narrow screen lays them out as cards. */
export function table(label, columns, className) {
  const head = h(
    'tr',
    { role: 'row' },
    ...columns.map((column) => h('th', { role: 'columnheader', scope: 'col' }, column)),
  );
  const node = h(
    'table',
    { role: 'table', class: className },
    h('caption', { class: 'unseen' }, label),
    h('thead', { role: 'rowgroup' }, head),
  );
  return node;
}

export const cell = (label, ...children) =>
  h('td', { role: 'cell', 'data-label': label }, ...children);
