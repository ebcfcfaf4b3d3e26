"""``livestack venue``: the first line that tools read, an orderly end, and sentences for what cannot be."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest
import requests

from tests.support import Process, Venue, run_livestack


def test_the_first_line_tells_tools_how_to_get_in(tmp_path: Path) -> None:
    """Addresses that answer, a key of each kind, the symbols asked for; SIGTERM ends it with 0."""
    with Venue(tmp_path, "--symbols", "2", "--seed", "5") as venue:
        assert {"rest", "stream", "ws_api"} == venue.urls.keys()
        assert {"hmac", "ed25519"} == {key["kind"] for key in venue.keys}
        info = requests.get(f"{venue.urls['rest']}/api/v3/exchangeInfo", timeout=30).json()
        assert venue.symbols == [symbol["symbol"] for symbol in info["symbols"]]
        assert 2 == len(venue.symbols)
        venue.signal(signal.SIGTERM)
        assert 0 == venue.finish()[0]


def test_the_same_seed_has_the_same_keys(tmp_path: Path) -> None:
    """So that a configuration can be kept."""
    keys = []
    for _ in range(2):
        with Venue(tmp_path, "--seed", "9") as venue:
            keys.append(venue.keys)
    assert keys[0] == keys[1]


def test_people_read_where_it_is(tmp_path: Path) -> None:
    """Without ``--json``: a sentence with the address."""
    with Process(["venue", "binance-spot"], tmp_path) as process:
        assert "Simulated Binance Spot at http://127.0.0.1:" in process.line()


def test_allowance_multiplies_the_limits(tmp_path: Path) -> None:
    """Many nodes behind one address: exchangeInfo tells what holds."""
    with Venue(tmp_path, "--allowance", "10") as venue:
        limits = requests.get(f"{venue.urls['rest']}/api/v3/exchangeInfo", timeout=30).json()["rateLimits"]
    assert {("REQUEST_WEIGHT", 60_000), ("ORDERS", 500)} <= {
        (one["rateLimitType"], one["limit"]) for one in limits
    }


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    """A sentence with the port, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Process(["venue", "binance-spot", "--port", str(port)], tmp_path) as process:
            code, _ = process.finish()
            text = process.stderr()
    assert code in (2, 3)
    assert str(port) in text
    assert "Traceback" not in text


@pytest.mark.parametrize("arguments", [["--capture", "nowhere"], ["--port", "70000"], ["--symbols", "0"]])
def test_what_cannot_be_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    """Exit 2 or 3 before anything is served."""
    code, output = run_livestack(tmp_path, "venue", "binance-spot", *arguments)
    assert code in (2, 3)
    assert "" == output


def test_a_capture_is_described_like_a_market(tmp_path: Path) -> None:
    """A folder that holds no capture is refused with a sentence that names it."""
    (tmp_path / "empty").mkdir()
    with Process(["venue", "binance-spot", "--capture", "empty"], tmp_path) as process:
        code, _ = process.finish()
        assert "empty" in process.stderr()
    assert code in (2, 3)
