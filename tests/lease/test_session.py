"""The lease of a whole session: all or none, on this machine and at a server, watched by a thread."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from livestack.exceptions import HeldError, UnreachableError, UsageError
from livestack.lease.keeper import CHECK_EVERY_NS
from livestack.lease.session import AccountLease
from livestack.lease_settings import LeaseSettings
from tests.lease.support import Child, HandTime, account, holder
from tests.postgres_support import free_port, running_server

GRACE_NS = 3_000_000_000


def lease_of(directory: Path, *names: str, url: str = "") -> AccountLease:
    settings = LeaseSettings(
        directory=str(directory), postgres_url_env="URL" if url else None, grace_ns=GRACE_NS
    )
    return AccountLease.acquire([account(name) for name in names], holder(), settings, {"URL": url})


def locks_in(directory: Path) -> int:
    return len(list(directory.glob("livestack-*.lock")))


def test_all_or_none(tmp_path: Path) -> None:
    """Where one of a session's accounts is held, the others are left to who wants them."""
    with Child("other", tmp_path, tmp_path, "b") as other:
        assert "held" == other.said
        with pytest.raises(HeldError, match=r"account b at venue v .* held by node other"):
            lease_of(tmp_path, "a", "b", "c")
        assert 1 == locks_in(tmp_path)
        with lease_of(tmp_path, "a", "c"):
            assert 3 == locks_in(tmp_path)
        assert 1 == locks_in(tmp_path)


def test_all_or_none_with_a_server_that_is_not_there(tmp_path: Path) -> None:
    """Without the server nothing is held, on this machine neither."""
    with pytest.raises(UnreachableError):
        lease_of(tmp_path, "a", "b", url=f"postgresql://lease@127.0.0.1:{free_port()}/postgres")
    assert 0 == locks_in(tmp_path)


def test_variable_of_the_url_is_not_set(tmp_path: Path) -> None:
    """A server that is meant but not given is a mistake, not a lease of this machine alone."""
    settings = LeaseSettings(directory=str(tmp_path), postgres_url_env="URL")
    with pytest.raises(UsageError, match="variable URL, which is not set"):
        AccountLease.acquire([account()], holder(), settings, {"URL": " "})
    assert 0 == locks_in(tmp_path)


def test_directory_that_is_not_there(tmp_path: Path) -> None:
    """A directory that cannot be used is told with its path and exit code 5."""
    with pytest.raises(HeldError, match=r"absent/livestack-.*\.lock cannot be used: No such file") as caught:
        lease_of(tmp_path / "absent", "a")
    assert 5 == caught.value.exit_code


def test_lost_and_regained_on_its_thread(tmp_path: Path) -> None:
    """The thread finds the server gone, tells the loss after the grace, and takes the lease again when it can."""
    time = HandTime()
    lost, regained = threading.Event(), threading.Event()
    with running_server(tmp_path) as server, lease_of(tmp_path, "a", url=server.url) as lease:
        with lease.watched(time, time, on_lost=lost.set, on_regained=regained.set):
            time.wait_for(2)
            server.stop()
            time.advance(CHECK_EVERY_NS)
            time.wait_for(2)
            assert not lost.is_set()
            time.advance(GRACE_NS)
            assert lost.is_set()
            time.wait_for(1)
            server.start()
            time.advance(CHECK_EVERY_NS)
            assert regained.wait(60)
        elsewhere = tmp_path / "another machine"
        elsewhere.mkdir()
        with pytest.raises(HeldError, match="livestack first"):
            lease_of(elsewhere, "a", url=server.url)


def test_another_node_on_this_machine(tmp_path: Path) -> None:
    """Somebody removed the lock's file and another node took the account: told on the next check."""
    time, lost = HandTime(), threading.Event()
    with lease_of(tmp_path, "a") as lease, lease.watched(time, time, lost.set, lambda: None):
        time.wait_for(2)
        (tmp_path / account("a").file_name).unlink()
        with Child("other", tmp_path, tmp_path, "a") as other:
            assert "held" == other.said
            time.advance(CHECK_EVERY_NS)
            assert lost.wait(60)
