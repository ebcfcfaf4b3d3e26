"""``livestack guard`` against the simulated venue: keys and a data directory are enough."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livestack.control.latch import Latch
from livestack.journal.directory import DataDirectory
from livestack.node.guard_report import read_report
from tests.live.guarded_support import place, write
from tests.support import ROOT, Process, Venue


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with Venue(tmp_path_factory.mktemp("venue"), "--seed", "29") as running:
        yield running


def run(directory: Path, venue: Venue, *arguments: str, **changes: str) -> tuple[int, str, str]:
    """``livestack guard ...``: exit code, stdout, stderr."""
    environment = {**venue.environment(), **changes}
    with Process(["guard", *arguments, "--data-dir", str(directory)], directory, environment) as process:
        code, output = process.finish()
        return code, output, process.stderr()


def cancel_all(directory: Path, venue: Venue, *arguments: str, **changes: str) -> tuple[int, Any, str]:
    path = write(directory, ["BTCUSDT"])
    common = ("-c", str(path), "--reason", "it went mad", "--json")
    code, output, said = run(directory, venue, "cancel-all", *common, *arguments, **changes)
    return code, json.loads(output) if output else None, said


def test_everything_goes(venue: Venue, tmp_path: Path) -> None:
    """Symbols of the file and others; latched, recorded, and how to get out of it again is said."""
    place(venue)
    place(venue, "ETHBTC", "0.04")
    code, told, said = cancel_all(tmp_path, venue)
    assert (0, True, True) == (code, told["flat"], told["latched"])
    assert (2, []) == (told["venues"]["binance_spot"]["cancelled"], told["venues"]["binance_spot"]["open"])
    assert [] == venue.look("open")
    assert ["it went mad"] == [entry.reason for entry in Latch(tmp_path).entries()]
    assert "livestack kill reset" in said
    assert read_report(tmp_path) is not None


def test_status_of_what_is_there(venue: Venue, tmp_path: Path) -> None:
    """Without a file only what is on disk; with one the venues' own answer. It cancels nothing."""
    code, output, _ = run(tmp_path, venue, "status", "--json")
    told = json.loads(output)
    assert (0, False, False, None) == (
        code, told["latched"], told["node_alive"], told["open_orders_at_venue"],
    )  # fmt: skip
    place(venue)
    path = write(tmp_path, ["BTCUSDT"])
    _, output, _ = run(tmp_path, venue, "status", "-c", str(path), "--json")
    (order,) = json.loads(output)["open_orders_at_venue"]["binance_spot"]
    assert ("BTCUSDT", "BUY", "30000.00000000") == (order["symbol"], order["side"], order["price"])
    _, output, _ = run(tmp_path, venue, "status", "-c", str(path))
    assert "1 order is open" in output
    assert 1 == len(venue.look("open"))
    cancel_all(tmp_path, venue)
    code, output, _ = run(tmp_path, venue, "status", "-c", str(path))
    assert "latched for everything" in output
    assert "nothing is open" in output
    assert "it went mad; all venues flat" in output


def test_a_refused_key_is_said_at_once(venue: Venue, tmp_path: Path) -> None:
    """Exit code 3, the venue's own words, latched all the same, and neither key nor secret anywhere."""
    code, told, said = cancel_all(tmp_path, venue, VENUE_SECRET="5ecre7")
    assert (3, True, False) == (code, told["latched"], told["flat"])
    assert "Signature for this request is not valid. (-1022)" in told["venues"]["binance_spot"]["cause"]
    text = said + json.dumps(told) + (tmp_path / "guard-report.json").read_text()
    assert "5ecre7" not in text
    assert venue.key()["api_key"] not in text


def test_it_has_a_key_of_its_own(venue: Venue, tmp_path: Path) -> None:
    """Of another kind, for the same account: the node's key may be wrong, or not be there at all."""
    place(venue)
    path = write(tmp_path, ["BTCUSDT"])
    own = 'secret_env = "VENUE_SECRET"\n'
    guard = 'guard_key_kind = "ed25519"\nguard_api_key_env = "GUARD_KEY"\nguard_secret_env = "GUARD_SECRET"\n'
    path.write_text(path.read_text().replace(own, own + guard))
    key = venue.key("ed25519")
    mine = {"GUARD_KEY": key["api_key"], "GUARD_SECRET": key["secret"], "VENUE_KEY": "", "VENUE_SECRET": ""}
    code, output, _ = run(
        tmp_path, venue, "cancel-all", "-c", str(path), "--reason", "the key was revoked", "--json", **mine
    )
    assert (0, True) == (code, json.loads(output)["flat"])
    assert [] == venue.look("open")
    code, _, said = run(tmp_path, venue, "cancel-all", "-c", str(path), "--reason", "again")
    assert 2 == code
    assert "guard_api_key_env: refers to the environment variable GUARD_KEY, which is not set" in said


def test_a_venue_that_does_not_answer(venue: Venue, tmp_path: Path) -> None:
    """Tried for as long as was said; what is open is not known, and the exit code is 3."""
    code, told, _ = cancel_all(tmp_path, venue, "--wait", "300ms", VENUE_REST="http://127.0.0.1:9")
    assert (3, None, True) == (code, told["venues"]["binance_spot"]["open"], told["latched"])
    assert "Connection refused" in told["venues"]["binance_spot"]["cause"]
    assert "signature" not in json.dumps(told)
    path = write(tmp_path, ["BTCUSDT"])
    code, output, said = run(tmp_path, venue, "status", "-c", str(path), VENUE_REST="http://127.0.0.1:9")
    assert 3 == code
    assert "kill-switch: latched for everything" in output
    assert "node: not running" in output
    assert "cannot reach venue binance_spot at http://127.0.0.1:9: no answer: Connection refused" in said
    _, output, _ = run(tmp_path, venue, "status", "-c", str(path), "--json", VENUE_REST="http://127.0.0.1:9")
    told = json.loads(output)
    assert (True, {"binance_spot": None}) == (told["latched"], told["open_orders_at_venue"])
    assert "Connection refused" in told["trouble"]["binance_spot"]


def test_beside_a_node_it_says_what_it_leaves(venue: Venue, tmp_path: Path) -> None:
    """A file that has to be removed before a reset; and nothing but sentences."""
    path = write(tmp_path, ["BTCUSDT"])
    with DataDirectory(tmp_path).acquire():
        code, _, said = run(tmp_path, venue, "cancel-all", "-c", str(path), "--reason", "r")
    assert 0 == code
    assert (tmp_path / "KILL").exists()
    assert f"{tmp_path}/KILL is written" in said
    assert "removed before `livestack kill reset`" in said
    assert 2 == len(said.splitlines())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-c", "node.toml"), "Missing option '--reason'"),
        (("--reason", "x"), "Missing option '-c'"),
        (("-c", "none.toml", "--reason", "x"), "cannot be read"),
        (("-c", "node.toml", "--reason", " "), "--reason must be 1 to 500 characters"),
    ],
)
def test_what_cannot_be_used_is_refused(
    venue: Venue, tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    """Exit code 2, a sentence, and nothing is latched."""
    write(tmp_path, ["BTCUSDT"])
    code, _, said = run(tmp_path, venue, "cancel-all", *arguments)
    assert 2 == code
    assert sentence in said
    assert () == Latch(tmp_path).entries()


@pytest.mark.parametrize(
    ("line", "code", "said"), [("", 0, ""), ("{}", 2, "missing required field"), ("?", 2, "JSON")]
)
def test_a_guard_without_instructions_ends(tmp_path: Path, line: str, code: int, said: str) -> None:
    """Its node is gone before it did anything, or is none of ours; nothing is latched."""
    command = f"printf '%s' '{line}' | {sys.executable} -m livestack guard run --progress-fd 9"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert code == done.returncode
    assert said in done.stdout
    assert [] == list(tmp_path.iterdir())
