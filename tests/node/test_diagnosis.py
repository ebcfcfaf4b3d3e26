"""What `livestack doctor` finds: every fault that would keep a session from starting; looking changes nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livestack.journal.directory import DataDirectory
from livestack.node.app import machine
from livestack.node.composition import Seams
from livestack.node.diagnosis import Finding, diagnose
from livestack.settings import Settings
from livestack.transports.clock import SystemClock, TimerThread
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import ENVIRONMENT
from tests.support import Venue, run_livestack

MakeSeams = Callable[[Settings], Seams]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """A simulated venue whose clock is 90 s ahead."""
    with Venue(tmp_path_factory.mktemp("venue"), "--clock-skew", "90s") as running:
        yield running


@pytest.fixture
def seams() -> Iterator[MakeSeams]:
    clock = SystemClock()
    timers = TimerThread(clock)
    yield lambda settings: machine(settings, clock, timers)
    timers.close()


def configured(directory: Path, more: str = "", records: str = "enabled = false") -> Path:
    """A file whose data directory is ``data`` in ``directory``."""
    path = configuration.write(directory, ["BTCUSDT"], market_maker("BTCUSDT"))
    text = path.read_text().replace("[records]\nenabled = false\n", "")
    path.write_text(f'data_dir = "{directory}/data"\n{text}[records]\n{records}\n{more}')
    return path


def look(path: Path, seams: MakeSeams, environment: dict[str, str]) -> dict[str, list[Finding]]:
    """Findings by what they are about."""
    found: dict[str, list[Finding]] = {}
    for one in diagnose(path, None, {**os.environ, **environment}, seams):
        found.setdefault(one.what, []).append(one)
    return found


def only(found: dict[str, list[Finding]], what: str) -> Finding:
    (one,) = found[what]
    return one


def tree(directory: Path) -> list[str]:
    return sorted(str(path) for path in directory.rglob("*"))


def test_nothing_is_wrong(tmp_path: Path, seams: MakeSeams, venue: Venue) -> None:
    """Each part is looked at and found in order, a clock that is wrong is a warning, and nothing was made."""
    path = configured(tmp_path, records="enabled = true")
    before = tree(tmp_path)
    found = look(path, seams, venue.environment())
    assert [
        "configuration",
        "data directory",
        "control endpoint",
        "sink local",
        "venue binance_spot",
    ] == list(found)
    assert {"ok", "warning"} == {one.state for parts in found.values() for one in parts}
    (clock,) = (one for parts in found.values() for one in parts if one.state == "warning")
    assert clock.text.endswith("ms behind the venue's")
    assert "have the clock set by NTP" in clock.advice
    assert [0] * 8 == [one.exit for parts in found.values() for one in parts]
    assert before == tree(tmp_path)


@pytest.mark.parametrize(
    ("file", "state", "text"),
    [
        ("logs/node.log", "ok", "{}/data/logs/node.log, will be made"),
        ("{}/node.toml/node.log", "wrong", "{}/node.toml is no directory"),
        ("{}", "wrong", "{} is no file"),
        ("/proc/self/node.log", "wrong", "this user may not write to /proc/self"),
    ],
)
def test_the_file_of_the_log(tmp_path: Path, seams: MakeSeams, file: str, state: str, text: str) -> None:
    """One that a start would refuse is found, with its exit code, and none is made."""
    path = configured(tmp_path)
    place = f'[log]\nfile = "{file.format(tmp_path)}"'
    path.write_text(path.read_text().replace("[log]", place))
    before = tree(tmp_path)
    one = only(look(path, seams, ENVIRONMENT), "log")
    assert (state, text.format(tmp_path)) == (one.state, one.text)
    assert (2 if state == "wrong" else 0) == one.exit
    assert before == tree(tmp_path)


def test_venue_that_does_not_know_the_symbol(tmp_path: Path, seams: MakeSeams, venue: Venue) -> None:
    """Exit 2, with the sentence of a start."""
    path = configured(tmp_path)
    path.write_text(path.read_text().replace("BTCUSDT", "BTCUSDX"))
    one = only(look(path, seams, venue.environment()), "venue binance_spot")
    assert ("wrong", 2) == (one.state, one.exit)
    assert "venues.binance_spot.symbols" in one.text


def test_venue_that_is_not_there(tmp_path: Path, seams: MakeSeams) -> None:
    """Exit 3; the other parts are looked at all the same."""
    found = look(configured(tmp_path), seams, ENVIRONMENT)
    one = only(found, "venue binance_spot")
    assert ("wrong", 3) == (one.state, one.exit)
    assert "cannot reach venue binance_spot at http://127.0.0.1:1" in one.text
    assert "ok" == only(found, "data directory").state


def test_stream_that_is_not_there(tmp_path: Path, seams: MakeSeams, venue: Venue) -> None:
    """Requests may work where streams do not."""
    environment = {**venue.environment(), "VENUE_STREAM": "ws://127.0.0.1:1"}
    wrong = [one for one in look(configured(tmp_path), seams, environment)["venue binance_spot"] if one.exit]
    assert [("cannot connect to ws://127.0.0.1:1: Connection refused", 3)] == [
        (one.text, one.exit) for one in wrong
    ]


def test_every_fault_of_the_file(tmp_path: Path, seams: MakeSeams) -> None:
    """All at once, exit 2; what does not depend on them is looked at, the venue is not."""
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "VENUE_SECRET"}
    found = look(configured(tmp_path), seams, environment)
    one = only(found, "configuration")
    assert ("wrong", 2) == (one.state, one.exit)
    assert "VENUE_SECRET, which is not set" in one.text
    assert "not asked" == only(found, "venue binance_spot").text
    assert "ok" == only(found, "data directory").state


@pytest.mark.parametrize("text", ["[nonsense]\nx = 1\n[journal]\ndurability = 3\n", "no TOML"])
def test_file_that_says_nothing(tmp_path: Path, seams: MakeSeams, text: str) -> None:
    """Then there is nothing else to look at."""
    path = tmp_path / "node.toml"
    path.write_text(text)
    found = look(path, seams, {})
    assert ["configuration"] == list(found)
    assert {2} == {one.exit for one in found["configuration"]}


def test_no_file(tmp_path: Path, seams: MakeSeams) -> None:
    """It is named."""
    one = only(look(tmp_path / "none.toml", seams, {}), "configuration")
    assert ("wrong", 2) == (one.state, one.exit)
    assert "none.toml" in one.text


def test_data_directory_is_a_file(tmp_path: Path, seams: MakeSeams) -> None:
    """Exit 5."""
    (tmp_path / "data").write_text("")
    one = only(look(configured(tmp_path), seams, ENVIRONMENT), "data directory")
    assert (f"{tmp_path}/data is not a directory", 5) == (one.text, one.exit)


def test_data_directory_of_everybody(tmp_path: Path, seams: MakeSeams) -> None:
    """Exit 5, and how to make it one's own."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    one = only(look(configured(tmp_path), seams, ENVIRONMENT), "data directory")
    assert ("wrong", f"chmod 700 {tmp_path}/data", 5) == (one.state, one.advice, one.exit)


def test_disk_without_room(tmp_path: Path, seams: MakeSeams) -> None:
    """Exit 5, with what is missing."""
    path = configured(tmp_path)
    path.write_text(path.read_text().replace("[journal]", f"[journal]\nheadroom = {1 << 50}"))
    one = only(look(path, seams, ENVIRONMENT), "data directory")
    assert ("wrong", 5) == (one.state, one.exit)
    assert "less than journal.headroom and journal.ballast ask for" in one.text


def test_node_that_runs(tmp_path: Path, seams: MakeSeams) -> None:
    """A warning: its directory is in use, which is no fault of the file's."""
    with DataDirectory(tmp_path / "data").acquire():
        one = only(look(configured(tmp_path), seams, ENVIRONMENT), "data directory")
    assert ("warning", 0) == (one.state, one.exit)
    assert "a node is running in it" in one.text


def test_control_address_in_use(tmp_path: Path, seams: MakeSeams) -> None:
    """Exit 5, with the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        more = "".join(
            f'{name} = "tcp://127.0.0.1:{port}"\n' for name in ("listen", "listen_kill", "listen_publish")
        )
        path, data = configured(tmp_path, f"[control]\n{more}"), f"{tmp_path}/data"
        one = only(look(path, seams, ENVIRONMENT), "control endpoint")
        assert ("wrong", 2) == (one.state, one.exit)
        assert "livestack keys new NAME" in one.text
        assert 0 == run_livestack(tmp_path, "keys", "new", "me", "--role", "admin", "--data-dir", data)[0]
        one = only(look(path, seams, ENVIRONMENT), "control endpoint")
        assert (f"tcp://127.0.0.1:{port} is not usable: Address already in use", 5) == (one.text, one.exit)


def test_lease_server(tmp_path: Path, seams: MakeSeams) -> None:
    """A server that does not answer is exit 3, a URL that is none exit 2; neither shows the password."""
    path = configured(tmp_path)
    path.write_text(path.read_text().replace("[lease]", '[lease]\npostgres_url_env = "LEASE"'))
    for url, code in (("postgresql://me:hunter2@127.0.0.1:1/x", 3), ("postgresql://me:hunter2@x@y/x", 2)):
        one = only(look(path, seams, {**ENVIRONMENT, "LEASE": url}), "lease server")
        assert ("wrong", code) == (one.state, one.exit)
        assert "hunter2" not in one.text


def test_sinks(tmp_path: Path, seams: MakeSeams) -> None:
    """Each has a finding: one that cannot be reached is exit 3, one that refuses exit 2."""
    (tmp_path / "other" / "fills").mkdir(parents=True)
    (tmp_path / "other" / "fills" / "somebody's").write_text("")
    sinks = f"""
[records.sinks.away]
url = "postgresql://me@127.0.0.1:1/x"
[records.sinks.blocked]
url = "delta+file://{tmp_path}/other"
[records.sinks.fine]
"""
    found = look(configured(tmp_path, sinks, records="enabled = true"), seams, ENVIRONMENT)
    assert ("wrong", 3) == (only(found, "sink away").state, only(found, "sink away").exit)
    assert ("wrong", 2) == (only(found, "sink blocked").state, only(found, "sink blocked").exit)
    assert f"Delta Lake in {tmp_path}/data/records" == only(found, "sink fine").text


def test_a_sink_that_a_start_goes_on_without(tmp_path: Path, seams: MakeSeams) -> None:
    """Is a warning; one that needs somebody is wrong all the same."""
    (tmp_path / "other" / "fills").mkdir(parents=True)
    (tmp_path / "other" / "fills" / "somebody's").write_text("")
    sinks = f"""
[records.sinks.away]
url = "postgresql://me@127.0.0.1:1/x"
[records.sinks.blocked]
url = "delta+file://{tmp_path}/other"
"""
    path = configured(tmp_path, sinks, records="enabled = true\nstart_without = true")
    found = look(path, seams, ENVIRONMENT)
    away = only(found, "sink away")
    assert ("warning", 0) == (away.state, away.exit)
    assert "start_without" in away.advice
    assert ("wrong", 2) == (only(found, "sink blocked").state, only(found, "sink blocked").exit)


def test_sinks_that_the_file_gets_wrong(tmp_path: Path, seams: MakeSeams) -> None:
    """Every fault with its key; exit 2."""
    sinks = '[records.sinks.a]\nurl = "s3://x"\n[records.sinks.b]\nurl = "delta+s3://b"\n'
    found = look(configured(tmp_path, sinks, records="enabled = true"), seams, ENVIRONMENT)
    assert ["records.sinks.a.url", "records.sinks.b.url"] == [
        one.text.partition(":")[0] for one in found["record sinks"]
    ]


def test_records_that_are_not_shipped(tmp_path: Path, seams: MakeSeams) -> None:
    """That is a choice, and a warning."""
    one = only(look(configured(tmp_path), seams, ENVIRONMENT), "record sinks")
    assert ("warning", 0) == (one.state, one.exit)
