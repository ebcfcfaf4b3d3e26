"""The style sheet of a report: light and dark by the reader's own setting, and on paper. A constant; any one thread.

Curves differ by dashes, marks by shapes, bars by hatching, so that nothing hangs on colour; the colours are those that
most colour-blind people tell apart.
"""

from __future__ import annotations

from typing import Final

_LIGHT: Final = """
--page:#fbfbf9;--card:#fff;--ink:#1d2126;--soft:#5d6670;--rule:#e4e5e1;--grid:#eceded;--axis:#a9b0b7;
--first:#0067a8;--second:#bc4b00;--third:#4a5560;--buy:#0067a8;--sell:#bc4b00;--bad:#b3261e;--warning:#9a6a00;
--bar:#5b9bc8;--hover:rgba(0,80,140,.09);color-scheme:light;
"""

_DARK: Final = """
--page:#14171a;--card:#1b1f23;--ink:#e7e9eb;--soft:#9aa4ae;--rule:#2e343a;--grid:#272c31;--axis:#5f6973;
--first:#5fb3f0;--second:#f2935c;--third:#b4bec8;--buy:#5fb3f0;--sell:#f2935c;--bad:#ff8a80;--warning:#e5b84b;
--bar:#3f7fae;--hover:rgba(120,190,250,.13);color-scheme:dark;
"""

_PAGE: Final = """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
main{max-width:1120px;margin:0 auto;padding:36px 28px 60px}
h1{font-size:27px;line-height:1.2;margin:0 0 2px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:18px;margin:44px 0 4px;letter-spacing:-.005em}
h3{font-size:14px;margin:22px 0 2px;font-weight:600;overflow-wrap:anywhere}
p{margin:2px 0 10px;color:var(--soft);max-width:80ch}
.state{display:inline-block;margin:0 0 18px;padding:1px 10px;border:1px solid currentColor;border-radius:99px;
font-size:13px;color:var(--soft)}
.state.bad{color:var(--bad)}
dl.head{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:3px 22px;margin:0 0 26px;font-size:14px}
dl.head dt{color:var(--soft)}
dl.head dd{margin:0;overflow-wrap:anywhere}
code{font:12.5px ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
.key{display:grid;grid-template-columns:repeat(auto-fill,minmax(176px,1fr));gap:10px;margin:0}
.key div{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:10px 14px 11px;min-width:0}
.key dt{font-size:12.5px;color:var(--soft)}
.key dd{margin:0;font-size:20px;font-weight:600;overflow-wrap:anywhere;line-height:1.3}
.key dd small{white-space:nowrap;font-size:13px;font-weight:400;color:var(--soft);margin-left:5px}
figure{margin:8px 0 0;background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:12px 10px 8px;
overflow-x:auto}
svg{display:block;width:100%;min-width:620px;height:auto;font-size:12.5px}
svg text{fill:var(--ink)}
svg .tick{fill:var(--soft);font-size:12px}
svg .end{text-anchor:end}
svg .middle{text-anchor:middle}
svg path,svg rect,svg circle{fill:none}
svg .grid{stroke:var(--grid)}
svg .axis{stroke:var(--axis)}
svg .zero{stroke:var(--axis)}
svg .lead{stroke:var(--axis)}
svg .line{stroke-width:1.9;stroke-linejoin:round}
svg .first{stroke:var(--first)}
svg .second{stroke:var(--second);stroke-dasharray:7 3}
svg .third{stroke:var(--third);stroke-dasharray:1.5 2.5}
svg .strip{fill:transparent}
svg .strip:hover{fill:var(--hover)}
svg .buy{fill:var(--buy)}
svg .sell{fill:var(--card);stroke:var(--sell);stroke-width:1.5}
svg .bar.one{fill:var(--bar)}
svg .bar.two{fill:var(--card);stroke:var(--second);stroke-width:1.2;stroke-dasharray:3 2}
svg .bar:hover{opacity:.7}
svg .percentile{stroke:var(--ink);stroke-width:1.5}
svg .p90{stroke-dasharray:6 3}
svg .p99{stroke-dasharray:1.5 2.5}
svg .info{fill:var(--card);stroke:var(--first);stroke-width:1.8}
svg .warning{fill:var(--warning)}
svg .bad{fill:var(--bad)}
svg .span{fill:var(--bad);opacity:.35}
.wide{overflow-x:auto;margin-top:10px}
table{border-collapse:collapse;font-size:13px;width:100%}
th{text-align:left;font-weight:600;color:var(--soft);border-bottom:1px solid var(--axis);vertical-align:bottom}
th,td{padding:4px 10px 4px 0;vertical-align:top}
td{border-bottom:1px solid var(--rule)}
td.long{overflow-wrap:anywhere;min-width:14em}
th.number,td.number{text-align:right}
td.number{white-space:nowrap}
td.bad{color:var(--bad);font-weight:600}
td.warning{color:var(--warning);font-weight:600}
footer{margin-top:48px;border-top:1px solid var(--rule);padding-top:10px;font-size:12.5px;color:var(--soft)}
"""

_PAPER: Final = """
body{font-size:11px;background:none}
svg{min-width:0}
main{max-width:none;padding:0}
figure,.key div{break-inside:avoid;border-color:#ccc}
tr{break-inside:avoid}
h2,h3{break-after:avoid}
.wide{overflow:visible}
@page{margin:14mm}
"""

STYLE: Final = (
    f":root{{{_LIGHT}}}"
    f"@media screen and (prefers-color-scheme:dark){{:root{{{_DARK}}}}}"
    f"{_PAGE}@media print{{{_PAPER}}}"
).replace("\n", "")
