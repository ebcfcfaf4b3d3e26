"""The journal's disk runs full, fails, or is slow: trading halts in time, nothing is lost, and it goes on by itself."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from livestack.core.events import (
    DispatchFailed,
    IncidentClosed,
    IncidentOpened,
    IntentDispatched,
    Recorded,
    SessionResumed,
)
from livestack.core.types import FailureReason
from livestack.journal.reader import JournalReader
from livestack.journal.space import BALLAST_NAME
from livestack.research.replay import replay
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.support import Process, Venue, start_node

MEGABYTE = 1 << 20
LOOK_S = 0.02
ROOM = f"""
[journal]
headroom = {16 * MEGABYTE}
ballast = {4 * MEGABYTE}
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="disk errors are injected with strace"
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with Venue(
        tmp_path_factory.mktemp("venue"), "--seed", "11", "--rate", "300", "--allowance", "100"
    ) as running:
        yield running


def start(directory: Path, venue: Venue, rules: str = "", prefix: tuple[str, ...] = ()) -> Process:
    path = configuration.write(directory, venue.symbols[:2], market_maker(venue.symbols[0]))
    text = path.read_text()
    path.write_text(
        text.replace('[journal]\ndurability = "full"\n', f'{rules or "[journal]"}\ndurability = "full"\n')
    )
    return start_node(directory, path, venue.environment(), prefix=prefix)


def wait(node: Process, condition: Callable[[], bool]) -> None:
    """Until it is so, or the node has ended, which is a failure."""
    while not condition():
        assert not node.ended(LOOK_S), node.stderr()


def wait_or_end(node: Process, condition: Callable[[], bool]) -> None:
    while not node.ended(LOOK_S) and not condition():
        pass


def journal(directory: Path, live: bool = True) -> list[Recorded]:
    """Every record of the only session."""
    sessions = directory / "data" / "sessions"
    if not sessions.is_dir():
        return []
    names = [path.name for path in sessions.iterdir() if any((path / "journal").glob("[0-9]*"))]
    if not names:
        return []
    (name,) = names
    with JournalReader.open(sessions, name, live) as reader:
        return list(reader.records())


def has(directory: Path, kind: type, name: str) -> Callable[[], bool]:
    return lambda: any(
        isinstance(record.event, kind) and record.event.name == name for record in journal(directory)
    )


def fill(disk: Path, leave: int) -> Path:
    """Another program takes all but ``leave`` bytes."""
    file = disk / "someone-elses"
    with file.open("wb") as out:
        while True:  # the node writes meanwhile
            status = os.statvfs(disk)
            size = max(status.f_bavail * status.f_frsize - leave, 0)
            try:
                if size:
                    os.posix_fallocate(out.fileno(), 0, size)
                return file
            except OSError:
                out.truncate(0)


def orders(venue: Venue) -> int:
    return len(venue.look("orders"))


def ends_in_order(node: Process, directory: Path, venue: Venue) -> list[Recorded]:
    """It stops with exit code 0 and no traceback, its journal replays, and holds whatever the venue saw of it."""
    stop(node)
    code, _ = node.finish()
    assert 0 == code, node.stderr()
    return sound(node, directory, venue)


def stop(node: Process) -> None:
    """SIGTERM for the main thread: under a tracer the kernel may give it to another one, which wakes nobody."""
    assert 0 == ctypes.CDLL(None).tgkill(node.pid, node.pid, signal.SIGTERM)


def sound(node: Process, directory: Path, venue: Venue) -> list[Recorded]:
    assert "Traceback" not in node.stderr()
    sessions = directory / "data" / "sessions"
    (name,) = [path.name for path in sessions.iterdir() if (path / "journal").is_dir()]
    with JournalReader.open(sessions, name) as reader:
        result = replay(reader)
        assert (True, True) == (result.identical, result.chain_ok)
        records = list(reader.records())
    ours = {
        record.event.request.client_id for record in records if isinstance(record.event, IntentDispatched)
    }
    epochs = {client_id.split("-")[0] for client_id in ours}
    seen = {one["client_id"] for one in venue.look("orders") if one["client_id"].split("-")[0] in epochs}
    assert set() == seen - ours
    return records


@needs_root
def test_a_disk_that_runs_low_halts_and_goes_on(small_disk: Path, venue: Venue) -> None:
    """Below the headroom no New leaves; with room again it trades on, in the same session."""
    with start(small_disk, venue, ROOM) as node:
        before = orders(venue)
        wait(node, lambda: orders(venue) > before + 3)
        file = fill(small_disk, 10 * MEGABYTE)
        wait(node, has(small_disk, IncidentOpened, "journal_room"))
        opened = journal(small_disk)[-1].seq
        file.unlink()
        wait(node, has(small_disk, IncidentClosed, "journal_room"))
        again = orders(venue)
        wait(node, lambda: orders(venue) > again + 3)
        records = ends_in_order(node, small_disk, venue)
    assert opened < records[-1].seq


@needs_root
def test_a_full_disk_loses_nothing(small_disk: Path, venue: Venue) -> None:
    """Not one byte free: the batch goes into the ballast's room; with room again it trades on."""
    with start(small_disk, venue, ROOM) as node:
        before = orders(venue)
        wait(node, lambda: orders(venue) > before + 3)
        file = fill(small_disk, 0)
        wait(node, has(small_disk, IncidentOpened, "journal_room"))
        file.unlink()
        wait(node, has(small_disk, IncidentClosed, "journal_room"))
        again = orders(venue)
        wait(node, lambda: orders(venue) > again + 3)
        ends_in_order(node, small_disk, venue)


@needs_root
def test_a_disk_that_stays_full_ends_in_the_fail_safe(small_disk: Path, venue: Venue) -> None:
    """The ballast is eaten as well: exit 4 with a sentence; with room again the session is taken up and agrees."""
    with start(small_disk, venue, ROOM) as node:
        before = orders(venue)
        wait(node, lambda: orders(venue) > before + 3)
        eaters = [fill(small_disk, 0).rename(small_disk / "eaten-1")]
        (small_disk / "data" / BALLAST_NAME).unlink(missing_ok=True)
        eaters.append(fill(small_disk, 0))
        stop(node)  # which is to be recorded
        code, output = node.finish()
        assert 4 == code
        assert "recorder failed" in json.loads(output)["reason"]
    for file in eaters:
        file.unlink()
    with start(small_disk, venue, ROOM) as node:
        resumed = lambda: any(isinstance(one.event, SessionResumed) for one in journal(small_disk))  # noqa: E731
        wait_or_end(node, resumed)
        if node.running():  # it may have been stopping already
            stop(node)
        code, _ = node.finish()
        assert 0 == code, node.stderr()
        sound(node, small_disk, venue)


def injected(what: str) -> tuple[str, ...]:
    return (
        "strace",
        "-D",
        "-f",
        "--seccomp-bpf",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        f"inject=fdatasync:{what}",
    )


@needs_strace
def test_a_failed_sync_begins_a_new_segment(tmp_path: Path, venue: Venue) -> None:
    """What was dispatched in that commit never left; everything else goes on."""
    with start(tmp_path, venue, prefix=injected("error=EIO:when=40")) as node:
        wait(node, has(tmp_path, IncidentOpened, "journal_write"))
        before = orders(venue)
        wait(node, lambda: orders(venue) > before + 3)
        ends_in_order(node, tmp_path, venue)


@needs_strace
def test_a_disk_that_fails_for_good_ends_in_the_fail_safe(tmp_path: Path, venue: Venue) -> None:
    """No second segment can be written either: nothing more leaves, exit 4."""
    with start(tmp_path, venue, prefix=injected("error=EIO:when=40+")) as node:
        code, _ = node.finish()
        assert 4 == code, node.stderr()
        assert "recorder failed" in node.stderr()
        sound(node, tmp_path, venue)


@needs_strace
def test_a_slow_disk_lets_nothing_stale_out(tmp_path: Path, venue: Venue) -> None:
    """A sync takes longer than a dispatch may be old: it is not sent any more, and all of it is recorded."""
    with start(tmp_path, venue, prefix=injected("delay_enter=1500000:when=60..63")) as node:
        wait(
            node,
            lambda: any(
                isinstance(record.event, DispatchFailed) and record.event.reason is FailureReason.NOT_SENT
                for record in journal(tmp_path)
            ),
        )
        ends_in_order(node, tmp_path, venue)
