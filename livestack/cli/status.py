"""``livestack status``: how a running node is, at a glance, and as a health check for supervisors."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
from rich.table import Table
from rich.text import Text

from livestack.cli.node import Target, on_node
from livestack.cli.parameters import DURATION
from livestack.cli.showing import COLOURS, NodeConsole, age, echo_json, number, plain, set_by, show_table, utc
from livestack.core.incidents import SHIP_LAG, SHIP_REFUSED, TRADING_HALTED
from livestack.wire import control_pb2 as wire

EXIT_NOT_GOOD = 8

NOT_YET = "not yet"
PHASES_BEFORE = ("standby", "starting")
"""Where a value of nothing only means that there is none yet."""

GRADES_NOT_GOOD = ("critical", "halting", "venue-halting")
AGE_MAX_NS = 10_000_000_000
"""Some renewals of what is shown, also at the slowest ``control.publish_every`` but one."""


@click.command()
@click.option("--check", is_flag=True, help="Exit code 8, and why, where the node is not healthy.")
@click.option(
    "--age-max",
    "age_max_ns",
    type=DURATION,
    default=AGE_MAX_NS,
    help="With --check: how old what is shown, and a feed's last message, may be (default 10s).",
)
@on_node
def status(target: Target, check: bool, age_max_ns: int) -> None:
    """Show session, trading state, kill-switch, feeds, venues and incidents of the running node."""
    with target.connect() as node:
        found = node.status()
    problems = list(_problems(found, age_max_ns // 1_000_000)) if check else []
    if target.as_json:
        echo_json(plain(found) | ({"healthy": not problems, "problems": problems} if check else {}))
    else:
        _show(found)
        for problem in problems:
            click.secho(problem, fg="red", err=True)
    if problems:
        sys.exit(EXIT_NOT_GOOD)


def _problems(found: wire.Status, age_max_ms: int) -> Iterator[str]:
    """Why the node is not healthy, a sentence each."""
    if found.phase != "running":
        yield f"the node is {found.phase or 'nowhere'}, not running"
    for kill in found.kill_switch:
        yield f"the kill-switch is engaged for {kill.scope or 'everything'}: {kill.reason or kill.trigger}"
    halted = {one.scope: one for one in found.trading if one.value == "halted"}
    if found.trading_state == "halted" and "" not in halted:
        yield "trading is halted"
    for one in halted.values():
        yield f"trading is halted for {one.scope or 'everything'}{set_by(one)}"
    for venue in found.venues:
        if venue.status != "live":
            yield f"venue {venue.venue} is {venue.status}"
    for feed in found.feeds:
        if feed.status != "live":
            yield f"the feed of {feed.venue} is {feed.status}"
        if found.trading_state == "active":
            yield from _silence(feed, age_max_ms)
    for incident in found.incidents:
        if incident.name == TRADING_HALTED.name and incident.scope in halted:
            continue
        if incident.grade in GRADES_NOT_GOOD:
            yield f"{incident.grade}: {' '.join(filter(None, (incident.name, incident.scope, incident.detail)))}"
    yield from _late_sinks(found)
    if found.guard == "lost":
        yield "the guard is lost"
    if found.age_ms > age_max_ms:
        yield f"what is shown is {age(found.age_ms)} old: the node makes no progress"


def _late_sinks(found: wire.Status) -> Iterator[str]:
    """Records are not where they should be: somebody has to act, or has to look. One that is away for a moment is not
    told."""
    late = {incident.scope for incident in found.incidents if incident.name == SHIP_LAG.name}
    told = {incident.scope for incident in found.incidents if incident.name == SHIP_REFUSED.name}
    for sink in found.sinks:
        if sink.state == "refused":
            if sink.name not in told:
                yield f"the sink {sink.name} refuses: {sink.error}"
        elif sink.name in late:
            why = f": {sink.error}" if sink.error else ""
            yield f"the sink {sink.name} is {sink.behind:,} Events and {age(sink.lag_ms)} behind{why}"


def _silence(feed: wire.Feed, age_max_ms: int) -> Iterator[str]:
    """Nothing came of any of its instruments: one that is quiet alone is the risk rules' affair."""
    ages = [one.age_ms for one in feed.instruments if one.age_ms >= 0]
    if feed.instruments and not ages:
        yield f"the feed of {feed.venue} has sent nothing yet"
    elif ages and min(ages) > age_max_ms:
        yield f"the last message of the feed of {feed.venue} is {age(min(ages))} old"


def _show(found: wire.Status) -> None:
    console = NodeConsole()
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in _rows(found):
        table.add_row(name, Text(value, style=COLOURS.get(value, "")))
    console.print(table)
    show_table(
        "Venues",
        ("!venue", "status", "feed", ">open", ">unknown", "?>clock"),
        [
            (
                one.venue,
                one.status,
                next((feed.status for feed in found.feeds if feed.venue == one.venue), "-"),
                f"{one.open_orders:,}",
                f"{one.unknown_orders:,}",
                f"{one.clock_offset_us:+,} us",
            )
            for one in found.venues
        ],
    )
    show_table(
        "Instruments",
        ("!instrument", "status", "?book", ">bid", ">ask", ">age"),
        [
            (
                one.instrument,
                one.status,
                "valid" if one.book_valid else "not valid",
                number(one.bid),
                number(one.ask),
                age(one.age_ms),
            )
            for feed in found.feeds
            for one in feed.instruments
        ],
    )
    _show_sinks(found)
    _show_incidents(found)


def _show_incidents(found: wire.Status) -> None:
    """Each with what it is and what to look at; those that stop something first, then the oldest."""
    if not found.incidents:
        return
    console = NodeConsole()
    console.print("\nIncidents", style="bold")
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")
    for one in sorted(found.incidents, key=lambda one: (one.grade not in GRADES_NOT_GOOD, -one.age_ms)):
        scope = f" {one.scope}" if one.scope else ""
        detail = f": {one.detail}" if one.detail else ""
        table.add_row(
            Text(one.grade, style=COLOURS.get(one.grade, "")),
            Text(f"{one.name}{scope}", style="bold").append(f", for {age(one.age_ms)}{detail}", style="none"),
        )
        for sentence in filter(None, (one.meaning, one.look_at and f"Look at: {one.look_at}")):
            table.add_row("", Text(sentence))
    console.print(table)


def _show_sinks(found: wire.Status) -> None:
    if found.sinks:
        show_table(
            "Sinks of records",
            ("!sink", "state", ">through", ">behind", ">lag", "?address", "error"),
            [
                (
                    one.name,
                    one.state,
                    f"{one.through:,}",
                    f"{one.behind:,}",
                    age(one.lag_ms),
                    one.address,
                    one.error or "-",
                )
                for one in found.sinks
            ],
        )


def _rows(found: wire.Status) -> Iterator[tuple[str, str]]:
    begins = found.phase in PHASES_BEFORE
    yield "session", f"{found.session or (NOT_YET if begins else 'none')} of node {found.node}"
    yield "since", utc(found.started_at_ns) or (NOT_YET if begins else "-")
    yield "phase", found.phase
    yield "trading", NOT_YET if begins else found.trading_state
    for one in found.trading:
        if one.scope or one.why:
            yield "", f"{one.scope or 'everything'} {one.value}{set_by(one)}"
    if not found.kill_switch:
        yield "kill-switch", "not engaged"
    for kill in found.kill_switch:
        who = f" by {kill.by}" if kill.by else ""
        yield "kill-switch", f"ENGAGED for {kill.scope or 'everything'} ({kill.trigger}{who}): {kill.reason}"
    for hold in found.holds:
        yield "held", f"{hold.name} {hold.instrument or hold.venue or 'everything'}"
    yield "strategy", NOT_YET if begins else "enabled" if found.strategy_enabled else "disabled"
    if begins and not found.seq:
        yield from ((name, NOT_YET) for name in ("orders", "so far", "configuration"))
        yield "guard", found.guard or NOT_YET
        yield from _operator(found)
        yield "as of", NOT_YET
        return
    yield "orders", f"{found.open_orders:,} open, {found.unknown_orders:,} of unknown fate"
    yield (
        "so far",
        (
            f"{found.events:,} Events and {found.fills:,} fills in this run, "
            f"{found.dispatches:,} dispatches and {found.denied:,} denied in the session"
        ),
    )
    yield "configuration", f"version {found.config_version} ({found.config_digest[:12]})"
    yield "guard", found.guard or "-"
    yield from _operator(found)
    yield "as of", f"seq {found.seq:,}, {age(found.age_ms)} ago"


def _operator(found: wire.Status) -> Iterator[tuple[str, str]]:
    """Where a session may not be left alone."""
    if found.dead_man_ms:
        heard = f"heard {age(found.operator_silent_ms)} ago" if found.operator_silent_ms else NOT_YET
        yield "operator", f"{heard}; killed after {found.dead_man_ms / 1_000:g} s of silence"
