"""``livestack risk``: a running node's limits and what they denied; the risk rules, and what a file sets for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from livestack.cli.node import Target, no_options_before, on_node
from livestack.cli.showing import PIPE_WIDTH, age, echo_json, plain, show_table
from livestack.core.configuration import Configuration, RiskLimits
from livestack.core.limits import merge
from livestack.core.risk_guide import MONITOR_GUIDE, RATE_LIMITS, RULE_GUIDE, Guide
from livestack.core.risk_rules import RULES
from livestack.core.validation import to_plain
from livestack.settings import Settings, inspect

NOT_CONFIGURED = "denies: not configured"


class InForce(msgspec.Struct, frozen=True):
    """What holds for ``key`` in ``scope``: ``default``, a venue or an instrument. ``value`` None: it denies."""

    key: str
    scope: str
    value: object


@click.group(invoke_without_command=True)
@on_node
def risk(target: Target) -> None:
    """Show the running node's limits and how often each rule denied in this session."""
    context = click.get_current_context()
    if context.invoked_subcommand:
        no_options_before(context)
        return
    with target.connect() as node:
        found = node.risk()
    if target.as_json:
        echo_json([plain(one) for one in found.limits])
        return
    show_table(
        f"Risk limits, {age(found.age_ms)} ago",
        ("!rule", "scope", "!limit", ">denied", "last"),
        [
            (one.rule, one.scope or "default", one.limit, f"{one.denied:,}", one.last_detail)
            for one in found.limits
        ],
    )


@risk.command()
@click.option(
    "-c",
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="Show the limits that FILE sets.",
    metavar="FILE",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def rules(path: Path | None, as_json: bool) -> None:
    """List every risk rule in the order in which it is asked, what it denies and the keys that it needs.

    A key that is not configured denies every order. With -c the limits in force are shown; variables and secrets that
    FILE names need not be set.
    """
    limits = None if path is None else list(_in_force(*inspect(path)))
    if as_json:
        content = {
            "rules": [_plain(name, RULE_GUIDE[name], "denies", limits) for name in RULES],
            "monitors": [_plain(name, guide, "does", None) for name, guide in MONITOR_GUIDE.items()],
        }
        click.echo(msgspec.json.encode(content))
        return
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    console.print(_table("rule", "denies", {name: RULE_GUIDE[name] for name in RULES}, limits))
    console.print("Monitors look after each Event and deny no order by themselves:")
    console.print(_table("monitor", "does", MONITOR_GUIDE, None))


def _in_force(settings: Settings, configuration: Configuration) -> Iterator[InForce]:
    """Every key in every scope of the file, widest scope first."""
    limits = configuration.risk
    for key in RiskLimits.__struct_fields__:
        yield InForce(key, "default", _value(key, limits.defaults))
        for name, venue in settings.venues.items():
            of_venue = limits.venue.get(name, RiskLimits())
            yield InForce(key, name, _value(key, of_venue, limits.defaults))
            for instrument in (f"{name}:{symbol}" for symbol in venue.symbols):
                own = limits.instrument.get(instrument, RiskLimits())
                yield InForce(key, instrument, _value(key, own, of_venue, limits.defaults))
    for name in settings.venues:
        rules = configuration.execution.venue.get(name)
        yield InForce(RATE_LIMITS, name, len(rules.rate_limits) if rules is not None else None)


def _value(key: str, *scopes: RiskLimits) -> object:
    """As it is written in a file; None where it is written nowhere."""
    plain = to_plain(merge(*scopes), RiskLimits)
    assert isinstance(plain, dict)
    return plain.get(key)


def _plain(name: str, guide: Guide, verb: str, limits: list[InForce] | None) -> dict[str, object]:
    content: dict[str, object] = {"name": name, verb: guide.sentence, "keys": guide.keys}
    if limits is not None:
        content["in_force"] = [
            {
                "key": one.key,
                "scope": one.scope,
                "value": one.value,
                "configured": one.value not in (None, {}),
            }
            for one in limits
            if one.key in guide.keys
        ]
    return content


def _table(kind: str, verb: str, guides: dict[str, Guide], limits: list[InForce] | None) -> Table:
    table = Table(kind, verb, box=SIMPLE, padding=(0, 1, 0, 0))
    for name, guide in guides.items():
        lines = [guide.sentence, *(line for key in guide.keys for line in _needs(key, limits))]
        table.add_row(name, "\n".join(lines))
    return table


def _needs(key: str, limits: list[InForce] | None) -> Iterator[str]:
    """``key`` and, where a file is looked at, one line for each scope that says something of its own."""
    if limits is None:
        yield f"  needs [cyan]{key}[/]"
        return
    for one in _differing([one for one in limits if one.key == key]):
        if one.key == RATE_LIMITS:
            yield f"  [cyan]{key.replace('NAME', one.scope)}[/] {_text(one.value)}"
            continue
        scope = "" if one.scope == "default" else f" for {escape(one.scope)}"
        yield f"  [cyan]{key}[/]{scope} {_text(one.value)}"


def _differing(limits: list[InForce]) -> Iterator[InForce]:
    """Those of one key that say something that the wider scope does not."""
    narrowest = [one for one in limits if ":" in one.scope]
    covered = bool(narrowest) and all(one.value is not None for one in narrowest)
    wider: dict[str, object] = {}
    for one in limits:
        wider[one.scope] = one.value
        venue, colon, _ = one.scope.partition(":")
        above = venue if colon else "default"
        if above in wider and above != one.scope and wider[above] == one.value:
            continue
        if one.value is not None or not covered:
            yield one


def _text(value: object) -> str:
    if value is None or value == {}:
        return f"[red]{NOT_CONFIGURED}[/]"
    if isinstance(value, dict):
        value = ", ".join(f"{amount} {currency}" for currency, amount in value.items())
    return "= " + escape(str(value).lower() if isinstance(value, bool) else str(value))
