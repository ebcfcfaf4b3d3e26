"""What is asked of a venue before there is a session, with an HTTP transport that answers what a test says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from livestack.exceptions import UnreachableError, UsageError
from livestack.node.venue_parts import venue_parts
from livestack.settings import load
from livestack.transports.base import HttpRequest, HttpResponse
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import ENVIRONMENT


class Http:
    """Answers everything with one response."""

    def __init__(self, response: HttpResponse) -> None:
        self.response = response
        self.asked: list[str] = []
        self.closed = False

    def submit(self, request: HttpRequest, reply: Callable[[HttpResponse], None]) -> None:
        self.asked.append(request.url)
        reply(self.response)

    def close(self) -> None:
        self.closed = True


class Machine:
    """The one seam that is used here."""

    def __init__(self, response: HttpResponse) -> None:
        self.transport = Http(response)

    def http(self, name: str) -> Http:
        return self.transport


def ask(directory: Path, status: int, body: object = None, error: str = ""):
    path = configuration.write(directory, ["BTCUSDT"], market_maker("BTCUSDT"))
    settings, _ = load(path, ENVIRONMENT)
    machine = Machine(HttpResponse(status, (), msgspec.json.encode(body), error, 0, 0))
    try:
        return venue_parts("binance_spot", settings.venues["binance_spot"], machine, ENVIRONMENT)
    finally:
        assert machine.transport.closed
        assert 1 == len(machine.transport.asked)


def test_a_venue_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """Address and cause; exit code 3."""
    with pytest.raises(UnreachableError, match=r"venue binance_spot at .*: Connection refused"):
        ask(tmp_path, 0, error="Connection refused")
    with pytest.raises(UnreachableError, match="HTTP status 503"):
        ask(tmp_path, 503)


def test_an_unknown_symbol_is_the_settings_fault(tmp_path: Path) -> None:
    """The venue's answer says so; exit code 2, and the key is named."""
    with pytest.raises(UsageError, match=r"venues\.binance_spot\.symbols"):
        ask(tmp_path, 400, {"code": -1121, "msg": "Invalid symbol."})
