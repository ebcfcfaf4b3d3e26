"""``livestack keys``: who may use the control sockets of a node over tcp. Works with or without a running node."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from livestack.cli.main import data_directory
from livestack.cli.parameters import data_dir_option
from livestack.control.commands import Role
from livestack.control.keys import new_client, read_clients, revoke
from livestack.summary import rfc3339

_SECOND_NS = 1_000_000_000


class Moment(click.ParamType[int]):
    """``2030-01-31`` (its first moment, UTC) or ``2030-01-31T12:00:00Z`` -> nanoseconds since 1970."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a date such as 2030-01-31 or 2030-01-31T12:00:00Z", param, ctx)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        expires_ns = int(moment.timestamp()) * _SECOND_NS
        if expires_ns <= time.time_ns():
            self.fail(f"{value!r} has to be in the future", param, ctx)
        return expires_ns


@click.group()
def keys() -> None:
    """Make, list and revoke the keys of operators."""


@keys.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.name.lower() for role in Role]),
    required=True,
    help="What the key may do: look; trade and kill; everything.",
)
@click.option("--expires", type=Moment(), help="Refused from this date on (2030-01-31, UTC).")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def new(name: str, role: str, expires: int | None, data_dir: Path | None, as_json: bool) -> None:
    """Make a key for NAME and let it in. Its file is all that a client needs; it holds the secret."""
    client, path = new_client(data_directory(data_dir) / "keys", name, Role[role.upper()], expires)
    if as_json:
        click.echo(msgspec.json.encode({"public_key": client.public_key, "path": str(path)}))
        return
    click.echo(f"public key  {client.public_key}")
    click.echo(f"key file    {path}")
    click.echo(f"Give the file to {name} in a way that you trust, then delete it here.", err=True)
    click.echo("A running node lets this key in from now on.", err=True)


@keys.command("list")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON list.")
def list_keys(data_dir: Path | None, as_json: bool) -> None:
    """List who may come in."""
    clients = read_clients(data_directory(data_dir) / "keys")
    if as_json:
        click.echo(
            msgspec.json.encode(
                [
                    {
                        "name": one.name,
                        "role": one.role.name.lower(),
                        "public_key": one.public_key,
                        "expires": rfc3339(one.expires_ns) if one.expires_ns is not None else None,
                    }
                    for one in clients
                ]
            )
        )
        return
    if not clients:
        click.echo("no keys; livestack keys new NAME --role ROLE makes one", err=True)
    width = max((len(one.name) for one in clients), default=0)
    for one in clients:
        ends = "" if one.expires_ns is None else f"  until {rfc3339(one.expires_ns)}"
        if one.expires_ns is not None and one.expires_ns <= time.time_ns():
            ends = "  expired"
        click.echo(f"{one.name:<{width}}  {one.role.name.lower():<8}  {one.public_key}{ends}")


@keys.command("revoke")
@click.argument("name")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def revoke_key(name: str, data_dir: Path | None, as_json: bool) -> None:
    """Take NAME off the list: a running node refuses its next command and ends what it follows."""
    count = revoke(data_directory(data_dir) / "keys", name)
    if as_json:
        click.echo(msgspec.json.encode({"name": name, "revoked": count}))
    else:
        click.echo(f"{name} is revoked")
