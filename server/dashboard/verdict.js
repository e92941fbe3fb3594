// The headline: whether all is well, in words. A pure function of snapshots; what changes each second stands in the
// notes, so that the headline itself, which is read aloud, changes only when the state does.
import {count, payments, span} from './format.js';

/// Payments that wait longer than this are a trouble of their own.
const waitsTooLong = 5;
const waitTitle = 'Payments wait'; // how many is the first of the notes
/// Refusals come and go by the second; the headline does not.
const refusedLately = 10;
/// A server that was lost is in the headline for so long, once its payments are in hand.
const lostLately = 60;
/// Doubt is usual for as long as a call takes to be asked about.
const doubtsTooLong = 10;

const listed = names => (names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`);
const namesOf = (processors, verb) =>
  `${listed(processors.map(one => one.name))} ${processors.length > 1 ? 'are' : 'is'} ${verb}`;

export const isDown = processor => processor.breaker === 'open' || processor.failing === true;
/** None of its health calls was answered for this long; they are made each five seconds, while the books answer. */
const silentAfter = 20;
export const isSilent = (processor, now) => {
  const database = now.stores.find(store => store.name === 'PostgreSQL');
  const isAsked = !database || (database.up && database.sinceSeconds > silentAfter);
  return isAsked && (processor.heardSecondsAgo ?? now.uptimeSeconds) > silentAfter;
};
/** A half-open one that no payment tries says that it is well, and has not been needed since. */
export const isTried = processor => processor.breaker === 'half-open' && processor.inFlight > 0;

function storeTroubles(stores, storage) {
  const find = name => stores.find(store => store.name === name);
  const [database, redis, intake] = ['PostgreSQL', 'Redis', 'intake'].map(find);
  const found = [];
  if (database && !database.up) {
    const takesIn = intake ? intake.up : false;
    const consequence = takesIn ? 'Redis takes payments in' : 'payments are refused';
    found.push({level: takesIn ? 'warn' : 'bad', title: `PostgreSQL is away: ${consequence}`,
      note: `PostgreSQL has been away for ${span(database.sinceSeconds)}`});
  }
  if (redis && !redis.up)
    found.push({level: 'warn', title: 'Redis is away: no cache, no shared health',
      note: `Redis has been away for ${span(redis.sinceSeconds)}`});
  if (storage === 'memory' && stores.some(store => store.name === 'memory' && !store.up))
    found.push({level: 'bad', title: 'Memory is full: payments are refused', note: ''});
  return found;
}

function processorTroubles(now) {
  const {processors} = now;
  const down = processors.filter(isDown);
  const tried = processors.filter(one => !isDown(one) && isTried(one));
  const silent = processors.filter(one => !isDown(one) && isSilent(one, now));
  const found = [];
  const how = one => (one.breaker === 'open' ? 'shut out' : 'failing');
  const long = one => (one.breaker === 'open' ? ` for ${span(one.sinceSeconds)}` : '');
  const since = one => `${one.name} has been ${how(one)}${long(one)}`;
  if (down.length > 0 && down.length === processors.length)
    found.push({level: 'bad', title: 'No processor takes payments', note: listed(down.map(since))});
  else if (down.length > 0)
    found.push({level: 'bad', title: namesOf(down, 'failing'),
      note: `${listed(processors.filter(one => !isDown(one)).map(one => one.name))} can take payments`});
  if (tried.length > 0)
    found.push({level: 'warn', title: namesOf(tried, 'being tried again'), note: ''});
  if (silent.length > 0)
    found.push({level: 'warn', title: namesOf(silent, 'silent'), note: 'its health is asked for, and no answer comes'});
  return found;
}

/** What has become of the payments of some reactors that were lost. */
export function fateOf(lost) {
  const heirs = [...new Set(lost.map(one => one.takenOverBy).filter(Boolean))];
  if (heirs.length > 0) return {isInHand: true, words: `taken over by ${listed(heirs)}`};
  const heldNone = lost.every(one => one.held === 0);
  return {isInHand: heldNone, words: heldNone ? 'it held no payments' : 'not yet taken over'};
}

function serverTroubles(instances) {
  const found = [];
  const names = state => [...new Set(instances.filter(one => one.state === state).map(one => one.instance))];
  for (const name of names('lost')) {
    const reactors = instances.filter(one => one.instance === name && one.state === 'lost');
    const {isInHand, words} = fateOf(reactors);
    if (isInHand && reactors[0].seenSecondsAgo > lostLately) continue;
    found.push({level: isInHand ? 'warn' : 'bad', title: `Server ${name} was lost, ${words}`,
      note: `${name} was last seen ${span(reactors[0].seenSecondsAgo)} ago`});
  }
  for (const name of names('stopping'))
    found.push({level: 'warn', title: `Server ${name} is stopping`, note: ''});
  return found;
}

/** Remembers what one snapshot cannot tell: how many were refused before, and since when there is doubt. */
export function judge(now, memory) {
  const troubles = [...storeTroubles(now.stores, now.storage), ...processorTroubles(now),
    ...serverTroubles(now.instances)];
  const {held, waiting, inDoubt, oldestSeconds} = now.backlog;
  const time = Date.parse(now.time) / 1e3;
  if (time < memory.time) memory.refusedUntil = memory.doubtSince = null; // the server's clock was set back
  memory.time = time;
  const {refused} = now.payments;
  if (refused > memory.refused) {
    if (!(time < memory.refusedUntil)) memory.refusedFrom = memory.refused;
    memory.refusedUntil = time + refusedLately;
  }
  memory.refused = refused;
  if (time < memory.refusedUntil)
    troubles.push({level: 'bad', title: 'Payments are refused', note: `${payments(refused - memory.refusedFrom)} refused lately`});
  memory.doubtSince = inDoubt > 0 ? memory.doubtSince ?? time : null;
  if (memory.doubtSince !== null && time - memory.doubtSince >= doubtsTooLong)
    troubles.push({level: 'warn', title: 'Payments are in doubt', note: `${payments(inDoubt)} in doubt`});
  if (waiting > 0 && oldestSeconds >= waitsTooLong) troubles.push({level: 'warn', title: waitTitle, note: ''});

  troubles.sort((a, b) => (a.level === 'bad' ? 0 : 1) - (b.level === 'bad' ? 0 : 1));
  const flow = `${count(now.rates.accepted)} payments per second accepted, ${count(now.rates.settled)} settled`;
  const waits = `${payments(waiting)} ${waiting === 1 ? 'waits' : 'wait'}, the oldest for ${span(oldestSeconds)}`;
  const wait = waiting > 0 ? waits : held > 0 ? `${count(held)} under way, nothing waits` : 'nothing waits';
  if (troubles.length === 0) return {level: 'good', title: 'All well', notes: [flow, wait]};
  const [first, ...others] = troubles;
  return {level: first.level, title: first.title,
    notes: [wait, first.note, ...others.map(one => one.title).filter(title => title !== waitTitle), flow].filter(Boolean).slice(0, 6)};
}
