"""What all commands on a running node share: where it is, who asks, why, and how what became of it is told."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click

from livestack.cli.failures import for_tools, in_words
from livestack.cli.main import data_directory
from livestack.cli.parameters import data_dir_option
from livestack.cli.showing import echo_json
from livestack.client import ControlClient
from livestack.control.commands import REASON_CHARACTERS_MAX
from livestack.control.exchange import REPLY_LIMIT_S
from livestack.control.forgiving import one_line
from livestack.exceptions import LivestackError, UsageError
from livestack.wire import control_pb2 as wire

Decorated = Callable[..., Any]


class Target(NamedTuple):
    """Which node, and how its answer is wanted. ``data_dir`` None: it is elsewhere, at ``endpoint``."""

    data_dir: Path | None
    endpoint: str
    kill_endpoint: str
    publish_endpoint: str
    keys: Path | None
    as_json: bool

    def connect(self) -> ControlClient:
        """A client; it says where it looked when there is no node."""
        if self.data_dir is not None:
            if self.keys is not None and _is_typed("keys"):
                raise UsageError(
                    "--keys goes with --endpoint tcp://HOST:PORT; on this machine no key is needed"
                )
            return ControlClient.of_data_dir(self.data_dir, REPLY_LIMIT_S)
        if self.endpoint.startswith("tcp:") and self.keys is None:
            raise UsageError(
                f"{self.endpoint} needs --keys FILE: the key that livestack keys new NAME --role ROLE made"
            )
        keys = self.keys if self.endpoint.startswith("tcp:") else None
        return ControlClient.at(self.endpoint, self.kill_endpoint, keys, self.publish_endpoint, REPLY_LIMIT_S)


def _is_typed(name: str) -> bool:
    """Whether the option is on the command line itself: that counts more than a variable that always is there."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def _target(data_dir: Path | None, endpoint: str, as_json: bool, **given: Any) -> Target:
    if endpoint and not _is_typed("endpoint") and _is_typed("data_dir"):
        endpoint = ""
    directory = None if endpoint else data_directory(data_dir)
    return Target(directory, endpoint, as_json=as_json, **given)


_NODE_OPTIONS = (
    click.option("--json", "as_json", is_flag=True, help="For tools."),
    click.option(
        "--publish-endpoint",
        default="",
        help="With --endpoint, for events: control.listen_publish there.",
        metavar="ADDRESS",
    ),
    click.option(
        "--kill-endpoint",
        default="",
        help="With --endpoint, for kill: control.listen_kill there.",
        metavar="ADDRESS",
    ),
    click.option(
        "--keys",
        type=click.Path(path_type=Path, dir_okay=False),
        envvar="LIVESTACK_KEYS",
        default=None,
        help="Your key, for --endpoint tcp://...",
        metavar="FILE",
    ),
    click.option(
        "--endpoint",
        envvar="LIVESTACK_ENDPOINT",
        default="",
        help="A node elsewhere: tcp://HOST:PORT.",
        metavar="ADDRESS",
    ),
    data_dir_option,
)
_NAMES = ("data_dir", "endpoint", "kill_endpoint", "publish_endpoint", "keys", "as_json")


def on_node(command: Decorated) -> Decorated:
    """The options that say which node: the command's first argument is a :class:`Target`. Its failures are told."""

    @functools.wraps(command)
    def run_(**given: Any) -> Any:
        target = _target(**{name: given.pop(name) for name in _NAMES})
        try:
            return command(target, **given)
        except UnicodeEncodeError:
            failure: LivestackError = UsageError("names and values have to be text in UTF-8")
        except LivestackError as error:
            failure = error
        told = in_words(failure, target.data_dir)
        if target.as_json:
            echo_json(for_tools(told))
        raise told from failure

    run: Decorated = run_
    for option in _NODE_OPTIONS:
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
    """``reason`` as one line, or a usage error that asks for one."""
    reason = one_line(reason)
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
        reply = command(node)
    tell(target, reply, done if isinstance(done, str) else done(reply), more(reply))


def tell(target: Target, reply: wire.Reply, done: str, more: dict[str, Any]) -> None:
    """The reply for whoever asked; what the node has to say to it is a sentence of its own."""
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
        if reply.message:
            click.echo(reply.message, err=True)
    else:
        seq = seq_of(reply)
        click.echo(done if seq is None else f"{done} (seq {seq:,})")
        say_message(reply)


def say_message(reply: wire.Reply) -> None:
    """What the node adds to a command that is done: mostly what is not as one might think."""
    if reply.message:
        click.secho(reply.message, fg="yellow")


def seq_of(reply: wire.Reply) -> int | None:
    return reply.seq if reply.HasField("seq") else None
