"""What any page of ours has to be: checks that run in the page and return what they do not like, each as a sentence."""

ACCESSIBLE = r"""
const wrong = [];
const textOf = id => document.getElementById(id)?.textContent;
const name = e => (e.getAttribute('aria-label')
  || (e.getAttribute('aria-labelledby') || '').split(' ').map(textOf).join(' ')
  || [...(e.labels || [])].map(label => label.textContent).join(' ')
  || (e.matches('input') ? '' : e.textContent)).trim();
const seen = e => e.getClientRects().length > 0;
const say = (e, what) => wrong.push(`${e.outerHTML.slice(0, 90)}: ${what}`);
if (!document.documentElement.lang) wrong.push('the page has no language');
if (!document.title.trim()) wrong.push('the page has no title');
for (const landmark of ['main', 'header'])
  if (document.querySelectorAll(`body > ${landmark}`).length !== 1) wrong.push(`not one ${landmark}`);
for (const [all, isRight, what] of [
  ['button, a, input, select, textarea, section, dialog, nav', name, 'has no name'],
  ['canvas', e => e.getAttribute('role') === 'img' && name(e), 'is no named image'],
  ['img', e => e.hasAttribute('alt'), 'has no alt'],
  ['thead th', e => e.scope === 'col', 'is not the header of a column'],
  ['tbody tr', e => e.querySelectorAll('th[scope=row]').length === 1, 'has no header'],
  ['table', e => e.closest('section') && name(e.closest('section')), 'stands in no named section'],
  ['[style]', e => e.matches('canvas'), 'has a style of its own'],
  ['*', e => ![...e.attributes].some(attribute => attribute.name.startsWith('on')), 'has a handler in its markup'],
]) for (const e of document.querySelectorAll(all)) if (!isRight(e)) say(e, what);
let level = 0;
for (const e of document.querySelectorAll('h1, h2, h3, h4')) {
  const own = Number(e.tagName[1]);
  if (own > level + 1) say(e, `comes after h${level}`);
  level = own;
}
if (document.querySelectorAll('h1').length !== 1) wrong.push('not one h1');
if (document.querySelectorAll('main [aria-live]').length > 1) wrong.push('several live regions');
const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(`the id ${id} twice`);
// WCAG 2.1, 1.4.3: text against the nearest background that is not transparent.
const parse = c => (c.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
const linear = value => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const ground = e => {
  for (; e; e = e.parentElement) {
    const colour = parse(getComputedStyle(e).backgroundColor);
    if (colour.length < 4 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
for (const e of document.querySelectorAll('body *')) {
  if (!seen(e) || ![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
  const style = getComputedStyle(e), size = parseFloat(style.fontSize);
  const [a, b] = [light(parse(style.color)), light(ground(e))].sort((x, y) => y - x);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < (large ? 3 : 4.5)) say(e, `its contrast is ${ratio.toFixed(2)}`);
}
return wrong;
"""

# What can be worked with, as it would be announced.
CONTROLS = r"""
const inside = document.querySelector('dialog[open]') || document;
return [...inside.querySelectorAll('a[href], button, input, [tabindex="0"]')]
  .filter(e => e.getClientRects().length && !e.closest('dialog:not([open])'))
  .map(e => e.id || e.getAttribute('href') || e.textContent);
"""

FOCUSED = r"""
const e = document.activeElement, style = getComputedStyle(e);
if (e === document.body) return null;
const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
return {is: e.id || e.getAttribute('href') || e.textContent, ring};
"""

# Of whatever is wider than the page.
TOO_WIDE = r"""
const width = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth <= width) return [];
const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > width + 0.5);
return ['the page', ...wide.map(e => e.outerHTML.slice(0, 80)).slice(0, 5)];
"""

# What runs out of its card.
CUT_OFF = r"""
const out = [];
for (const card of document.querySelectorAll('.card, .tile, .verdict')) {
  const box = card.getBoundingClientRect();
  for (const e of card.querySelectorAll('*')) {
    const own = e.getBoundingClientRect();
    if (own.width && !e.closest('.changes, .hidden') && own.right > box.right + 0.5) out.push(e.outerHTML.slice(0, 80));
  }
}
return out;
"""
