// One payment and its whole way, and the list of those in doubt. The administrator's token stays in this tab.
import {at, list, make, mark, money, say, span, timeOfDay, unknown} from './format.js';
import {facts} from './tables.js';

const tokenKey = 'repasse-admin-token';
const looksAgainEvery = 2e3;
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const stateWords = {
  accepted: ['warn', 'Accepted: waits for a processor'], sending: ['warn', 'Under way'],
  unknown: ['warn', 'In doubt: it is being asked about'],
  processed: ['good', 'Settled'], rejected: ['bad', 'Rejected'],
};

/** The parsed answer, or a text that says why there is none. A number's own digits are kept: an amount is exact. */
async function ask(path, token) {
  try {
    const headers = token ? {'X-Admin-Token': token} : {};
    const answer = await fetch(path, {headers, cache: 'no-store', signal: AbortSignal.timeout(10e3)});
    const text = await answer.text();
    if (answer.ok) return {value: JSON.parse(text.replace(/("amount":\s*)(\d+(?:\.\d+)?)/g, '$1"$2"'))};
    const detail = text.startsWith('{') ? JSON.parse(text).detail : null;
    return {status: answer.status, problem: detail ?? `the server said ${answer.status}`};
  } catch {
    return {problem: 'the server does not answer'};
  }
}

/** What the payment alone tells, in the shape of the audit trail: it knows the times of a settled one only. */
const lifeOf = one => [
  {at: one.acceptedAt, event: 'accepted', detail: money(one.amount)},
  ...(one.processor ? [{at: one.requestedAt, event: 'sent', detail: `to ${one.processor}`}] : []),
  ...(one.status === 'unknown' ? [{at: null, event: 'in doubt', detail: one.doubtReason}] : []),
  ...(one.status === 'processed'
    ? [{at: one.processedAt, event: 'settled', detail: `taken by ${one.processor}, attempts: ${one.attempts}`}] : []),
  ...(one.status === 'rejected' ? [{at: one.processedAt, event: 'rejected', detail: ''}] : []),
];

function after(entry, first) {
  const millis = Date.parse(entry.at) - Date.parse(first.at);
  if (Number.isNaN(millis) || entry === first) return '';
  return millis < 1e3 ? `+${millis} ms` : `+${(millis / 1e3).toFixed(3)} s`;
}

function showWay(entries) {
  const create = () => make('li', '', make('time'), make('b'), make('span'), make('span', 'soft'));
  list(at('payment-way'), entries, create, (item, entry) => {
    const [time, event, detail, by] = item.children;
    mark(time, 'datetime', entry.at ?? '');
    say(time, `${entry.at ? timeOfDay(entry.at, true) : 'time not known'} ${after(entry, entries[0])}`.trim());
    say(event, entry.event);
    say(detail, entry.detail ?? '');
    say(by, entry.by ? `by ${entry.by}` : '');
  });
}

const keptHere = 'Kept in this tab only, until it is closed.';

function aboutToken(trail) {
  if (trail.value) return `The audit trail is shown. ${keptHere}`;
  if (trail.status === 401) return 'This token is wrong.';
  return trail.problem ? `No audit trail: ${trail.problem}` : keptHere;
}

let shown = null; // the id whose way is open
let timer = 0;

function showNothing(words) {
  mark(at('payment-state'), 'data-level', 'none');
  say(at('payment-state'), words);
  facts(at('payment-facts'), []);
  showWay([]);
}

/** Asks for the payment and its trail, shows them, and does so again while it is not final. */
async function look(id) {
  const token = sessionStorage.getItem(tokenKey);
  const trailOf = token ? ask(`/admin/audit?correlationId=${id}`, token) : {};
  const [payment, trail] = await Promise.all([ask(`/payments/${id}`), trailOf]);
  if (shown !== id) return;
  say(at('token-note'), aboutToken(trail));
  if (trail.status === 401) sessionStorage.removeItem(tokenKey);
  const one = payment.value;
  if (!one) {
    showNothing(payment.status === 404 ? 'No such payment' : `Not to be had: ${payment.problem}`);
    if (trail.value) showWay(trail.value.entries);
  } else {
    const [level, words] = stateWords[one.status] ?? ['none', one.status];
    mark(at('payment-state'), 'data-level', level);
    say(at('payment-state'), words);
    facts(at('payment-facts'), [['Amount', money(one.amount)], ['Processor', one.processor ?? 'none yet'],
      ['Attempts', String(one.attempts)], ['Date', one.acceptedAt?.slice(0, 10) ?? unknown],
      ...(one.doubtReason ? [['In doubt', `for ${span(one.doubtAgeSeconds)}: ${one.doubtReason}`]] : [])]);
    showWay(trail.value?.entries ?? lifeOf(one));
  }
  const isFinal = one && ['processed', 'rejected'].includes(one.status);
  clearTimeout(timer);
  if (!isFinal && !document.hidden) timer = setTimeout(() => shown === id && look(id), looksAgainEvery);
}

function open(id) {
  shown = id;
  clearTimeout(timer);
  say(at('payment-id'), id);
  at('wanted').value = id;
  showNothing(uuid.test(id) ? 'Looking' : 'That is no correlation id: it has 32 hexadecimal digits and 4 hyphens');
  if (!at('payment').open) at('payment').showModal();
  if (uuid.test(id)) look(id);
}

function followAddress() {
  const [, id] = /^#payment=(.+)$/.exec(location.hash) ?? [];
  if (id === undefined) return at('payment').close();
  try {
    open(decodeURIComponent(id).trim());
  } catch {
    open(id); // not well encoded, and so no id either
  }
}

export function startPayments() {
  at('search').addEventListener('submit', event => {
    event.preventDefault();
    const id = at('wanted').value.trim();
    const address = `#payment=${encodeURIComponent(id)}`;
    if (!id) at('wanted').focus();
    else if (location.hash === address) followAddress();
    else location.hash = address;
  });
  at('admin').addEventListener('submit', event => {
    event.preventDefault();
    if (at('token').value) sessionStorage.setItem(tokenKey, at('token').value);
    at('token').value = '';
    if (shown && uuid.test(shown)) look(shown);
  });
  at('close').addEventListener('click', () => at('payment').close());
  at('payment').addEventListener('click', event => event.target === at('payment') && at('payment').close());
  at('payment').addEventListener('close', () => {
    shown = null;
    clearTimeout(timer);
    if (location.hash) history.pushState(null, '', location.pathname);
  });
  window.addEventListener('hashchange', followAddress);
  followAddress();
}

let doubtAsked = 0;

/** The payments in doubt, asked for every fifteen seconds while there are some. */
export async function showDoubt(inDoubt) {
  const words = inDoubt === 0 ? 'No payment is in doubt.' : 'not known';
  say(at('doubt-note'), inDoubt > 0 ? `${inDoubt}, each asked about until it is known` : words);
  if (!inDoubt) return list(at('doubt'), [], null, null);
  if (Date.now() - doubtAsked < 15e3) return;
  doubtAsked = Date.now();
  const {value} = await ask('/payments?status=unknown&limit=5');
  if (!value) return;
  list(at('doubt'), value.payments, () => make('li', '', make('a'), make('span', 'soft')), (item, one) => {
    const [link, about] = item.children;
    mark(link, 'href', `#payment=${one.correlationId}`);
    say(link, one.correlationId);
    const parts = [money(one.amount), `at ${one.processor}`, `for ${span(one.doubtAgeSeconds)}`, one.doubtReason];
    say(about, parts.filter(Boolean).join(', '));
  });
}
