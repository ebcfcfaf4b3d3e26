"""A report as one HTML page that needs nothing else: no network, no script, readable on paper and from a mail.

Made as a tree of elements, so that no text of a session, venue or operator can become markup; a browser is told to run
no script and to load nothing, besides. Pure. Any one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element, tostring

from livestack.research.report import Findings
from livestack.research.report_drawing import element
from livestack.research.report_measures import plain, rounded
from livestack.research.report_sections import moment, sections
from livestack.research.report_style import STYLE
from livestack.research.wording import duration

NOTHING_LOADED: Final = "default-src 'none'; style-src 'unsafe-inline'"


def page(findings: Findings, source: str, notes: Sequence[str] = ()) -> bytes:
    """The whole page in UTF-8. ``source``: where the records come from; ``notes``: what the reader has to know."""
    session = findings.trace.session
    ends = (findings.first[1], max(findings.last[1], findings.first[1] + 1))
    main = element("main", element("h1", session or "No records"))
    main.extend(_head(findings, source, notes))
    if findings.count:
        main.append(_key_figures(findings))
        main.extend(sections(findings, ends))
    main.append(
        element(
            "footer",
            "livestack report: times are UTC; amounts are exact in the tables, but of positions rounded to ten "
            "digits, as they are at the top and in the pictures: the exact ones stand where the pointer rests.",
        )
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=NOTHING_LOADED),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{session or 'No records'} - livestack"),
        element("style", STYLE),
    )
    root = element("html", head, element("body", main), lang="en")
    body: bytes = tostring(root, encoding="utf-8", method="html")
    return b"<!DOCTYPE html>\n" + body


def _head(findings: Findings, source: str, notes: Sequence[str]) -> list[Element]:
    trace, timeline = findings.trace, findings.timeline
    ended = findings.ended
    if not findings.count:
        state, style = "no records", "state bad"
    elif ended is None:
        state, style = "not stopped: running, or interrupted", "state bad"
    else:
        why = f": {ended.reason}" if ended.reason else ""
        state, style = f"stopped in order{why}", "state"
    first, last = findings.first, findings.last
    lines = {
        "Node": trace.node,
        "Strategy": trace.strategy,
        "Began": moment(findings.started_wall_ns or first[1]),
        "Trading time": f"{moment(first[1])} to {moment(last[1])}, {_lasted(last[1] - first[1])}",
        "Resumed": f"{findings.resumed} times" if findings.resumed else "",
        "Trading state at the end": timeline.trading,
        "Configuration": f"version {trace.configuration_version}",
        "Records": f"{findings.count:,} without balances, from seq {first[0]:,} to {last[0]:,}, {source}",
    }
    made = element("dl", class_="head")
    for name, text in lines.items() if findings.count else [("Records", source)]:
        if not text:
            continue
        made.append(element("dt", name))
        digest = {"Strategy": trace.strategy_digest, "Configuration": trace.configuration_digest}.get(
            name, ""
        )
        made.append(element("dd", text, " " if digest else "", element("code", digest) if digest else None))
    for note in notes:
        made.append(element("dt", "Note"))
        made.append(element("dd", note))
    return [element("div", state, class_=style), made]


def _lasted(nanoseconds: int) -> str:
    seconds = nanoseconds // 1_000_000_000
    if seconds < 60:
        return duration(nanoseconds)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    told = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(told[:2])


def _key_figures(findings: Findings) -> Element:
    counts = {
        "Orders": findings.orders,
        "Fills": findings.fill_count,
        "Intents denied": findings.denial_count,
    }
    amounts = [("Volume", amount, asset) for asset, amount in sorted(findings.volumes().items())]
    for asset, result in sorted(findings.results.items()):
        named = zip(("Realised P&L", "P&L after fees", "with unrealised"), result.last, strict=True)
        amounts += [(name, amount, asset) for name, amount in named]
    amounts += [("Fees paid", amount, asset) for asset, amount in sorted(findings.fees().items())]
    made = element("dl", class_="key")
    for name, count in counts.items():
        made.append(element("div", element("dt", name), element("dd", f"{count:,}")))
    for name, amount, asset in amounts:
        exact = f"{plain(amount)} {asset}"
        shown = element("dd", rounded(amount), element("small", asset), title=exact)
        made.append(element("div", element("dt", name), shown))
    return made
