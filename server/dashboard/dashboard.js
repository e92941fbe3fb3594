// The page: hears the server's snapshots, one a second, and shows each. Says at once when they stop; a tab that
// nobody sees hears nothing and draws nothing.
import {addToCharts, remember, startCharts} from './charts.js';
import {at, count, list, make, mark, say, span, timeOfDay} from './format.js';
import {showDoubt, startPayments} from './payment.js';
import {showTables} from './tables.js';
import {judge} from './verdict.js';

const silentAfter = 3e3; // ms without a snapshot: the values are of the past
const deafAfter = 10e3; // ms: the connection is begun anew, whatever it thinks of itself
const memory = {};
let source = null;
let begunAt = 0; // ms, by performance.now()
let heardAt = 0;
let heard = null; // the last snapshot
let retry = 0;
let watching = 0;

function headline(level, title, notes) {
  mark(at('verdict'), 'data-level', level);
  say(at('headline'), title);
  list(at('notes'), notes, () => make('li'), (item, text) => say(item, text));
  document.title = `${{good: '✓', warn: '!', bad: '✕'}[level] ?? '…'} ${title} · repasse`;
}

function link(state, words) {
  mark(document.body, 'data-link', state);
  say(at('link'), words);
}

function show(now) {
  link('live', 'Live');
  say(at('about'), [now.instance, now.version, now.storage === 'memory' ? 'payments in memory' : '',
    `up ${span(now.uptimeSeconds)}`,
    now.viewers > 1 ? `${count(now.viewers)} viewers` : ''].filter(Boolean).join(' · '));
  const {level, title, notes} = judge(now, memory);
  headline(level, title, notes);
  showTables(now);
  addToCharts(now);
  showDoubt(now.backlog.inDoubt);
}

function lost() {
  const since = heard
    ? `What you see is of ${timeOfDay(heard.time)} UTC, ${span((performance.now() - heardAt) / 1e3)} ago`
    : 'Nothing has been heard yet';
  link('lost', 'Connection lost');
  headline('bad', 'Connection to the server lost', [since, 'It is tried again until it answers']);
}

function listen() {
  source?.close();
  clearTimeout(retry);
  begunAt = performance.now();
  delete memory.refused; // what was refused unheard is of the past
  source = new EventSource('/events');
  source.addEventListener('history', event => remember(JSON.parse(event.data).points));
  source.addEventListener('snapshot', event => {
    heard = JSON.parse(event.data);
    heardAt = performance.now();
    show(heard);
  });
  source.addEventListener('error', event => {
    lost();
    // The browser itself tries again, unless the server refused.
    if (event.target.readyState === EventSource.CLOSED) retry = setTimeout(listen, 2e3);
  });
}

function watch() {
  const silent = performance.now() - Math.max(begunAt, heardAt);
  if (silent > silentAfter) lost();
  if (silent > deafAfter) listen();
}

function followVisibility() {
  clearInterval(watching);
  if (!document.hidden) {
    watching = setInterval(watch, 500);
    return listen();
  }
  source?.close();
  clearTimeout(retry);
  document.title = 'repasse';
}

startCharts();
startPayments();
document.addEventListener('visibilitychange', followVisibility);
followVisibility();
