// How numbers, times and elements are written. Whatever a server says reaches the page as text, never as markup.

export const unknown = '–';

const whole = new Intl.NumberFormat('en', {maximumFractionDigits: 0});
const tenths = new Intl.NumberFormat('en', {maximumFractionDigits: 1});

const isNumber = value => typeof value === 'number' && Number.isFinite(value);

/** A number of things; per second too, when few of them deserve a decimal. */
export const count = n => (isNumber(n) ? (Math.abs(n) < 10 ? tenths : whole).format(n) : unknown);

export const payments = n => `${count(n)} ${n === 1 ? 'payment' : 'payments'}`;

/** Of "1234567.80": exact, as text. */
export const money = text => (typeof text === 'string' ? text.replace(/\B(?=(\d{3})+(?!\d)(?=\.|$))/g, ',') : unknown);

/** [number, unit] of so many milliseconds, with as many digits as can be believed. */
export function millis(ms) {
  if (!isNumber(ms)) return [unknown, ''];
  if (ms >= 60e3) return [tenths.format(ms / 60e3), 'min'];
  if (ms >= 1e3) return [(ms / 1e3).toFixed(ms < 10e3 ? 2 : 1), 's'];
  return [ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2), 'ms'];
}

export const latency = ms => millis(ms).join(' ').trim();

/** So many seconds, as one would say them. */
export function span(seconds) {
  if (!isNumber(seconds)) return unknown;
  if (seconds < 0.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  for (const [unit, length] of [['d', 86400], ['h', 3600], ['min', 60]])
    if (seconds >= 2 * length) return `${Math.floor(seconds / length)} ${unit}`;
  return `${Math.round(seconds)} s`;
}

/** The time of day, UTC, of an ISO 8601 text or of epoch milliseconds. */
export function timeOfDay(when, withMillis = false) {
  const date = new Date(when);
  return Number.isNaN(date.getTime()) ? unknown : date.toISOString().slice(11, withMillis ? 23 : 19);
}

export const at = id => document.getElementById(id);

/** Nothing is touched that is already so: a selection stays, a screen reader hears no change. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function mark(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** An element with a class and children, texts or elements. */
export function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** As many children of `parent` as items: each is made by `create()` and brought up to date by `update(child, item)`. */
export function list(parent, items, create, update) {
  while (parent.childElementCount > items.length) parent.lastElementChild.remove();
  while (parent.childElementCount < items.length) parent.append(create());
  items.forEach((item, i) => update(parent.children[i], item));
}

/** Rows of a table's body; the first text of each is its header. `classes` are those of the columns. */
export function rows(body, lines, classes = []) {
  const width = lines[0]?.length ?? 0;
  const create = () => {
    const row = make('tr', '', make('th', classes[0] ?? ''));
    row.firstChild.scope = 'row';
    for (let i = 1; i < width; ++i) row.append(make('td', classes[i] ?? ''));
    return row;
  };
  list(body, lines, create, (row, texts) => texts.forEach((text, i) => say(row.children[i], text)));
}
