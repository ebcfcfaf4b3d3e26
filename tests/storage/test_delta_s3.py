"""The Delta sink and a store that is away, silent, closed to us, or not what it seems; none of its secrets gets out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError

from livestack.exceptions import SinkError, SinkRefusedError, SinkUnavailableError
from livestack.storage.delta import DeltaSink
from livestack.storage.delta_rows import PARTITION
from tests.storage.delta_support import SESSION, HandTime, Place, batch, expected, fill, fills, rows_of, seqs
from tests.storage.s3_support import SECRET, Line, ObjectStore

WRONG = "wrong/Secret+That+Nobody+May+See"


@pytest.fixture
def store(own_tables: ObjectStore) -> ObjectStore:
    """With all tables in it, and a record, written over the short way."""
    Place(None, own_tables).opened().write(batch(1, fills=[fill(1)]))
    return own_tables


@pytest.fixture
def line(store: ObjectStore) -> Iterator[Line]:
    line = Line(store.endpoint)
    yield line
    line.close()


def over(line: Line, store: ObjectStore) -> DeltaSink:
    """A sink at the end of ``line`` that soon loses patience."""
    options = {**store.options(), "aws_endpoint": line.endpoint, "timeout": "300ms", "max_retries": "0"}
    return DeltaSink("here", store.root, lambda: options, HandTime())


def refused(action: Callable[[], Any]) -> str:
    with pytest.raises(SinkRefusedError) as caught:
        action()
    return told(caught.value)


def told(error: SinkError) -> str:
    """All that ``error`` says anywhere, without secrets."""
    text = f"{error} {error!r} {error.__cause__!r}"
    assert not error.__context__ or error.__suppress_context__
    for secret in (SECRET, WRONG):
        assert secret not in text
    return text


def test_a_wrong_key_is_refused(store: ObjectStore) -> None:
    """With advice; once the right one is given the same sink goes on."""
    right = store.options()
    given = {**right, "aws_access_key_id": "AKIAUNKNOWN", "aws_secret_access_key": WRONG}
    sink = DeltaSink("here", store.root, lambda: given, HandTime())
    with store.checks_keys():
        text = refused(sink.open)
        assert "check access key and secret" in text
        refused(sink.check)
    given = right
    sink.open()
    sink.write(batch(2, fills=[fill(2)]))
    assert [1, 2] == seqs(sink, "fills")


def test_a_key_that_is_withdrawn_is_refused_when_writing(store: ObjectStore) -> None:
    """And reading. Nothing of what was kept is lost."""
    if not store.own:
        return
    sink = Place(None, store).opened()
    with store.checks_keys():
        refused(lambda: sink.write(batch(2, fills=[fill(2)])))
        refused(lambda: seqs(sink, "fills"))
        refused(lambda: sink.position(SESSION))
    sink.open()
    sink.write(batch(2, fills=[fill(2)]))
    assert [1, 2] == seqs(sink, "fills")


def test_a_missing_bucket_is_refused(store: ObjectStore) -> None:
    """It is not ours to make one."""
    missing = store._replace(bucket=f"{store.bucket}-no")
    sink = Place(None, missing).sink()
    assert "make the bucket, or name another one" in refused(sink.open)
    refused(sink.check)


def test_an_endpoint_without_encryption_is_refused(store: ObjectStore) -> None:
    """But for this machine's own: records and signatures do not go over a net in the open."""
    for endpoint in ("http://storage.example.com", "http://192.0.2.7:9000"):
        options = {**store.options(), "aws_endpoint": endpoint}
        text = refused(DeltaSink("here", store.root, lambda options=options: options, HandTime()).open)
        assert "is not encrypted; use https" in text


def test_a_name_that_nobody_knows_is_unavailable(store: ObjectStore) -> None:
    """It may be known again tomorrow."""
    options = {**store.options(), "aws_endpoint": "https://no.such.host.invalid", "max_retries": "0"}
    with pytest.raises(SinkUnavailableError) as caught:
        DeltaSink("here", store.root, lambda: options, HandTime()).open()
    told(caught.value)


@pytest.mark.parametrize("how", ["cut", "silence"])
def test_a_store_that_is_away_comes_back(store: ObjectStore, line: Line, how: str) -> None:
    """Refusing or silent, each call ends as unavailable; afterwards everything is there once."""
    sink = over(line, store)
    sink.open()
    sink.write(batch(2, fills=[fill(2)]))
    getattr(line, how)()
    for action in (
        lambda: sink.write(batch(4, fills=fills(3, 4))),
        lambda: sink.write(batch(4, through=4)),
        lambda: sink.position(SESSION),
        lambda: seqs(sink, "fills"),
        over(line, store).open,
        over(line, store).check,
    ):
        with pytest.raises(SinkUnavailableError) as caught:
            action()
        told(caught.value)
    line.cut() if how == "silence" else None
    line.restore()
    sink = over(line, store)
    sink.open()
    assert {"fills": 2} == sink.position(SESSION).tables
    sink.write(batch(4, fills=fills(2, 4)))
    assert expected("fills", fills(1, 4)) == rows_of(sink, "fills")


def test_of_two_commits_of_one_version_exactly_one_wins(store: ObjectStore) -> None:
    """The condition is checked by the store itself, for writers that started at the same moment too."""
    options = {**store.options(), "allow_http": "true", "aws_conditional_put": "etag"}
    wins: list[int] = []
    losses: list[int] = []
    for turn in range(5):
        tables = [DeltaTable(f"{store.root}/fills", storage_options=options) for _ in range(4)]
        barrier = threading.Barrier(len(tables))

        def commit(table: DeltaTable, number: int, barrier: threading.Barrier = barrier) -> None:
            properties = CommitProperties(max_commit_retries=0, app_transactions=[Transaction("t", number)])
            barrier.wait()
            try:
                table.create_write_transaction(
                    [], "append", table.schema(), PARTITION, commit_properties=properties
                )
                wins.append(number)
            except CommitFailedError:
                losses.append(number)

        threads = [
            threading.Thread(target=commit, args=(table, 10 * turn + number + 1))
            for number, table in enumerate(tables)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert turn + 1 == len(wins)
        assert 3 * (turn + 1) == len(losses)
        after = DeltaTable(f"{store.root}/fills", storage_options=options)
        assert wins[-1] == after.transaction_version("t")


def test_options_are_asked_for_with_each_open(store: ObjectStore) -> None:
    """Secrets may have changed."""
    asked: list[int] = []

    def options() -> dict[str, str]:
        asked.append(1)
        return store.options()

    sink = DeltaSink("here", store.root, options, HandTime())
    assert [] == asked
    sink.open()
    sink.open()
    assert [1, 1] == asked
