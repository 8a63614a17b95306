/** The style of a scan's page, light and dark. It names no font or picture of another place. */
export const STYLE = `
:root { color-scheme: light dark; --ground: #ffffff; --text: #1d2430; --faint: #667085; --line: #e4e7ec;
  --cost: #b6c2d4; --saved: #12805c; --possible: #9fd3bf; --accent: #2257c5; --promise: #b54708; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14181f; --text: #e6e9ef; --faint: #98a2b3; --line: #2b323d; --cost: #47546b;
    --saved: #36b37e; --possible: #2a6650; --accent: #84adff; --promise: #fdb022; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--ground);
  color: var(--text); font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', sans-serif; }
h1 { font-size: 1.05rem; color: var(--faint); font-weight: 600; margin: 0 0 .5rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
h3 { font: 600 .95rem/1.4 ui-monospace, Menlo, Consolas, monospace; margin: 1.5rem 0 .25rem; }
.lead { font-size: 1.35rem; line-height: 1.4; margin: 0 0 1rem; }
.next { border-left: 4px solid var(--accent); padding: .25rem .9rem; margin: 0; overflow-wrap: anywhere; }
.cache { border-left: 4px solid var(--promise); padding: .1rem .9rem; margin: .5rem 0; font-size: .92rem;
  overflow-wrap: anywhere; }
.cache p { margin: 0; }
.cache ul { margin: .2rem 0 0; padding-left: 1.1rem; }
.faint, .remark { color: var(--faint); }
.remark { margin: .1rem 0 .5rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
th, td { padding: .4rem .5rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; font-family: ui-monospace, Menlo, Consolas, monospace; }
th { color: var(--faint); font-weight: 600; vertical-align: bottom; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid var(--line); padding: .75rem;
  font: .82rem/1.45 ui-monospace, Menlo, Consolas, monospace; }
svg.plot { display: block; height: auto; width: 100%; max-width: 30rem; font-size: 12.5px; }
svg text { fill: var(--text); }
svg text.faint { fill: var(--faint); }
.bars { list-style: none; margin: 0; padding: 0; }
.bars li { margin-bottom: .75rem; overflow-wrap: anywhere; }
.bar { display: flex; gap: .5rem; align-items: center; font-size: .9rem; }
.bar i { flex: none; min-width: 1px; height: .9rem; border-radius: 2px; }
.bar .cost { background: var(--cost); } .bar .saved { background: var(--saved); }
.bar .possible { background: var(--possible); }
rect.band { fill: var(--accent); opacity: .18; }
polyline { fill: none; }
.grid { stroke: var(--line); } .curve { stroke: var(--accent); stroke-width: 2; }
.promise { stroke: var(--promise); stroke-dasharray: 5 4; } .chosen { stroke: var(--accent); stroke-width: 1.5; }
circle.dot { fill: var(--accent); }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .35em 0 1em; border-radius: 2px; }
.key:first-child { margin-left: 0; }
@media print { :root { color-scheme: light; } }
`
