"""The lease in PostgreSQL, with a real server that is stopped, started and asked by others."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livestack.exceptions import HeldError, LivestackError, UnreachableError, UsageError
from livestack.lease import postgres
from livestack.lease.keeper import Holding, Keeper
from livestack.lease.postgres import PostgresLock
from tests.lease.support import Child, HandTime, account, holder, wait_until_free
from tests.postgres_support import PASSWORD, QUOTED_PASSWORD, Server, free_port, running_server

GRACE_NS = 10_000_000_000


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture
def server(own_server: Server) -> Server:
    """The module's server, running."""
    if not own_server.running:
        own_server.start()
    return own_server


@contextmanager
def lock_at(url: str, node: str, *names: str) -> Iterator[PostgresLock]:
    """A lock that is not taken yet; given back in the end. Every test has accounts of its own."""
    lock = PostgresLock(url, "LEASE_URL", [account(name) for name in names], holder(node), 10)
    try:
        yield lock
    finally:
        lock.release()


class Kept:
    """A keeper of ``lock`` on time set by hand, and what it told."""

    def __init__(self, lock: PostgresLock) -> None:
        lock.hold()
        self.time = HandTime()
        self.told: list[str] = []
        self.keeper = Keeper(
            [lock],
            clock=self.time,
            timers=self.time,
            grace_ns=GRACE_NS,
            on_lost=lambda: self.told.append("lost"),
            on_regained=lambda: self.told.append("regained"),
        )


def test_the_second_is_told_who_is_first(server: Server) -> None:
    """One of two connections gets it; the other is told the node, its process and its host."""
    with lock_at(server.url, "first", "a") as first, lock_at(server.url, "second", "a") as second:
        first.hold()
        first.hold()
        holding = r"account a at venue v .* held by livestack first \(process \d+ on here\) at 127\.0\.0\.1, since 2"
        with pytest.raises(HeldError, match=holding):
            second.hold()
        first.release()
        wait_until_free(server, account("a"))
        second.hold()


def test_other_accounts_do_not_disturb(server: Server) -> None:
    """Several accounts are one connection's; other accounts and other databases are other locks."""
    server.make_database("other")
    elsewhere = server.url.replace("/postgres", "/other")
    with (
        lock_at(server.url, "first", "b", "c") as first,
        lock_at(server.url, "second", "d") as second,
        lock_at(elsewhere, "third", "b") as third,
        lock_at(server.url, "fourth", "c", "e") as fourth,
    ):
        for one in (first, second, third):
            one.hold()
        with pytest.raises(HeldError, match=r"account c .* livestack first"):
            fourth.hold()


def test_a_killed_holder_is_no_holder(server: Server, tmp_path: Path) -> None:
    """Nodes of two machines meet at the server; SIGKILL of the holder's process frees the account there too."""
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with Child("first", here, tmp_path, "f", url=server.url) as first:
        assert "held" == first.said
        with Child("second", there, tmp_path, "f", url=server.url) as second:
            assert f"held by livestack first (process {first.pid} on " in second.said
            assert 5 == second.finish()
        first.kill()
    wait_until_free(server, account("f"))
    with Child("third", there, tmp_path, "f", url=server.url) as third:
        assert "held" == third.said
        assert 0 == third.finish()


def test_server_restarted(server: Server) -> None:
    """The server goes: after the grace the lease is lost. The server comes back: so does the lease."""
    with lock_at(server.url, "first", "g") as lock, lock_at(server.url, "second", "g") as other:
        kept = Kept(lock)
        server.stop()
        kept.keeper.check()
        assert [] == kept.told
        kept.time.advance(GRACE_NS)
        assert ["lost"] == kept.told
        kept.keeper.check()
        server.start()
        kept.keeper.check()
        assert ["lost", "regained"] == kept.told
        with pytest.raises(HeldError, match="livestack first"):
            other.hold()


def test_server_restarted_within_the_grace(server: Server) -> None:
    """Who is back in time was never away."""
    with lock_at(server.url, "first", "h") as lock:
        kept = Kept(lock)
        server.stop()
        kept.keeper.check()
        server.start()
        kept.keeper.check()
        kept.time.advance(GRACE_NS - 1)
        assert [] == kept.told
        assert Holding.HELD is kept.keeper.holding


def test_somebody_else_was_faster(server: Server) -> None:
    """What another node took while the server was away is lost at once, and stays so when that node is gone."""
    with lock_at(server.url, "first", "i") as lock, lock_at(server.url, "other", "i") as other:
        kept = Kept(lock)
        server.stop()
        server.start()
        other.hold()
        kept.keeper.check()  # finds the connection broken
        kept.keeper.check()
        assert ["lost"] == kept.told
        assert Holding.TAKEN is kept.keeper.holding
        other.release()
        wait_until_free(server, account("i"))
        kept.time.advance(GRACE_NS)
        assert ["lost"] == kept.told


def test_a_lock_that_was_taken_away_is_taken_again(server: Server) -> None:
    """The check asks for the lock, not for the connection: one that is gone is noticed and taken again."""
    with lock_at(server.url, "first", "j") as lock, lock_at(server.url, "second", "j") as other:
        lock.hold()
        lock._ask("SELECT pg_advisory_unlock_all()::text")
        lock.hold()
        with pytest.raises(HeldError):
            other.hold()


def test_a_broken_connection_of_ours_is_ended(server: Server) -> None:
    """A connection that broke on our side alone is ended at the server, and not taken for another node."""
    with lock_at(server.url, "first", "k") as lock:
        lock.hold()
        broken = lock._connection
        assert broken is not None
        with broken:
            lock._connection = None  # as behind a cut cable: the server has not heard of it
            with pytest.raises(UnreachableError, match="a broken connection of this node"):
                lock.hold()
            wait_until_free(server, account("k"))
            lock.hold()


def test_server_is_told_to_notice_silence(server: Server) -> None:
    """The server asks after a silent holder only when that one's grace is over, and gives up soon after."""
    names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
    with lock_at(server.url, "first", "l") as lock:
        lock.hold()
        assert [[("10",)], [("5",)], [("3",)], [("25000",)]] == [lock._ask(f"SHOW {name}") for name in names]


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes a connection and says nothing is not reachable: connecting has its time limit."""
    monkeypatch.setattr(postgres, "CONNECT_TIMEOUT_S", 2)  # the least there is
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://lease@127.0.0.1:{silent.getsockname()[1]}/postgres"
        with lock_at(url, "first", "m") as lock, pytest.raises(UnreachableError, match="timeout expired"):
            lock.hold()


def test_an_answer_that_does_not_come(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement has its time limit; the connection is given up with it."""
    with lock_at(server.url, "first", "n") as lock:
        lock.hold()
        monkeypatch.setattr(postgres, "QUERY_TIMEOUT_S", 0.05)
        monkeypatch.setattr(postgres, "_OURS", "SELECT pg_sleep(60)::text")
        with pytest.raises(UnreachableError, match="no answer in time"):
            lock.hold()
        assert lock._connection is None


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://lease:{QUOTED_PASSWORD}@127.0.0.1:{{free}}/postgres",
        f"postgresql://lease:wrong-{QUOTED_PASSWORD}@127.0.0.1:{{port}}/postgres",
        f"postgresql://lease:{QUOTED_PASSWORD}@127.0.0.1:{{port}}/{QUOTED_PASSWORD}x",
        f"postgresql://{QUOTED_PASSWORD}:{QUOTED_PASSWORD}@127.0.0.1:{{port}}/postgres",
        f"postgresql://lease:{QUOTED_PASSWORD}@127.0.0.1:{{port}}/absent",
        f"postgresql://lease:{PASSWORD}@127.0.0.1:{{port}}/postgres",
        f"postgresql://lease:very@{PASSWORD}@127.0.0.1:{{port}}/postgres",
        f"postgresql://lease:{PASSWORD}%zz@127.0.0.1:{{port}}/postgres",
        f"postgresql://lease:12/{PASSWORD}@127.0.0.1:{{port}}/postgres",
        f"host=127.0.0.1 password={PASSWORD}",
        PASSWORD,
    ],
)
def test_no_password_in_any_message(server: Server, url: str) -> None:
    """Whatever is wrong with server or URL, no part of the password is told; exit code 2 or 3."""
    with (
        pytest.raises(LivestackError) as caught,
        lock_at(url.format(port=server.port, free=free_port()), "first", "o") as lock,
    ):
        lock.hold()
    assert isinstance(caught.value, UnreachableError | UsageError)
    said = f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    parts = set(re.findall(r"\w+", PASSWORD))
    assert set() == parts & set(re.findall(r"\w+", said)), said


def test_messages_say_what_would_be_right(server: Server) -> None:
    """A URL that is none is told with an example, a server that is not there with its address and cause."""
    with (
        pytest.raises(UsageError, match=r"variable LEASE_URL .* must hold a URL such as postgresql://USER"),
        lock_at("mysql://host/database", "first", "p"),
    ):
        pass
    port = free_port()
    refused = rf"cannot reach PostgreSQL at 127\.0\.0\.1, port {port}: .*refused"
    absent = 'database "absent" does not exist'
    for url, cause in (
        (f"postgresql://lease@127.0.0.1:{port}/postgres", refused),
        (server.url.replace("/postgres", "/absent"), absent),
    ):
        with lock_at(url, "first", "p") as lock, pytest.raises(UnreachableError, match=cause):
            lock.hold()
