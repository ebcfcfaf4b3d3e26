"""``livestack venue``: the first line that tools read, an orderly end, and sentences for what cannot be."""

from __future__ import annotations

import signal
import socket
import time
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


def test_faults_come_from_a_file(tmp_path: Path) -> None:
    """They hold from the start; the announcement says which."""
    (tmp_path / "faults.toml").write_text('[[fault]]\nkind = "firewall"\nmethods = "time"\n')
    with Venue(tmp_path, "--faults", "faults.toml", "--seed", "5") as venue:
        assert 403 == requests.get(f"{venue.urls['rest']}/api/v3/time", timeout=30).status_code
        assert 200 == requests.get(f"{venue.urls['rest']}/api/v3/ping", timeout=30).status_code
        assert {"firewall": 1} == venue.look("faults")["counts"]
    with Process(["venue", "binance-spot", "--faults", "faults.toml"], tmp_path) as process:
        process.line()
        assert "faults are active: firewall" in process.line()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[[fault]]\nkind = "cut"\nevery = 3\n', "fault[1].every: must be a duration in quotes"),
        ('[[fault]]\nkind = "nothing"\n', "fault[1].kind: must be one of"),
        ("kind = ", "cannot be read as TOML"),
        (None, "cannot be read: No such file"),
    ],
)
def test_wrong_faults_are_refused(tmp_path: Path, content: str | None, words: str) -> None:
    """Exit 2 and a sentence with the key, before anything is served."""
    if content is not None:
        (tmp_path / "faults.toml").write_text(content)
    with Process(["venue", "binance-spot", "--faults", "faults.toml"], tmp_path) as process:
        code, output = process.finish()
        assert words in process.stderr()
    assert (2, "") == (code, output)


def test_clock_and_life_are_set(tmp_path: Path) -> None:
    """The venue's clock is behind by what is said; a key's rights are not told by a test network."""
    with Venue(tmp_path, "--clock-skew=-1h", "--connection-life", "12h", "--no-sapi") as venue:
        told = requests.get(f"{venue.urls['rest']}/api/v3/time", timeout=30).json()["serverTime"]
        rights = requests.get(f"{venue.urls['rest']}/sapi/v1/account/apiRestrictions", timeout=30)
    assert abs(time.time() * 1000 - 3_600_000 - told) < 600_000
    assert 404 == rights.status_code
