"""``livestack records`` as a group: each command is loaded for itself."""

from __future__ import annotations

import importlib

import click
from click.testing import CliRunner

from livestack.cli.main import cli
from livestack.cli.records import SUBCOMMANDS


def test_help_lists_every_command() -> None:
    """Without loading one."""
    told = CliRunner().invoke(cli, ["records", "--help"])
    assert 0 == told.exit_code
    assert {} == {name: text for name, (_, text) in SUBCOMMANDS.items() if text not in told.output}


def test_every_command_is_where_it_is_said_to_be() -> None:
    """And is called what it is asked for by."""
    for name, (place, _) in SUBCOMMANDS.items():
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        assert name == command.name


def test_an_unknown_one_is_refused() -> None:
    """As everywhere."""
    assert 2 == CliRunner().invoke(cli, ["records", "burn"]).exit_code
