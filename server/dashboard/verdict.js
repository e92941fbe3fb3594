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
const names = processors => listed(processors.map(one => one.name));
const namesOf = (processors, verb) => `${names(processors)} ${processors.length > 1 ? 'are' : 'is'} ${verb}`;

const storesOf = ({stores}) => ['PostgreSQL', 'Redis', 'intake', 'memory'].map(name => stores.find(one => one.name === name));

export const cutOff = 'cut off from PostgreSQL'; // a state of a reactor

/** None of its health calls was answered for this long; they are made each five seconds, while the books answer. */
const silentAfter = 20;
export const isSilent = (processor, now) => {
  const [database] = storesOf(now);
  const isAsked = !database || (database.up && database.sinceSeconds > silentAfter);
  return isAsked && (processor.heardSecondsAgo ?? now.uptimeSeconds) > silentAfter;
};
/** What was said too long ago says nothing of now. */
export const saysFailing = one => one.failing === true && !(one.heardSecondsAgo > silentAfter);
/** A closed breaker has seen payments taken since: it knows better than the processor. */
export const isDown = one => one.breaker === 'open' || (saysFailing(one) && one.breaker !== 'closed');
/** A payment tries it. A half-open one that none tries says that it is well, and has not been needed since. */
export const isTried = one => one.isOnTrial === true;
export const isSlow = one => one.expectedMillis > one.settleWithinMillis;

function storeTroubles(now) {
  const [database, redis, intake, memory] = storesOf(now);
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
  if (memory && !memory.up)
    found.push({level: 'bad', title: 'No more payments are taken', note: 'memory is full, or too many wait'});
  return found;
}

/** What it means that some processors are slow, and others are not. */
function costOf(slow, others) {
  if (others.length === 0) return 'there is none that is faster';
  const least = all => Math.min(...all.map(one => one.fee));
  const isDearer = least(others) > least(slow);
  return isDearer ? `payments pay the higher fee of ${names(others)}` : `payments go to ${names(others)}`;
}

function intakeTrouble(now) {
  const [database, redis, intake] = storesOf(now);
  if (!intake || intake.up || !database?.up || !redis?.up) return [];
  return [{level: 'warn', title: 'Redis would take no payments in',
    note: `Were PostgreSQL away, payments would be refused: ${intake.detail}`}];
}

function processorTroubles(now) {
  const {processors} = now;
  const down = processors.filter(isDown);
  const rest = processors.filter(one => !isDown(one));
  const doubtful = rest.filter(saysFailing);
  const tried = rest.filter(isTried);
  const slow = rest.filter(isSlow);
  const silent = rest.filter(one => isSilent(one, now));
  const found = [];
  const how = one => (one.breaker === 'open' ? 'shut out' : 'failing');
  const long = one => (one.breaker === 'open' ? ` for ${span(one.sinceSeconds)}` : '');
  const since = one => `${one.name} has been ${how(one)}${long(one)}`;
  if (down.length > 0 && down.length === processors.length)
    found.push({level: 'bad', title: 'No processor takes payments', note: listed(down.map(since))});
  else if (down.length > 0)
    found.push({level: 'bad', title: namesOf(down, 'failing'),
      note: `${names(rest)} can take payments`});
  if (doubtful.length > 0)
    found.push({level: 'warn', title: doubtful.length > 1 ? `${names(doubtful)} say that they fail, and take payments`
      : `${names(doubtful)} says that it fails, and takes payments`, note: ''});
  if (tried.length > 0)
    found.push({level: 'warn', title: namesOf(tried, 'being tried again'), note: ''});
  if (slow.length > 0)
    found.push({level: 'warn', title: namesOf(slow, 'slow'), note: costOf(slow, rest.filter(one => !isSlow(one)))});
  if (silent.length > 0)
    found.push({level: 'warn', title: namesOf(silent, 'silent'), note: 'its health is asked for, and no answer comes'});
  return found;
}

/** Takeover begins within 7 s of a server's end. */
const untakenAfter = 15;

/**
 * What has become of some reactors that show themselves no more, and of their payments. A server that is cut off from
 * Redis alone lives, serves and loses nothing.
 */
export function fateOf(lost, now) {
  const heirs = [...new Set(lost.map(one => one.takenOverBy).filter(Boolean))];
  if (heirs.length > 0) return {isInHand: true, isLost: true, words: `taken over by ${listed(heirs)}`};
  if (lost.every(one => one.held === 0)) return {isInHand: true, words: 'it held no payments'};
  const stores = storesOf(now).slice(0, 2).filter(Boolean);
  const untaken = Math.min(...lost.map(one => one.seenSecondsAgo), ...stores.map(one => (one.up ? one.sinceSeconds : 0)));
  if (untaken <= untakenAfter) return {words: 'not yet taken over'};
  return {isOverdue: true, words: 'nobody has taken payments of it over'};
}

function troubleOfLost(who, reactors, now) {
  const {isInHand, isLost, isOverdue, words} = fateOf(reactors, now);
  const {seenSecondsAgo} = reactors[0];
  if (isInHand && seenSecondsAgo > lostLately) return [];
  const seen = `${who} was last seen ${span(seenSecondsAgo)} ago`;
  if (isLost) return [{level: 'warn', title: `${who} was lost, ${words}`, note: seen}];
  if (isOverdue)
    return [{level: 'bad', title: `${who} shows itself no more, and ${words}`,
      note: `${seen}: it may have settled them, or live cut off from Redis`}];
  return [{level: 'warn', title: `${who} shows itself no more: dead, or cut off from Redis`, note: `${seen}, ${words}`}];
}

function serverTroubles(now) {
  const {instances} = now;
  const found = [];
  const nameOf = one => one.instance;
  const serversIn = state => [...new Set(instances.filter(one => one.state === state).map(nameOf))];
  for (const one of instances.filter(({state}) => state === 'does not answer'))
    found.push({level: 'bad', title: `Reactor ${one.reactor} of ${one.instance} does not answer`,
      note: `it has been silent for ${span(one.seenSecondsAgo)}, ${fateOf([one], now).words}`});
  for (const name of serversIn('lost')) {
    const reactors = instances.filter(one => one.instance === name && one.state === 'lost');
    const living = instances.filter(one => one.instance === name && one.state !== 'lost').map(one => one.reactor);
    const isPart = living.length > 0 && !reactors.some(one => living.includes(one.reactor)); // else of a former life
    const who = isPart ? `Reactor ${listed(reactors.map(one => one.reactor))} of ${name}` : `Server ${name}`;
    found.push(...troubleOfLost(who, reactors, now));
  }
  for (const name of serversIn(cutOff)) {
    const heirs = instances.filter(one => one.instance === name && one.state === cutOff && one.takenOverBy);
    found.push({level: 'warn', title: `Server ${name} is ${cutOff}`,
      note: heirs.length > 0 ? `payments of ${name} were ${fateOf(heirs, now).words}` : ''});
  }
  for (const name of serversIn('stopping'))
    found.push({level: 'warn', title: `Server ${name} is stopping`, note: ''});
  return found;
}

/** Remembers what one snapshot cannot tell: how many were refused before. */
export function judge(now, memory) {
  const troubles = [...storeTroubles(now), ...processorTroubles(now), ...serverTroubles(now)];
  const {held, waiting, inDoubt, oldestSeconds, oldestInDoubtSeconds, takenIn} = now.backlog;
  const time = Date.parse(now.time) / 1e3;
  if (time < memory.time) memory.refusedUntil = null; // the server's clock was set back
  memory.time = time;
  const {refused} = now.payments;
  if (refused > memory.refused) {
    if (!(time < memory.refusedUntil)) memory.refusedFrom = memory.refused;
    memory.refusedUntil = time + refusedLately;
  }
  memory.refused = refused;
  if (time < memory.refusedUntil)
    troubles.push({level: 'bad', title: 'Payments are refused', note: `${payments(refused - memory.refusedFrom)} refused lately`});
  if (inDoubt > 0 && oldestInDoubtSeconds >= doubtsTooLong)
    troubles.push({level: 'warn', title: 'Payments are in doubt',
      note: `${payments(inDoubt)} in doubt, the oldest for ${span(oldestInDoubtSeconds)}`});
  if (waiting > 0 && oldestSeconds >= waitsTooLong) troubles.push({level: 'warn', title: waitTitle, note: ''});
  troubles.push(...intakeTrouble(now)); // a standing one hides none that comes

  troubles.sort((a, b) => (a.level === 'bad' ? 0 : 1) - (b.level === 'bad' ? 0 : 1));
  const flow = `${count(now.rates.accepted)} payments per second accepted, ${count(now.rates.settled)} settled`;
  const waits = `${payments(waiting)} ${waiting === 1 ? 'waits' : 'wait'}, the oldest for ${span(oldestSeconds)}`;
  const inRedis = takenIn > 0 ? `${payments(takenIn)} ${takenIn === 1 ? 'waits' : 'wait'} in Redis for PostgreSQL` : '';
  const none = inRedis ? '' : 'nothing waits';
  const wait = waiting > 0 ? waits : [held > 0 ? `${count(held)} under way` : '', none].filter(Boolean).join(', ');
  if (troubles.length === 0) return {level: 'good', title: 'All well', notes: [flow, wait, inRedis].filter(Boolean)};
  const [first, ...others] = troubles;
  return {level: first.level, title: first.title,
    notes: [wait, inRedis, first.note, ...others.map(one => one.title).filter(title => title !== waitTitle), flow].filter(Boolean).slice(0, 6)};
}
