"""``livestack config``: a running node's Configuration: show it, change it as a whole, go back to an earlier one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import click

from livestack.cli.node import Target, carry_out, changes, on_node
from livestack.cli.showing import echo_json
from livestack.core.validation import join_key
from livestack.wire import control_pb2 as wire

_ASSIGNMENT = re.compile(r'((?:[^"=]|"[^"]*")+)=(.*)', re.DOTALL)
"""KEY=VALUE; an equals sign in a quoted part of KEY is KEY's."""


@click.group()
def config() -> None:
    """Show or change the Configuration of the running node."""


@config.command()
@click.option("--version", type=click.IntRange(min=0), default=0, help="An earlier one.", show_default=False)
@on_node
def show(target: Target, version: int) -> None:
    """Show the active Configuration, a key per line as "config set" takes them."""
    with target.connect() as node:
        found = node.configuration(version)
    content = json.loads(found.json or "{}")
    if target.as_json:
        echo_json(
            {
                "outcome": "done",
                "version": found.version,
                "digest": found.digest,
                "configuration": content,
                "versions": list(found.versions),
            }
        )
        return
    for key, value in _lines(content, ""):
        click.echo(f"{key}={json.dumps(value, ensure_ascii=False)}")
    others = ", ".join(map(str, found.versions)) or "none"
    click.echo(
        f"version {found.version} ({found.digest[:12]}); config roll-back can go to: {others}", err=True
    )


@config.command("set")
@click.argument("assignments", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.option(
    "--expected-version",
    type=click.IntRange(min=0),
    default=0,
    show_default=False,
    help="Refuse if another version is active by now.",
)
@changes()
@on_node
def set_(
    target: Target,
    assignments: tuple[str, ...],
    expected_version: int,
    reason: str,
    request_id: str | None,
) -> None:
    """Change keys, all of them or none. VALUE is JSON or plain text; null takes the key away.

    A key is written as "config show" shows it, in quotes for the shell where it has any:

        livestack config set 'risk.instrument."binance_spot:BTCUSDT".max_position=0.05' --reason "smaller"
    """
    settings = parse(assignments)
    carry_out(
        target,
        lambda node: node.configuration_set(settings, reason, expected_version, request_id),
        lambda reply: f"the configuration is version {reply.configuration_version.version}",
        _version,
    )


@config.command("roll-back")
@click.argument("version", type=click.IntRange(min=1))
@click.option(
    "--expected-version",
    type=click.IntRange(min=0),
    default=0,
    show_default=False,
    help="Refuse if another version is active by now.",
)
@changes()
@on_node
def roll_back(
    target: Target, version: int, expected_version: int, reason: str, request_id: str | None
) -> None:
    """Make the Configuration what it was in VERSION; it gets a new number."""
    carry_out(
        target,
        lambda node: node.configuration_roll_back(version, reason, expected_version, request_id),
        lambda reply: (
            f"the configuration is version {reply.configuration_version.version}, with what {version} had"
        ),
        _version,
    )


def _version(reply: wire.Reply) -> dict[str, Any]:
    found = reply.configuration_version
    known = reply.HasField("configuration_version")
    return {"version": found.version if known else None, "digest": found.digest if known else None}


def parse(assignments: tuple[str, ...]) -> dict[str, str]:
    """KEY=VALUE each as key and JSON text."""
    settings: dict[str, str] = {}
    for one in assignments:
        match = _ASSIGNMENT.fullmatch(one)
        if match is None:
            raise click.UsageError(f"{one!r} is not KEY=VALUE, such as risk.defaults.max_open_orders=5")
        key = match[1].strip()
        if key in settings:
            raise click.UsageError(f"{key} is given twice")
        settings[key] = json_value(match[2])
    return settings


def json_value(text: str) -> str:
    """``text`` as JSON. What is no JSON is text, and so is a number with a fraction: decimals are texts, exact."""
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=str)
    except (ValueError, RecursionError):
        return json.dumps(text)
    return json.dumps(text) if isinstance(value, Decimal) else json.dumps(value, default=str)


def _lines(content: Mapping[str, Any], parent: str) -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        key = join_key(parent, name)
        if isinstance(value, dict) and value:
            yield from _lines(value, key)
        else:
            yield key, value
