// Everything on the page but the headline and the charts: one function for each part, called with each snapshot.
import {at, count, latency, list, make, mark, millis, money, rows, say, span, timeOfDay, unknown} from './format.js';
import {cutOff, fateOf, isDown, isSilent, isSlow, isTried, saysFailing} from './verdict.js';

function tiles({rates, payments: sums, backlog, latency: {accept, endToEnd}}) {
  say(at('accepted'), count(rates.accepted));
  say(at('settled'), count(rates.settled));
  say(at('accepted-all'), `${count(sums.accepted + sums.takenIn)} since start`);
  say(at('settled-all'), `${count(sums.settled)} since start`);
  const {held, oldestSeconds, takenIn} = backlog;
  say(at('waiting'), count(takenIn > 0 ? backlog.waiting + takenIn : backlog.waiting));
  const oldest = oldestSeconds > 0 ? `, oldest ${span(oldestSeconds)}` : '';
  const inRedis = takenIn > 0 ? `, ${count(takenIn)} in Redis` : '';
  say(at('oldest'), `${held > 0 ? `${count(held)} held${oldest}` : 'none held'}${inRedis}`);
  for (const [id, value] of [['accept-p99', accept?.p99], ['end-p99', endToEnd?.p99]]) {
    const [number, unit] = millis(value);
    say(at(id), number);
    say(at(`${id}-unit`), unit);
  }
}

/** Pairs of a term and a description. */
export function facts(dl, pairs) {
  list(dl, pairs, () => make('div', '', make('dt'), make('dd')), (pair, [term, text]) => {
    say(pair.firstChild, term);
    say(pair.lastChild, text);
  });
}

const counters = sums => facts(at('counters'), [
  ['Repeated', count(sums.replayed)], ['Conflicts', count(sums.conflicts)],
  ['Refused', count(sums.refused)], ['Rejected', count(sums.rejected)], ['Taken in by Redis', count(sums.takenIn)]]);

const latencies = ({accept, endToEnd}) => rows(at('latency'),
  [['accept', accept], ['end to end', endToEnd]].map(
    ([name, of]) => [name, latency(of?.p50), latency(of?.p90), latency(of?.p99)]));

function stateOf(one, now) {
  if (one.breaker === 'open') return ['bad', 'Failing: shut out'];
  if (isDown(one)) return ['bad', 'Failing: it says so'];
  if (saysFailing(one)) return ['warn', 'Says that it fails, and takes payments'];
  if (isSilent(one, now)) return ['warn', 'Silent: says nothing of its health'];
  if (isTried(one)) return ['warn', 'Being tried again'];
  if (isSlow(one)) return ['warn', 'Slow: used only when there is no other'];
  if (one.breaker === 'half-open') return ['warn', 'Well again, it says: not needed since'];
  return ['good', 'Takes payments'];
}

function processors(now) {
  const create = () => make('article', 'card processor',
    make('header', '', make('h3'), make('span', 'soft')), make('p', 'state'), make('dl'));
  list(at('processors'), now.processors, create, (card, one) => {
    const [head, state, dl] = card.children;
    const [level, words] = stateOf(one, now);
    say(head.firstChild, one.name);
    say(head.lastChild, one.fee === null ? '' : `fee ${Number((one.fee * 100).toFixed(4))}\u00a0%`);
    mark(card, 'data-level', level);
    say(state, words);
    const health = `${one.failing ? 'failing' : 'well'}, ${count(one.minResponseTime)} ms`;
    const heard = one.heardSecondsAgo === null ? 'not heard of' : `${health}, ${span(one.heardSecondsAgo)} ago`;
    facts(dl, [['Breaker', `${one.breaker} for ${span(one.sinceSeconds)}`], ['Says of itself', heard],
      ['In flight', one.inFlight > 0 ? `${count(one.inFlight)}, oldest ${latency(one.oldestUnansweredMillis)}` : '0'],
      ['Latency p50, p99', `${latency(one.p50)}, ${latency(one.p99)}`]]);
  });
}

function books({processors: all, fees, cheapestFees, isCurrent}) {
  const line = one => [one.name, count(one.requests), money(one.amount), money(one.fees)];
  rows(at('books'), all.map(line), ['', 'roomy', '', '']);
  say(at('fees'), money(fees));
  const [paid, least] = [Number(fees), Number(cheapestFees)];
  const above = paid > least
    ? `${((paid / least - 1) * 100).toFixed(1)}\u00a0% above the cheapest possible, ${money(cheapestFees)}`
    : 'as little as can be: the cheapest took all';
  const note = fees === null || cheapestFees === null ? 'not known' : paid === 0 ? 'no payment yet' : above;
  say(at('fees-note'), isCurrent ? note : `${note}, as of the last look`);
}

const serverStates = {serving: 'good', 'does not answer': 'bad'};

/** What is said of a reactor, and how bad it is. */
function reactorState(one, now) {
  const fate = fateOf([one], now);
  if (one.state === 'lost')
    return [`${fate.isLost ? 'lost' : 'seen no more'}, ${fate.words}`, fate.isLost || fate.isOverdue ? 'bad' : 'warn'];
  const heirs = one.state === cutOff && one.takenOverBy ? `, ${fate.words}` : '';
  return [`${one.state}${heirs}${one.isEldest ? ', eldest' : ''}`, serverStates[one.state] ?? 'warn'];
}

function instances(now) {
  const {instances: all, instance: answering} = now;
  const states = all.map(one => reactorState(one, now));
  const here = one => (one.instance === answering ? ' (answers here)' : '');
  const name = one => `${one.instance} / ${one.reactor ?? unknown}${here(one)}`;
  const line = (one, i) => [name(one), states[i][0], count(one.held), count(one.accepted), count(one.settled),
    one.seenSecondsAgo < 1 ? 'now' : `${span(one.seenSecondsAgo)} ago`];
  const body = at('instances');
  rows(body, all.map(line), ['', 'state', '', 'roomy', 'roomy', 'roomy']);
  states.forEach(([, level], i) => mark(body.children[i], 'data-level', level));
}

function stores(all) {
  list(at('stores'), all, () => make('li', '', make('b'), make('span', 'state'), make('span', 'soft')), (item, one) => {
    const [name, state, detail] = item.children;
    mark(item, 'data-level', one.up ? 'good' : 'bad');
    say(name, one.name === 'intake' ? 'Intake by Redis' : one.name);
    const [good, bad] = {intake: ['open', 'closed'], memory: ['up', 'takes no more payments']}[one.name] ?? ['up', 'away'];
    say(state, `${one.up ? good : bad}${one.sinceSeconds ? ` for ${span(one.sinceSeconds)}` : ''}`);
    say(detail, [one.latencyMillis === null ? '' : latency(one.latencyMillis), one.detail].filter(Boolean).join(', '));
  });
}

function changes(all) {
  at('no-changes').hidden = all.length > 0;
  at('changes').hidden = all.length === 0;
  const create = () => make('li', '', make('time'), make('b'), make('span'), make('span', 'soft'));
  list(at('changes'), [...all].reverse(), create, (item, one) => {
    const [time, level, text, who] = item.children;
    mark(item, 'data-level', {info: 'none', warning: 'warn'}[one.level] ?? 'bad');
    mark(time, 'datetime', one.time);
    say(time, timeOfDay(one.time));
    say(level, one.level);
    say(text, one.text);
    say(who, one.instance ?? unknown);
  });
}

export function showTables(now) {
  tiles(now);
  counters(now.payments);
  latencies(now.latency);
  processors(now);
  if (now.books) books(now.books); // else what was known stays
  instances(now);
  stores(now.stores);
  changes(now.changes);
  mark(at('backlog-tile'), 'data-level', now.backlog.waiting > 0 && now.backlog.oldestSeconds >= 5 ? 'warn' : 'none');
}
