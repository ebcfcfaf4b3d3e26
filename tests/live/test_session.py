"""A live session end to end: trading, an ordered stop, a summary that is true, and a replay that is identical."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import configuration
from tests.live.strategies import market_maker
from tests.support import BINANCE_CAPTURE, ROOT, Venue, run_livestack, start_node


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with Venue(tmp_path_factory.mktemp("venue"), "--seed", "3") as running:
        yield running


def node_until_fills(
    venue: Venue, directory: Path, path: Path, environment: dict[str, str]
) -> dict[str, object]:
    """Run a node until the venue has filled something more, then stop it in order; its summary."""
    fills = len(venue.look("fills"))
    with start_node(directory, path, environment) as node:
        while node.running() and len(venue.look("fills")) <= fills:
            pass
        node.signal()
        code, output = node.finish()
        assert code == 0, node.stderr()
    return json.loads(output)


@pytest.mark.parametrize("kind", ["hmac", "ed25519"])
def test_trades_stops_and_replays(venue: Venue, tmp_path: Path, kind: str) -> None:
    """Either kind of key: fills, no order left at the venue, a summary that agrees with it, an identical replay."""
    path = configuration.write(tmp_path, venue.symbols[:1], market_maker(venue.symbols[0]), key_kind=kind)
    before = len(venue.look("fills"))
    summary = node_until_fills(venue, tmp_path, path, venue.environment(kind))
    assert summary["market_events"] > 0
    assert summary["fills"] == len(venue.look("fills")) - before
    assert [] == venue.look("open")
    code, output = run_livestack(tmp_path, "replay", "latest", "--json", "--data-dir", "data")
    result = json.loads(output)
    assert (0, True, True) == (code, result["identical"], result["chain_ok"])
    assert summary["digest"] == result["digest"]


def interpreters() -> list[str]:
    """This interpreter, and those that ``scripts/test`` found to start and installed livestack for."""
    return [sys.executable, *map(str, sorted(ROOT.glob(".venv-3.*/bin/python")))]


def test_replays_to_the_same_digest_everywhere(venue: Venue, tmp_path: Path) -> None:
    """Two hash seeds under every interpreter that is here: one digest."""
    path = configuration.write(tmp_path, venue.symbols[:1], market_maker(venue.symbols[0]))
    summary = node_until_fills(venue, tmp_path, path, venue.environment())
    digests = {}
    for interpreter in interpreters():
        for seed in ("0", "12345"):
            run = subprocess.run(
                [interpreter, "-m", "livestack", "replay", "latest", "--json", "--data-dir", "data"],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
                capture_output=True,
                text=True,
            )
            assert run.returncode == 0, run.stderr
            digests[interpreter, seed] = json.loads(run.stdout)["digest"]
    print("replayed by", *sorted({interpreter for interpreter, _ in digests}))
    assert {summary["digest"]} == set(digests.values())
    assert len(digests) >= 2


def test_a_second_signal_ends_it_at_once(venue: Venue, tmp_path: Path) -> None:
    """SIGTERM twice: exit 0 or 130, depending on which came first, and the journal is whole either way."""
    path = configuration.write(tmp_path, venue.symbols[:1], market_maker(venue.symbols[0]))
    with start_node(tmp_path, path, venue.environment()) as node:
        seen = len(venue.look("orders"))
        while node.running() and len(venue.look("orders")) <= seen:
            pass
        node.signal()
        node.signal()
        code, _ = node.finish()
    assert code in (0, 130)
    code, output = run_livestack(tmp_path, "replay", "latest", "--json", "--data-dir", "data")
    assert json.loads(output)["identical"]


def test_a_venue_that_is_not_there(tmp_path: Path) -> None:
    """Exit 3 with address and cause, no traceback."""
    path = configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT"))
    nowhere = {
        "VENUE_REST": "http://127.0.0.1:9",
        "VENUE_STREAM": "ws://127.0.0.1:9",
        "VENUE_WS_API": "ws://127.0.0.1:9",
        "VENUE_KEY": "k",
        "VENUE_SECRET": "s",
    }
    with start_node(tmp_path, path, nowhere) as node:
        code, _ = node.finish()
        assert 3 == code
        assert "127.0.0.1:9" in node.stderr()
        assert "Traceback" not in node.stderr()


def test_a_stream_that_is_not_there_is_polled(venue: Venue, tmp_path: Path) -> None:
    """REST answers: market data comes over it instead, orders are placed, and the session ends as it should."""
    path = configuration.write(tmp_path, venue.symbols[:1], market_maker(venue.symbols[0]))
    environment = {**venue.environment(), "VENUE_STREAM": "ws://127.0.0.1:9"}
    seen = len(venue.look("orders"))
    with start_node(tmp_path, path, environment, "--for", "15s") as node:
        code, _ = node.finish()
        assert 0 == code, node.stderr()
    assert len(venue.look("orders")) > seen
    code, output = run_livestack(tmp_path, "replay", "latest", "--json", "--data-dir", "data")
    assert json.loads(output)["identical"]


def test_a_real_venue_needs_live(tmp_path: Path) -> None:
    """Paper by default: an address that is not this machine is refused with a sentence."""
    path = configuration.write(tmp_path, ["BTCUSDT"], market_maker("BTCUSDT"))
    real = {
        "VENUE_REST": "https://venue.invalid",
        "VENUE_STREAM": "wss://venue.invalid",
        "VENUE_WS_API": "wss://venue.invalid",
        "VENUE_KEY": "k",
        "VENUE_SECRET": "s",
    }
    with start_node(tmp_path, path, real) as node:
        code, _ = node.finish()
        assert 2 == code
        assert "--live" in node.stderr()


@pytest.mark.skipif(not BINANCE_CAPTURE.exists(), reason="captured traffic is not beside the project")
def test_trades_on_captured_traffic(tmp_path: Path) -> None:
    """The node on real captured traffic: books LIVE, orders fill against the capture's trades and quotes."""
    with Venue(tmp_path, "--capture", str(BINANCE_CAPTURE), "--speed", "4") as venue:
        strategy = market_maker("NKNUSDT", "100", "500")
        path = configuration.write(tmp_path, venue.symbols, strategy)
        with start_node(tmp_path, path, venue.environment(), "--for", "15s") as node:
            code, output = node.finish()
            assert code == 0, node.stderr()
    summary = json.loads(output)
    assert summary["dispatches"] > 0
    assert summary["fills"] > 0
