"""Times of threads by kind: from the kernel's files, through threads that come, end, and take each other's numbers."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from livestack.telemetry.catalogue import THREAD_CPU, THREAD_WAIT
from livestack.telemetry.process_threads import LABELS_MAX, NATIVE, ThreadTimes, thread_label

MS = 1_000_000


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("MainThread", "main_thread"),
        ("FeedActor-2", "feed_actor"),
        ("connector binance_spot request 17", "connector_binance_spot_request"),
        ("feed binance_spot http", "feed_binance_spot_http"),
        ("Thread-12 (run)", "thread"),
        ("ThreadPoolExecutor-0_1", "thread_pool_executor"),
        ("feed my.venue reader", "feed_my_venue_reader"),
        ("\u00e4\u00f6 7", "other"),
        ("12", "other"),
    ],
)
def test_threads_of_one_kind_have_one_name(name: str, label: str) -> None:
    """Without numbers, and of what a series' name may be made of."""
    assert label == thread_label(name)


class Kernel:
    """``/proc/self/task`` as files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.times = ThreadTimes(directory)

    def has(self, thread: int, ran_ms: int, waited_ms: int) -> None:
        place = self.directory / str(thread)
        place.mkdir(exist_ok=True)
        (place / "schedstat").write_text(f"{ran_ms * MS} {waited_ms * MS} 9\n")

    def ends(self, thread: int) -> None:
        (self.directory / str(thread) / "schedstat").unlink()
        (self.directory / str(thread)).rmdir()

    def read(self) -> dict[str, tuple[int, int]]:
        """Milliseconds run and waited, by kind."""
        found: dict[str, dict[str, int]] = {}
        for one in self.times.read():
            found.setdefault(one.labels[0], {})[one.metric.name] = one.value
        return {label: (times[THREAD_CPU.name], times[THREAD_WAIT.name]) for label, times in found.items()}


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_the_times_of_a_kind_are_those_of_its_threads(kernel: Kernel) -> None:
    """Named ones by their names, all others together."""
    mine = threading.get_native_id()
    kernel.has(mine, 10, 2)
    kernel.has(mine + 100_000_000, 5, 1)
    kernel.has(mine + 100_000_001, 7, 3)
    label = thread_label(threading.current_thread().name)
    assert {label: (10, 2), NATIVE: (12, 4)} == kernel.read()


def test_a_total_never_falls(kernel: Kernel) -> None:
    """A thread ends, another one gets its number: what was counted stays, what is new is added."""
    kernel.has(100_000_000, 50, 20)
    assert {NATIVE: (50, 20)} == kernel.read()
    kernel.ends(100_000_000)
    assert {NATIVE: (50, 20)} == kernel.read()
    kernel.has(100_000_000, 3, 1)
    assert {NATIVE: (53, 21)} == kernel.read()
    kernel.has(100_000_000, 2, 1)  # yet another one, between two looks
    assert {NATIVE: (55, 22)} == kernel.read()


def test_a_thread_that_ends_at_that_moment_is_left_out(kernel: Kernel) -> None:
    """As is what a kernel writes that counts nothing."""
    kernel.has(100_000_000, 1, 1)
    (kernel.directory / "100000001").mkdir()
    (kernel.directory / "100000002").mkdir()
    (kernel.directory / "100000002" / "schedstat").write_text("")
    assert {NATIVE: (1, 1)} == kernel.read()


def test_a_kernel_that_does_not_count_tells_nothing(kernel: Kernel) -> None:
    """No series, rather than one that stays at nothing."""
    (kernel.directory / "1").mkdir()
    assert {} == kernel.read()


def test_kinds_of_threads_are_bounded(kernel: Kernel) -> None:
    """Names that somebody makes up without end fill no storage."""
    over = threading.Event()
    threads = [
        threading.Thread(target=over.wait, name="kind " + chr(97 + one // 26) + chr(97 + one % 26))
        for one in range(LABELS_MAX + 5)
    ]
    for thread in threads:
        thread.start()
        assert thread.native_id is not None
        kernel.has(thread.native_id, 1, 1)
    found = kernel.read()
    over.set()
    for thread in threads:
        thread.join()
    assert LABELS_MAX + 1 == len(found)
    assert (5, 5) == found["other"]
