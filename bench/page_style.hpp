// The style sheet of the reference load's page: light and dark, one column on a phone. Nothing is fetched.
#pragma once

#include <string_view>

namespace repasse {

inline constexpr std::string_view page_style = R"css(
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --edge: #e3e6eb; --ink: #15181e; --soft: #5b6472; --grid: #e8ebf0;
  --good: #0b7a4b; --good-wash: #e3f5ec; --bad: #b3261e; --bad-wash: #fdeceb; --warn: #8a5a00;
  --even: #eef1f6; --odd: #f7f9fb; --trouble: #fdeed3; --outage: #fbdcd8;
  --c0: #2563eb; --c1: #e0700a; --c2: #0d9668; --c3: #9333ea; --c4: #d6266f; --c5: #0891a8; --c6: #8a7a00; --c7: #667085;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1116; --card: #161a21; --edge: #272d37; --ink: #e9ecf1; --soft: #98a2b3; --grid: #262c36;
    --good: #4cd49a; --good-wash: #10301f; --bad: #ff8a80; --bad-wash: #3a1714; --warn: #f2c063;
    --even: #1b2029; --odd: #161a21; --trouble: #35280f; --outage: #40191a;
    --c0: #6ea0ff; --c1: #ff9d45; --c2: #3fd39d; --c3: #c48bff; --c4: #ff7fb0; --c5: #4fd0e4; --c6: #d9c84a; --c7: #a4adbb;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1160px; margin: 0 auto; padding: 32px 20px 56px; }
header { margin-bottom: 24px; }
.eyebrow { color: var(--soft); font-size: 13px; letter-spacing: .04em; text-transform: uppercase; margin: 0 0 6px; }
h1 { font-size: clamp(24px, 4vw, 34px); line-height: 1.2; letter-spacing: -.015em; margin: 0 0 10px; text-wrap: balance; }
h2 { font-size: 19px; letter-spacing: -.01em; margin: 36px 0 12px; }
h3 { font-size: 15px; margin: 0; }
p { margin: 0 0 10px; max-width: 76ch; }
.soft, .note { color: var(--soft); }
.note { font-size: 13.5px; }
.verdict { display: inline-block; padding: 3px 12px; border-radius: 99px; font-weight: 600; font-size: 14px; margin-bottom: 12px; }
.verdict.good { color: var(--good); background: var(--good-wash); }
.verdict.bad { color: var(--bad); background: var(--bad-wash); }
.tiles { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; }
.tile, .card { background: var(--card); border: 1px solid var(--edge); border-radius: 12px; }
.tile { padding: 14px 16px; }
.tile b { display: block; font-size: 24px; line-height: 1.25; font-weight: 650; letter-spacing: -.02em; }
.tile span { color: var(--soft); font-size: 13px; display: block; }
.tile.bad b { color: var(--bad); } .tile.good b { color: var(--good); } .tile.warn b { color: var(--warn); }
.charts { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 14px; }
.card { padding: 14px 14px 8px; }
.card header { display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: baseline; margin: 0 4px 6px; }
.card header small { color: var(--soft); font-size: 13px; font-weight: 400; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; margin: 0; padding: 0; list-style: none; font-size: 13px; color: var(--soft); width: 100%; }
.legend i { display: inline-block; width: 14px; height: 3px; border-radius: 2px; margin-right: 6px; vertical-align: middle; }
svg { display: block; width: 100%; height: auto; }
svg text { font-size: 12px; fill: var(--soft); }
svg .stage { font-size: 11px; } svg .limit-label { font-size: 11px; }
.grid { stroke: var(--grid); } .limit { stroke: var(--soft); stroke-dasharray: 4 4; }
.band.even { fill: var(--even); } .band.odd { fill: var(--odd); } .band.g1 { fill: var(--trouble); } .band.g2 { fill: var(--outage); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; } .area { opacity: .18; }
.line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); } .line.c2 { stroke: var(--c2); } .line.c3 { stroke: var(--c3); }
.line.c4 { stroke: var(--c4); } .line.c5 { stroke: var(--c5); } .line.c6 { stroke: var(--c6); } .line.c7 { stroke: var(--c7); }
i.c0, .area.c0 { background: var(--c0); fill: var(--c0); } i.c1, .area.c1 { background: var(--c1); fill: var(--c1); }
i.c2 { background: var(--c2); } i.c3 { background: var(--c3); } i.c4 { background: var(--c4); } i.c5 { background: var(--c5); }
i.c6 { background: var(--c6); } i.c7 { background: var(--c7); }
.column { fill: transparent; } .column:hover { fill: var(--soft); fill-opacity: .16; }
.table { overflow-x: auto; background: var(--card); border: 1px solid var(--edge); border-radius: 12px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 9px 12px; text-align: right; white-space: nowrap; border-top: 1px solid var(--edge); }
thead th { border-top: 0; color: var(--soft); font-weight: 500; font-size: 13px; }
th:first-child, td:first-child, td.words, th.words { text-align: left; }
tbody th { font-weight: 500; } tr.sum td, tr.sum th { font-weight: 650; } td.bad { color: var(--bad); font-weight: 600; }
.pair { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 7fr); gap: 14px; align-items: start; }
.pair tbody th { white-space: normal; }
.rules { padding-left: 20px; margin: 8px 0; max-width: 76ch; }
.key i { display: inline-block; width: 22px; height: 12px; border-radius: 3px; vertical-align: -1px; margin: 0 5px 0 12px; border: 1px solid var(--edge); }
.key i.g0 { background: var(--even); } .key i.g1 { background: var(--trouble); } .key i.g2 { background: var(--outage); }
@media (max-width: 860px) { .tiles { grid-template-columns: repeat(2, 1fr); } .charts, .pair { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 520px) {
  main { padding: 20px 12px 40px; } .tile { padding: 10px 12px; } .tile b { font-size: 20px; } .card { padding: 12px 6px 6px; }
  svg text { font-size: 16px; } svg .stage { font-size: 0; } svg .limit-label { font-size: 14px; } table { font-size: 13px; } th, td { padding: 7px 9px; } tbody th { white-space: normal; }
  .pair th:nth-child(3), .pair td:nth-child(3) { display: none; }
}
@media print { body { background: #fff; } .card, .tile, .table { break-inside: avoid; } }
)css";

} // namespace repasse
