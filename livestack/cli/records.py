"""``livestack records``: what becomes of a session's execution records. Each command is loaded when it is asked for."""

from __future__ import annotations

import importlib

import click

SUBCOMMANDS = {
    "ship": ("livestack.cli.records_ship:ship", "Bring what is not yet in central storage there."),
    "show": ("livestack.cli.records_show:show", "Show what central storage has."),
    "verify": ("livestack.cli.records_verify:verify", "Compare central storage with the journal."),
}
"""Command -> ``module:object`` and what help says."""


class _Subcommands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = SUBCOMMANDS.get(cmd_name, ("",))[0]
        if not place:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUBCOMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=_Subcommands)
def records() -> None:
    """Execution records: derived from the journal, kept in central storage, compared with each other."""
