"""What all commands on a running node share: where it is, who asks, why, and how what became of it is told."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from livestack.cli.main import data_directory
from livestack.cli.parameters import data_dir_option
from livestack.cli.showing import echo_json
from livestack.client import ControlClient
from livestack.control.commands import REASON_CHARACTERS_MAX
from livestack.control.exchange import REPLY_LIMIT_S
from livestack.core.validation import encodable
from livestack.exceptions import OutcomeUnknownError, RefusedError, UsageError
from livestack.wire import control_pb2 as wire

Decorated = Callable[..., Any]


class Target(NamedTuple):
    """Which node, and how its answer is wanted."""

    data_dir: Path | None
    endpoint: str
    keys: Path | None
    as_json: bool

    def connect(self, kill_endpoint: str = "", publish_endpoint: str = "") -> ControlClient:
        """A client; it says where it looked when there is no node."""
        if not self.endpoint:
            if self.keys is not None:
                raise UsageError(
                    "--keys goes with --endpoint tcp://HOST:PORT; on this machine no key is needed"
                )
            return ControlClient.of_data_dir(data_directory(self.data_dir), REPLY_LIMIT_S)
        if self.endpoint.startswith("tcp:") and self.keys is None:
            raise UsageError(
                f"{self.endpoint} needs --keys FILE: the key that livestack keys new NAME --role ROLE made"
            )
        return ControlClient.at(self.endpoint, kill_endpoint, self.keys, publish_endpoint, REPLY_LIMIT_S)


def on_node(command: Decorated) -> Decorated:
    """``--data-dir``, ``--endpoint``, ``--keys`` and ``--json``: the command's first argument is a :class:`Target`."""

    @functools.wraps(command)
    def run_(data_dir: Path | None, endpoint: str, keys: Path | None, as_json: bool, **given: Any) -> Any:
        return command(Target(data_dir, endpoint, keys, as_json), **given)

    run: Decorated = run_
    for option in (
        click.option("--json", "as_json", is_flag=True, help="For tools."),
        click.option(
            "--keys",
            type=click.Path(path_type=Path, dir_okay=False),
            default=None,
            help="Your key, for --endpoint tcp://...",
            metavar="FILE",
        ),
        click.option("--endpoint", default="", help="A node elsewhere: tcp://HOST:PORT.", metavar="ADDRESS"),
        data_dir_option,
    ):
        run = option(run)
    return run


def changes(default: str | None = None) -> Callable[[Decorated], Decorated]:
    """``--reason`` and ``--request-id``, for what changes something.

    ``default``: the reason where none has to be given; None: one has to; empty: the command asks for it itself.
    """

    def check(_context: click.Context, _parameter: click.Parameter, reason: str) -> str:
        if default == "":
            return reason  # the command asks for it itself
        return the_reason(reason or default or "")

    def decorate(command: Decorated) -> Decorated:
        reason = click.option(
            "--reason", default="", callback=check, help="Why; recorded with the command.", metavar="TEXT"
        )
        request_id = click.option(
            "--request-id",
            default=None,
            help="Of a command whose outcome you do not know: asked again, never done twice.",
            metavar="ID",
        )
        return reason(request_id(command))

    return decorate


def the_reason(reason: str) -> str:
    """``reason`` as one line, or a usage error that asks for one. No odd character may keep a kill from going out."""
    shown = "".join(one if one.isprintable() else " " for one in encodable(reason))
    reason = " ".join(shown.split())
    if not reason:
        raise click.UsageError("say why with --reason TEXT: it is recorded with the command")
    if len(reason) > REASON_CHARACTERS_MAX:
        raise click.UsageError(f"--reason has {len(reason)} characters; it may have {REASON_CHARACTERS_MAX}")
    return reason


def no_options_before(context: click.Context) -> None:
    """``livestack kill --json reset``: an option in front of the sub-command would be lost in silence."""
    lost = [
        name
        for name in context.params
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if lost:
        raise click.UsageError(f"options go behind {context.invoked_subcommand}")


def carry_out(
    target: Target,
    command: Callable[[ControlClient], wire.Reply],
    done: str | Callable[[wire.Reply], str],
    more: Callable[[wire.Reply], dict[str, Any]] = lambda reply: {},
) -> None:
    """Give a command and tell what became of it; ``done`` is the sentence for people where all went well."""
    with target.connect() as node:
        reply = told(target, lambda: command(node))
    tell(target, reply, done if isinstance(done, str) else done(reply), more(reply))


def told(target: Target, command: Callable[[], wire.Reply]) -> wire.Reply:
    """The reply to ``command``. What went wrong becomes JSON for tools too, besides the sentence and the exit code."""
    try:
        return command()
    except RefusedError as error:
        if target.as_json:
            echo_json(_failed("refused", error.code.lower(), str(error.sentence), error.request_id))
        raise
    except UnicodeEncodeError:
        raise UsageError("names and values have to be text in UTF-8") from None
    except OutcomeUnknownError as error:
        if target.as_json:
            echo_json(_failed("unknown", "timed_out", str(error), error.request_id))
        click.echo(f"the same command with --request-id {error.request_id} asks again", err=True)
        raise


def tell(target: Target, reply: wire.Reply, done: str, more: dict[str, Any]) -> None:
    """The reply for whoever asked."""
    awaiting = reply.outcome == wire.AWAITING
    if target.as_json:
        echo_json(
            {
                "outcome": "awaiting" if awaiting else "done",
                "seq": seq_of(reply),
                **more,
                "code": "none",
                "message": reply.message,
                "request_id": reply.request_id,
            }
        )
    elif awaiting:
        click.echo(f"not done yet: somebody with another key says livestack confirm {reply.request_id}")
    else:
        seq = seq_of(reply)
        click.echo(done if seq is None else f"{done} (seq {seq:,})")
    if reply.message and not target.as_json:
        click.echo(reply.message, err=True)


def seq_of(reply: wire.Reply) -> int | None:
    return reply.seq if reply.HasField("seq") else None


def _failed(outcome: str, code: str, message: str, request_id: str) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "seq": None,
        "code": code,
        "message": message,
        "request_id": request_id,
    }
