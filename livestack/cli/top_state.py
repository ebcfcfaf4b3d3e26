"""What ``livestack top`` always shows: how the node is, in three lines, and what to look at. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from livestack.cli.showing import moment, set_by
from livestack.cli.top_lines import (
    GAP,
    Block,
    Line,
    Span,
    block_of,
    clipped,
    fitted,
    sides,
    visible,
    width_of,
    wrapped,
)
from livestack.cli.top_picture import LATE_S, Picture
from livestack.cli.top_words import MARKS, seconds, state
from livestack.wire import control_pb2 as wire

GRADES = ("halting", "venue-halting", "critical", "warning")
"""The worst first; whatever else there may be comes before them."""

MORE = "press 2"


def head(picture: Picture, now_s: float, width: int) -> Block:
    """Three lines that are always there."""
    found = picture.status
    node = found.node or "no node yet"
    since = moment(found.started_at_ns)[:16]
    right: Line = ((f"since {since} UTC" if since else "", "dim"),)
    session = clipped(visible(found.session or "no session"), max(width - len(node) - 26, 20))
    first = sides(((visible(node), "title"), (GAP, ""), (session, "")), right, width)
    return Block(
        "", "", None, 3, (first, _states(picture, width), _counts(picture, now_s, width)).__getitem__
    )


def _states(picture: Picture, width: int) -> Line:
    found = picture.status
    if not found.phase:
        return fitted((("nothing is known yet", "dim"),), width)
    kill: Span = ("off", "good")
    if found.kill_switch:
        scopes = [one.scope for one in found.kill_switch]
        kill = ("ENGAGED" + ("" if "" in scopes else f" for {', '.join(scopes)}"), "loud")
    guard = state(found.guard) if found.guard != "lost" else ("!! lost", "bad")
    trading = state(found.trading_state)
    holds = len(found.holds)
    parts: list[tuple[str, Span]] = [
        ("", state(found.phase)),
        ("trading ", (trading[0].upper(), trading[1] if trading[1] != "good" else "bold")),
        ("kill ", kill),
        ("holds ", (f"! {holds}", "warn") if holds else ("none", "")),
        ("guard ", guard),
        ("strategy ", ("on", "") if found.strategy_enabled else ("! OFF", "warn")),
    ]
    return fitted(_joined(parts, width), width)


def _counts(picture: Picture, now_s: float, width: int) -> Line:
    found = picture.status
    if not found.phase:
        return fitted((), width)
    age_ms = picture.age_ms(now_s)
    rate = picture.counted_per_second("events")
    is_late = age_ms is not None and age_ms > LATE_S * 1_000
    parts: list[tuple[str, Span]] = [
        ("as of ", (f"{'! ' if is_late else ''}{seconds(age_ms)} ago", "warn" if is_late else "")),
        ("seq ", (f"{found.seq:,}", "")),
        ("Events/s ", ("-" if rate is None else f"{rate:,.0f}", "")),
        ("sent ", (f"{found.dispatches:,}", "")),
        ("fills ", (f"{found.fills:,}", "")),
        ("denied ", (f"{found.denied:,}", "")),
        ("configuration ", (f"{found.config_version}", "")),
    ]
    return fitted(_joined(parts, width), width)


def _joined(parts: Iterable[tuple[str, Span]], width: int) -> Line:
    """As many as there is room for, the first one in any case."""
    out: Line = ()
    for name, (text, style) in parts:
        more: Line = ((GAP if out else "", ""), (name, "dim"), (visible(text), style))
        if out and width_of(out) + width_of(more) > width:
            break
        out += more
    return out


def incidents(picture: Picture, now_s: float, width: int, lines_max: int) -> Block:
    """What to look at, the worst first, in so many lines at most; nothing at all is a line too."""
    everything = list(_troubles(picture, now_s))
    if not everything:
        text = "no incidents" if picture.status.phase else "incidents are not known"
        return block_of("", [fitted(((text, "dim"),), width)])
    lines: list[Line] = []
    advised = max(lines_max - len(everything), 0)
    for place, (line, advice) in enumerate(everything):
        rest = len(everything) - place
        if rest > 1 and len(lines) + 1 >= lines_max:
            lines.append(fitted(((f"   {rest:,} more: {MORE}", "bold"),), width))
            break
        lines.append(fitted(line, width))
        if advice and advised:
            advised -= 1
            lines.append(fitted((("   look at: ", "dim"), (visible(advice), "")), width))
    return block_of("", lines)


def all_incidents(picture: Picture, now_s: float, width: int) -> Block:
    """Each with all that is known of it."""
    lines: list[Line] = []
    found = sorted(picture.status.incidents, key=_gravity)
    for one in found:
        lines.append(_incident(picture, now_s, one, False))
        for name, text in (("detail", one.detail), ("meaning", one.meaning), ("look at", one.look_at)):
            for row, part in enumerate(wrapped(text, width - 12)):
                lines.append(((f"   {name if not row else '':<9}", "dim"), (part, "")))
        lines.append(())
    for line, _ in _troubles(picture, now_s, incidents_too=False):
        lines.append(line)
    return block_of("Incidents", [fitted(line, width) for line in lines], "" if lines else "none")


def _troubles(picture: Picture, now_s: float, incidents_too: bool = True) -> Iterator[tuple[Line, str]]:
    """A line, and what to look at."""
    found = picture.status
    known = {one.name for one in found.incidents}
    for kill in found.kill_switch:
        if incidents_too and "kill" in known:
            break
        who = f" by {kill.by}" if kill.by else ""
        text = f" {kill.scope or 'everything'} ({kill.trigger}{who}): {kill.reason}"
        yield (("!! KILL-SWITCH", "loud"), (visible(text), "bold")), ""
    for one in sorted(found.incidents, key=_gravity) if incidents_too else ():
        yield _incident(picture, now_s, one, True), one.look_at
    for scoped in found.trading:
        if scoped.scope and scoped.value != "active":
            text = visible(f"{scoped.scope}{set_by(scoped)}")
            yield ((f"! trading {scoped.value} for ", "warn"), (text, "")), ""
    for hold in found.holds:
        if hold.name != "kill" or not found.kill_switch:
            where = hold.instrument or hold.venue or "everything"
            yield (("! held: ", "warn"), (visible(f"{hold.name} {where}"), "")), ""


def _incident(picture: Picture, now_s: float, one: wire.Incident, with_detail: bool) -> Line:
    style = "warn" if one.grade == "warning" else "bad"
    age = seconds(one.age_ms + picture.passed_ms(now_s))
    line: Line = (
        (f"{MARKS[style]}{visible(one.grade)} ", style),
        (visible(one.name), "bold"),
        (visible(f" {one.scope} ".rstrip()), ""),
        (f"  {age}  ", "dim"),
    )
    return (*line, (visible(one.detail), "")) if with_detail else line


def _gravity(one: wire.Incident) -> tuple[int, int]:
    return (GRADES.index(one.grade) if one.grade in GRADES else -1), one.age_ms
