"""A running node, from another process: every command of the control surface as a method.

A command that changes something is never lost in silence: it is done, refused, waiting for a second key, or its
outcome is unknown and said to be. A client belongs to one thread at a time.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal

from livestack.control.channel import CurveKeys, Place
from livestack.control.commands import NUMBER_MAX, PROTOCOL, REQUEST_ID_RULE, is_request_id
from livestack.control.endpoints import endpoints
from livestack.control.exchange import REPLY_LIMIT_S, Exchange
from livestack.control.forgiving import kill_name, kill_reason, kill_request_id
from livestack.control.keys import load_client_keys
from livestack.exceptions import (
    NodeUnreachableError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RefusedError,
    UsageError,
)
from livestack.wire import control_pb2 as wire

STUCK = "livestack guard cancel-all cancels at the venues without it"

Topic = Literal["status", "event", "notable"]
State = Literal["active", "reducing", "halted"]

STATES = ("ACTIVE", "REDUCING", "HALTED")


class ControlClient:
    """Made by :meth:`of_data_dir` or :meth:`at`; a context manager that closes its sockets.

    Queries return what the node shows. Commands return the :class:`Reply`, whose ``outcome`` is DONE or AWAITING (a
    second key has to confirm) and whose ``seq`` is where the effect stands in the Event Stream. Errors of each method:
    ``NodeUnreachableError``, ``RefusedError``, ``PermissionDeniedError``, of commands also ``OutcomeUnknownError``.

    ``limit_s``: how long a reply is waited for. ``request_id`` of a command: the same one again gets the same reply and
    changes nothing; None makes one.
    """

    def __init__(
        self, main: Place, kill: Place, publish: Place | None, limit_s: float = REPLY_LIMIT_S
    ) -> None:
        self._main = main
        self._kill = kill
        self._publish = publish
        self._exchange = Exchange(limit_s)

    @classmethod
    def of_data_dir(cls, path: Path, limit_s: float = REPLY_LIMIT_S) -> ControlClient:
        """The node that runs in ``path``, on this machine. Whoever may open its sockets has the role admin."""
        addresses = endpoints(path)
        advice = (
            f"livestack guard status --data-dir {path} tells what one has left; "
            f"livestack start -c FILE --data-dir {path} starts one"
        )
        kill_advice = f"a file named KILL in {path} stops a node there that still runs"
        return cls(
            Place(addresses.control, advice, stuck=STUCK),
            Place(addresses.kill, f"{kill_advice}, {STUCK}", stuck=STUCK),
            Place(addresses.publish, advice, stuck=STUCK),
            limit_s,
        )

    @classmethod
    def at(
        cls,
        endpoint: str,
        kill_endpoint: str = "",
        key_file: Path | None = None,
        publish_endpoint: str = "",
        limit_s: float = REPLY_LIMIT_S,
    ) -> ControlClient:
        """The node at ``endpoint`` (``tcp://HOST:PORT``, or ``ipc://PATH`` without a key).

        ``key_file`` is the client's own, with the node's public key beside it. ``UsageError`` where it cannot be used.
        """
        keys = None if key_file is None else CurveKeys(*load_client_keys(key_file))
        advice = "is it running there, with control.listen set, and may this machine reach it?"
        return cls(
            Place(endpoint, advice, keys),
            Place(kill_endpoint or endpoint, advice, keys),
            Place(publish_endpoint, advice, keys) if publish_endpoint else None,
            limit_s,
        )

    # -- Queries: answered from what the node published last; ``age_ms`` says how old that is ----------------------

    def ping(self) -> wire.Pong:
        return self._ask(wire.Request(ping=wire.Ping())).pong

    def status(self) -> wire.Status:
        return self._ask(wire.Request(status=wire.GetStatus())).status

    def orders(self) -> wire.Orders:
        return self._ask(wire.Request(orders=wire.GetOrders())).orders

    def positions(self) -> wire.Positions:
        return self._ask(wire.Request(positions=wire.GetPositions())).positions

    def fills(self, last: int = 0) -> wire.Fills:
        """The ``last`` ones, newest last; 0: as many as the node keeps."""
        return self._ask(wire.Request(fills=wire.GetFills(last=last))).fills

    def feeds(self) -> wire.Feeds:
        return self._ask(wire.Request(feeds=wire.GetFeeds())).feeds

    def venues(self) -> wire.Venues:
        return self._ask(wire.Request(venues=wire.GetVenues())).venues

    def risk(self) -> wire.Risk:
        return self._ask(wire.Request(risk=wire.GetRisk())).risk

    def configuration(self, version: int = 0) -> wire.Configuration:
        """Configuration ``version``; 0: the active one."""
        return self._ask(wire.Request(configuration=wire.GetConfiguration(version=version))).configuration

    def metrics(self) -> wire.Metrics:
        return self._ask(wire.Request(metrics=wire.GetMetrics())).metrics

    def kill_receipt(self) -> wire.KillReceipt:
        """What is proven so far of the kill-switch's effect."""
        return self._ask(wire.Request(kill_receipt=wire.GetKillReceipt())).kill_receipt

    # -- Commands ----------------------------------------------------------------------------------------------------

    def kill(
        self, reason: str, venue: str = "", instrument: str = "", request_id: str | None = None
    ) -> wire.Reply:
        """Engage the kill-switch, for everything or one venue or instrument; ``killed`` of the reply is the receipt.

        Asked on kill's own socket; where nobody answers there soon, on the main one too. Nothing is refused for its
        form: a reason may be empty, long or odd, and so may names; the node kills everything for one that it does not
        know.
        """
        request = wire.Request(kill=wire.Kill(venue=kill_name(venue), instrument=kill_name(instrument)))
        places, reason = (self._kill, self._main), kill_reason(reason)
        try:
            return self._command(request, reason, kill_request_id(request_id), places)
        except RefusedError as error:
            if error.code != "REQUEST_ID_REUSED":
                raise
        return self._command(request, reason, None, places)

    def kill_reset(
        self, reason: str, accept_unknown: bool = False, request_id: str | None = None
    ) -> wire.Reply:
        """Release the kill-switch. ``accept_unknown``: also while there are orders whose fate is not known."""
        return self._command(
            wire.Request(kill_reset=wire.ResetKill(accept_unknown=accept_unknown)), reason, request_id
        )

    def session_start(self, reason: str, request_id: str | None = None) -> wire.Reply:
        """Let a node that stands by begin."""
        return self._command(wire.Request(session_start=wire.StartSession()), reason, request_id)

    def session_stop(self, reason: str, request_id: str | None = None) -> wire.Reply:
        """End the session in order, and the node with it."""
        return self._command(wire.Request(session_stop=wire.StopSession()), reason, request_id)

    def trading(
        self,
        state: State,
        reason: str,
        venue: str = "",
        instrument: str = "",
        request_id: str | None = None,
    ) -> wire.Reply:
        """Set the trading state of everything, or of one venue or instrument."""
        if state.upper() not in STATES:
            raise UsageError(f"a trading state is ACTIVE, REDUCING or HALTED, not {state!r}")
        wanted = wire.SetTradingState(state=state.upper(), venue=venue, instrument=instrument)
        return self._command(wire.Request(trading=wanted), reason, request_id)

    def cancel(self, order_id: int, reason: str, request_id: str | None = None) -> wire.Reply:
        if not 1 <= order_id <= NUMBER_MAX:
            raise UsageError(f"order_id has to be from 1 to {NUMBER_MAX}, not {order_id}")
        return self._command(
            wire.Request(cancel=wire.CancelOrder(order_id=order_id)), reason, request_id
        )  # fmt: skip

    def cancel_all(
        self, reason: str, venue: str = "", instrument: str = "", request_id: str | None = None
    ) -> wire.Reply:
        wanted = wire.CancelAll(venue=venue, instrument=instrument)
        return self._command(wire.Request(cancel_all=wanted), reason, request_id)

    def strategy(self, enabled: bool, reason: str, request_id: str | None = None) -> wire.Reply:
        return self._command(wire.Request(strategy=wire.SetStrategy(enabled=enabled)), reason, request_id)

    def configuration_set(
        self,
        settings: Mapping[str, str],
        reason: str,
        expected_version: int = 0,
        request_id: str | None = None,
    ) -> wire.Reply:
        """Change keys (dotted) to values (JSON), all or none; ``configuration_version`` of the reply is the new one.

        ``expected_version``: refused if another is active by now; 0: whichever is.
        """
        pairs = [wire.Setting(key=key, json_value=value) for key, value in settings.items()]
        request = wire.Request(
            configuration_set=wire.SetConfiguration(settings=pairs), expected_version=expected_version
        )
        return self._command(request, reason, request_id)

    def configuration_roll_back(
        self, version: int, reason: str, expected_version: int = 0, request_id: str | None = None
    ) -> wire.Reply:
        """Make the Configuration what it was in ``version``; it gets a new number."""
        request = wire.Request(
            configuration_roll_back=wire.RollBackConfiguration(version=version),
            expected_version=expected_version,
        )
        return self._command(request, reason, request_id)

    def checkpoint(self, reason: str, request_id: str | None = None) -> wire.Reply:
        """Record State's digest now; ``digest`` of the reply."""
        return self._command(wire.Request(checkpoint=wire.Checkpoint()), reason, request_id)

    def confirm(self, confirmed: str, reason: str, request_id: str | None = None) -> wire.Reply:
        """Be the second pair of eyes for the request with the id ``confirmed``."""
        _check_id(confirmed)
        return self._command(wire.Request(confirm=wire.Confirm(request_id=confirmed)), reason, request_id)

    # -- Publications ------------------------------------------------------------------------------------------------

    def subscribe(self, topics: Iterable[Topic] = ("status", "event")) -> Iterator[wire.Publication]:
        """What the node publishes from now on, until it is gone: ``NodeUnreachableError``.

        A subscriber that is slower than the node loses publications, and so does one whose connection the node renews
        (as when another key is revoked); of Events ``seq`` shows it.
        """
        if self._publish is None:
            raise NodeUnreachableError(
                self._main.address, "it is not known where it publishes", "name that endpoint too"
            )
        return self._exchange.subscribe(self._publish, tuple(topics))

    def watch(self, topics: Iterable[Topic], pause_s: float) -> Iterator[wire.Publication | None]:
        """As :meth:`subscribe`, and None whenever nothing came for ``pause_s`` seconds: for who has more to do."""
        if self._publish is None:
            raise NodeUnreachableError(
                self._main.address, "it is not known where it publishes", "name that endpoint too"
            )
        return self._exchange.watch(self._publish, tuple(topics), pause_s)

    def close(self) -> None:
        self._exchange.close()

    def __enter__(self) -> ControlClient:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- One request -------------------------------------------------------------------------------------------------

    def _ask(self, request: wire.Request) -> wire.Reply:
        _stamp(request, None)
        try:
            return _settled(self._exchange.ask(request, (self._main,)))
        except OutcomeUnknownError as error:
            if isinstance(error.__cause__, NodeUnreachableError):
                raise error.__cause__ from None
            cause = f"it is there and does not answer within {error.waited_s:g} s"
            raise NodeUnreachableError(error.address, cause, self._main.stuck) from None

    def _command(
        self, request: wire.Request, reason: str, request_id: str | None, places: tuple[Place, ...] = ()
    ) -> wire.Reply:
        request.reason = reason
        _stamp(request, request_id)
        return _settled(self._exchange.ask(request, places or (self._main,)))


def _stamp(request: wire.Request, request_id: str | None) -> None:
    if request_id is not None:
        _check_id(request_id)
    request.protocol = PROTOCOL
    request.request_id = request_id or uuid.uuid4().hex
    request.issued_at_ns = time.time_ns()


def _check_id(text: str) -> None:
    if not is_request_id(text):
        raise UsageError(f"{text!r} is no request id: that is {REQUEST_ID_RULE}")


def _settled(reply: wire.Reply) -> wire.Reply:
    """``reply``, unless it is a refusal: then that is raised."""
    if reply.outcome in (wire.DONE, wire.AWAITING):
        return reply
    kind = PermissionDeniedError if reply.code == wire.PERMISSION_DENIED else RefusedError
    raise kind(_name(reply.code), reply.message, reply.request_id)


def _name(code: int) -> str:
    """A newer node may have codes that this program does not know."""
    return wire.ErrorCode.Name(code) if code in wire.ErrorCode.values() else f"CODE_{code}"
