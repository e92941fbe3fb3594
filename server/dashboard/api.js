// The page of the API: shows /openapi.json to people. Whatever the document says becomes text, never markup.
import {at, make, say} from './format.js';

let root; // the document

const follow = what => (what?.$ref ? follow(what.$ref.slice(2).split('/').reduce((place, name) => place[name], root)) : what);

/** Texts with `code` and **bold**, as elements. */
function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map(part =>
    part.startsWith('`') ? make('code', '', part.slice(1, -1)) : part.startsWith('**') ? make('b', '', part.slice(2, -2)) : part);
}

const words = text => (text ?? '').split('\n\n').filter(Boolean).map(part => make('p', '', ...inline(part)));

/** JSON as the server writes it: amounts keep their two digits. What is shorter than `width` stands on one line. */
function json(value, width = 72, name = '', indent = '') {
  if (typeof value === 'number' && /amount$/i.test(name)) return value.toFixed(2);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const inner = `${indent}  `;
  const isList = Array.isArray(value);
  const members = isList ? value.map(each => json(each, width, name, inner)) : Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${json(each, width, key, inner)}`);
  const line = members.join(', ');
  const [open, close] = isList ? '[]' : '{}';
  if (line.length + indent.length < width && !line.includes('\n')) return members.length ? `${open}${isList ? line : ` ${line} `}${close}` : open + close;
  return `${open}\n${inner}${members.join(`,\n${inner}`)}\n${indent}${close}`;
}

/** What a value must be, in words. */
function kindOf(schema) {
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.join(', ');
  const parts = [[schema.type ?? 'any'].flat().join(' or ')];
  if (schema.format) parts.push(schema.format);
  if ('minimum' in schema && 'maximum' in schema) parts.push(`${schema.minimum} to ${schema.maximum}`);
  else if ('minimum' in schema && schema.minimum !== 0) parts.push(`from ${schema.minimum}`);
  else if ('maximum' in schema) parts.push(`up to ${schema.maximum}`);
  if ('exclusiveMinimum' in schema) parts.push(`above ${schema.exclusiveMinimum}`);
  if ('multipleOf' in schema) parts.push(`in steps of ${schema.multipleOf}`);
  if ('default' in schema) parts.push(`${schema.default} if not given`);
  return parts.join(', ');
}

/** [name, kind, description] of every member, however deep. */
function members(given, path = '') {
  const schema = {...follow(given), ...(given.description && {description: given.description})};
  const own = path ? [[path, kindOf(schema), schema.description ?? '']] : [];
  const needed = schema.required ?? [];
  const inside = Object.entries(schema.properties ?? {}).flatMap(([name, each]) =>
    members(each, `${path ? `${path}.` : ''}${name}`).map(([inner, kind, text], i) => [inner, i === 0 && !needed.includes(name) ? `${kind}; may be absent` : kind, text]));
  const more = typeof schema.additionalProperties === 'object' ? members(schema.additionalProperties, `${path ? `${path}.` : ''}<name>`) : [];
  const items = schema.items ? members(schema.items, `${path}[]`) : [];
  return [...own, ...inside, ...more, ...items];
}

function table(heads, lines) {
  const head = make('tr', '', ...heads.map(text => Object.assign(make('th', '', text), {scope: 'col'})));
  const body = lines.map(([name, ...rest]) => {
    const first = Object.assign(make('th', '', make('code', '', name)), {scope: 'row'});
    return make('tr', '', first, ...rest.map(text => make('td', '', ...inline(text))));
  });
  return make('table', '', make('thead', '', head), make('tbody', '', ...body));
}

const examplesOf = media => ('example' in media ? [media.example] : Object.values(media.examples ?? {}).map(each => each.value));

const code = text => make('pre', '', make('code', '', text));

function body(content) {
  return Object.entries(content ?? {}).flatMap(([type, media]) => {
    const lines = members(media.schema);
    return [make('p', 'soft', make('code', '', type)), ...(type.startsWith('application/problem') || !lines.length ? [] : [table(['member', 'is', 'meaning'], lines)]),
      ...examplesOf(media).map(each => code(typeof each === 'string' ? each : json(each)))];
  });
}

function response(status, given) {
  const told = follow(given);
  const headers = Object.entries(told.headers ?? {}).map(([name, each]) => {
    const header = follow(each);
    return [name, 'example' in header ? header.example : kindOf(follow(header.schema)), header.description + (header.required ? '' : ' Not always there.')];
  });
  const details = make('details', 'status', make('summary', '', make('b', '', status), ...inline(told.description)),
    make('div', '', ...(headers.length ? [table(['header', 'is', 'meaning'], headers)] : []), ...body(told.content)));
  details.dataset.kind = status[0];
  return details;
}

/** A line for a shell. */
function curl(method, path, operation, parameters) {
  const filled = parameters.filter(each => each.in === 'path').reduce((text, each) => text.replace(`{${each.name}}`, each.example), path);
  const query = parameters.filter(each => each.in === 'query' && each.required).map(each => `${each.name}=${encodeURIComponent(each.example)}`).join('&');
  const target = `${location.origin}${filled}${query ? `?${query}` : ''}`;
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  return ['curl -i', method === 'get' || media ? '' : `-X ${method.toUpperCase()}`, query ? `'${target}'` : target,
    operation.security?.some(each => each.adminToken) ? '-H "X-Admin-Token: $ADMIN_TOKEN"' : '',
    media ? `-H 'Content-Type: ${type}' -d '${json(examplesOf(media)[0], Infinity)}'` : ''].filter(Boolean).join(' ');
}

function show(method, path, operation, shared, common) {
  const parameters = [...(shared ?? []), ...(operation.parameters ?? [])].map(follow);
  const statuses = Object.entries(operation.responses);
  const own = statuses.filter(([status]) => !common.includes(status));
  const general = make('p', 'soft general', 'As any request: ');
  general.append(...common.flatMap((status, i) => [i ? ', ' : '', Object.assign(make('a', '', status), {href: '#any-request'})]));
  const needsKey = operation.security && operation.security.every(each => each.adminToken);
  const section = make('section', 'card operation',
    make('header', '', make('h3', '', make('span', `method ${method}`, method.toUpperCase()), make('code', '', path)), make('p', '', operation.summary),
      ...(needsKey ? [make('span', 'key', 'X-Admin-Token')] : [])),
    ...words(operation.description), code(curl(method, path, operation, parameters)),
    ...(parameters.length ? [make('h4', '', 'Parameters'), table(['parameter', 'is', 'meaning'],
      parameters.map(each => [each.name, `${each.in}, ${kindOf(follow(each.schema))}${each.required ? '; needed' : ''}`, each.description]))] : []),
    ...(operation.requestBody ? [make('h4', '', 'Body'), ...body(operation.requestBody.content)] : []),
    make('h4', '', 'Answers'), ...own.map(([status, each]) => response(status, each)), general);
  section.id = operation.operationId;
  section.setAttribute('aria-label', `${method.toUpperCase()} ${path}`);
  return section;
}

function contents(title, operations) {
  return [make('h2', '', title), ...operations.map(([method, path, operation]) =>
    Object.assign(make('a', '', make('code', '', `${method.toUpperCase()} ${path}`), make('span', '', operation.summary)), {href: `#${operation.operationId}`}))];
}

function showDocument() {
  say(at('title'), `${root.info.title} API`);
  say(at('about'), `${root.info.version} · ${root.info.summary}`);
  at('introduction').append(...words(root.info.description));
  const all = Object.entries(root.paths).flatMap(([path, item]) =>
    Object.entries(item).filter(([, each]) => each.operationId).map(([method, each]) => [method, path, each, item.parameters]));
  const [, , first] = all[0];
  const isCommon = status => all.every(([, , each]) => each.responses[status]?.$ref && each.responses[status].$ref === first.responses[status].$ref);
  const common = Object.keys(first.responses).filter(isCommon);
  for (const tag of root.tags) {
    const tagged = all.filter(([, , each]) => each.tags.includes(tag.name));
    const title = tag.name[0].toUpperCase() + tag.name.slice(1);
    at('index').append(...contents(title, tagged));
    at('operations').append(make('h2', 'tag', title), ...words(tag.description), ...tagged.map(each => show(...each, common)));
  }
  const {WrongMethod, NoSuchPath} = root.components.responses;
  const any = make('section', 'card operation', make('h2', '', 'Answers to any request'),
    ...common.map(status => response(status, first.responses[status])), response('404', NoSuchPath), response('405', WrongMethod));
  any.id = 'any-request';
  at('operations').append(any);
}

async function start() {
  const wide = matchMedia('(min-width: 901px)');
  const fold = () => { at('contents').open = wide.matches; };
  wide.addEventListener('change', fold);
  fold();
  try {
    root = await (await fetch('/openapi.json')).json();
    showDocument();
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  } catch (error) {
    at('trouble').hidden = false;
    say(at('trouble'), `The document cannot be shown: ${error.message}`);
  }
}

start();
