// The last five minutes as lines. A point a second, kept here; the server gives those of before with `history`.
import {at, count, latency, timeOfDay} from './format.js';

const shown = 300;
const points = []; // [epoch ms, accepted/s, settled/s, held, accept p99 ms, end to end p99 ms, in Redis]
const charts = [];

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const fromZero = {beginAtZero: true, suggestedMax: 1};
/** Accept takes a millisecond where an outage takes minutes: both are to be seen. */
const byDecades = {type: 'logarithmic', min: 0.1, suggestedMax: 100,
  afterBuildTicks: axis => {
    axis.ticks = [0.1, 1, 10, 100, 1e3, 1e4, 1e5, 1e6].filter(tick => tick <= axis.max).map(value => ({value}));
  }};

function ticksOfTime({min, max}) {
  const step = max - min > 150e3 ? 60e3 : 15e3;
  const ticks = [{value: max, words: 'now'}];
  for (let value = max - step; value >= min; value -= step) {
    const ago = (max - value) / 1e3;
    ticks.unshift({value, words: ago % 60 ? `−${ago} s` : `−${ago / 60} min`});
  }
  return ticks;
}

/** The first line as an area, the second dashed, so that they differ without colour. `columns` are those of points. */
function lineChart(canvas, names, columns, scale, write) {
  const datasets = names.map((label, i) => ({label, data: [], pointRadius: 0, borderWidth: 1.75,
    cubicInterpolationMode: 'monotone', fill: i === 0, borderDash: i === 0 ? [] : [5, 3]}));
  const callbacks = {title: items => `${timeOfDay(items[0].parsed.x)} UTC`,
    label: item => `${item.dataset.label}: ${write(item.parsed.y)}`};
  const options = {
    animation: false, parsing: false, normalized: true, maintainAspectRatio: false, locale: 'en',
    interaction: {mode: 'index', intersect: false},
    plugins: {legend: {display: false}, tooltip: {animation: false, displayColors: false, padding: 9, callbacks}},
    scales: {
      x: {type: 'linear', grid: {display: false}, afterBuildTicks: axis => { axis.ticks = ticksOfTime(axis); },
        ticks: {maxRotation: 0, callback: (_, i, all) => all[i].words}},
      y: {...scale, ticks: {maxTicksLimit: 5, callback: value => write(value)}},
    },
  };
  const chart = new window.Chart(canvas, {type: 'line', data: {datasets}, options});
  chart.columns = columns;
  charts.push(chart);
}

function paint() {
  const [soft, edge, first, second] = ['--soft', '--grid', '--area', '--line'].map(colour);
  for (const chart of charts) {
    chart.data.datasets.forEach((line, i) => {
      line.borderColor = i === 0 ? first : second;
      line.backgroundColor = `${first}22`;
    });
    const [ground, ink] = [colour('--ink'), colour('--card')];
    Object.assign(chart.options.plugins.tooltip, {backgroundColor: ground, titleColor: ink, bodyColor: ink});
    for (const axis of Object.values(chart.options.scales)) {
      axis.ticks.color = soft;
      axis.grid.color = edge;
      axis.grid.borderColor = 'transparent';
      axis.grid.drawTicks = false;
    }
    chart.update('none');
  }
}

function draw() {
  const end = points.at(-1)[0];
  for (const chart of charts) {
    chart.data.datasets.forEach((line, i) => {
      line.data = points.map(point => ({x: point[0], y: point[chart.columns[i]] ?? NaN}));
    });
    const begin = Math.min(Math.max(points[0][0], end - shown * 1e3), end - 60e3);
    Object.assign(chart.options.scales.x, {min: begin, max: end});
    chart.update('none');
  }
}

/** Without Chart.js the page has its numbers all the same. */
export function startCharts() {
  if (!window.Chart) return;
  window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  window.Chart.defaults.font.size = 11.5;
  lineChart(at('rate-chart'), ['accepted', 'settled'], [1, 2], fromZero, value => count(value));
  lineChart(at('latency-chart'), ['accept p99', 'end to end p99'], [4, 5], byDecades, value => latency(value));
  lineChart(at('backlog-chart'), ['held', 'in Redis'], [3, 6], fromZero, value => count(value));
  paint();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paint);
}

/** Points of before, oldest first, all or those that were missed. */
export function remember(before) {
  const known = points.findIndex(point => point[0] >= before[0][0]);
  points.splice(known < 0 ? points.length : known, points.length, ...before);
}

export function addToCharts(now) {
  const time = Date.parse(now.time);
  while (points.length && points.at(-1)[0] >= time) points.pop(); // the server's clock was set back
  // After a gap there is no line.
  if (points.length && time - points.at(-1)[0] > 5e3) points.push([time - 1, null, null, null, null, null, null]);
  const {rates, backlog, latency: {accept, endToEnd}} = now;
  points.push([time, rates.accepted, rates.settled, backlog.held, accept?.p99 ?? null, endToEnd?.p99 ?? null,
    backlog.takenIn ?? null]);
  while (points.length > shown || points[0][0] < time - shown * 1e3) points.shift();
  draw();
}
