"""``livestack config``: a running node's Configuration: show it, change it as a whole, go back to an earlier one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import click

from livestack.cli.config_changes import changes_between, lines
from livestack.cli.node import Target, changes, on_node, tell
from livestack.cli.showing import echo_json
from livestack.client import ControlClient
from livestack.control.commands import NUMBER_MAX
from livestack.exceptions import RefusedError, UnreachableError
from livestack.wire import control_pb2 as wire

SHOWN_LIMIT_S = 3.0
"""How long a new version is waited for: some renewals of what the node shows."""

LOOK_EVERY_S = 0.1

_ASSIGNMENT = re.compile(r'((?:[^"=]|"[^"]*")+)=(.*)', re.DOTALL)
"""KEY=VALUE; an equals sign in a quoted part of KEY is KEY's."""


@click.group()
def config() -> None:
    """Show or change the Configuration of the running node."""


@config.command()
@click.option(
    "--version", type=click.IntRange(0, NUMBER_MAX), default=0, help="An earlier one.", show_default=False
)
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
    for key, value in lines(content):
        click.echo(f"{key}={json.dumps(value, ensure_ascii=False)}")
    others = ", ".join(map(str, found.versions)) or "none"
    click.echo(
        f"version {found.version} ({found.digest[:12]}); config roll-back can go to: {others}", err=True
    )


@config.command("set")
@click.argument("assignments", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.option(
    "--expected-version",
    type=click.IntRange(0, NUMBER_MAX),
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
    _change(
        target,
        lambda node: node.configuration_set(settings, reason, expected_version, request_id),
        "the configuration is version {version}",
    )


@config.command("roll-back")
@click.argument("version", type=click.IntRange(1, NUMBER_MAX))
@click.option(
    "--expected-version",
    type=click.IntRange(0, NUMBER_MAX),
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
    _change(
        target,
        lambda node: node.configuration_roll_back(version, reason, expected_version, request_id),
        f"the configuration is version {{version}}, with what {version} had",
    )


def _change(target: Target, command: Callable[[ControlClient], wire.Reply], done: str) -> None:
    """Give the command, and tell each key that it has changed: old and new."""
    with target.connect() as node:
        before = _content(node)
        reply = command(node)
        known = reply.HasField("configuration_version")
        after = _content(node, reply.configuration_version.version) if known else None
    found = [] if before is None or after is None else changes_between(before, after)
    version = reply.configuration_version
    more = {
        "version": version.version if known else None,
        "digest": version.digest if known else None,
        "changes": [one._asdict() for one in found],
    }
    tell(target, reply, done.format(version=version.version), more)
    if not target.as_json:
        for one in found:
            click.secho(str(one), fg="yellow" if one.note else None)


def _content(node: ControlClient, version: int = 0) -> dict[str, Any] | None:
    """None where it is not told: that keeps nobody from changing it. A new version is shown a moment later."""
    deadline = time.monotonic() + SHOWN_LIMIT_S
    while True:
        try:
            content: dict[str, Any] = json.loads(node.configuration(version).json or "{}")
        except RefusedError as error:
            if error.code != "NOT_FOUND" or time.monotonic() >= deadline:
                return None
        except (UnreachableError, ValueError):
            return None
        else:
            return content
        time.sleep(LOOK_EVERY_S)


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
