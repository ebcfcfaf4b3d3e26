"""One table: made, extended, refused; and what a disk does to it."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Field, Schema, write_deltalake
from deltalake.schema import PrimitiveType

from livestack import failpoints
from livestack.exceptions import SinkRefusedError, SinkUnavailableError
from livestack.storage import delta_schema, delta_table
from livestack.storage.delta_rows import PARTITION, SCHEMAS, encode
from livestack.storage.delta_schema import description
from livestack.storage.delta_table import TRIES, Location, RecordTable
from livestack.storage.tables import SCHEMA_VERSION, TABLES
from tests.storage.delta_support import SESSION, HandTime, Place, batch, expected, fill, fills, rows_of, seqs


def options_of(place: Place) -> dict[str, str]:
    """For a table that the test makes itself."""
    return {**place.options(), "allow_http": "true"} if place.store is not None else {}


def made(place: Place, without: tuple[str, ...] = (), text: str | None = None, name: str = "fills") -> None:
    """The table of fills as somebody else made it."""
    fields = [field for field in SCHEMAS["fills"] if field.name not in without]
    DeltaTable.create(
        f"{place.root}/fills",
        Schema.from_arrow(pa.schema(fields)),
        partition_by=PARTITION,
        name=name,
        description=description() if text is None else text,
        storage_options=options_of(place),
    )


def contents(place: Place) -> dict[str, bytes]:
    return {name: place.content("fills", name) for name in place.names("fills")}


def test_a_foreign_table_is_refused_and_not_touched(place: Place) -> None:
    """With a sentence and what to do, by open and by check."""
    write_deltalake(f"{place.root}/fills", pa.table({"a": [1]}), storage_options=options_of(place))
    before = contents(place)
    for opening in (place.sink().open, place.sink().check, place.sink().look):
        with pytest.raises(
            SinkRefusedError, match=r"table fills: .* livestack did not make; name another place"
        ):
            opening()
    assert before == contents(place)


def test_a_foreign_directory_is_refused_and_not_touched(place: Place) -> None:
    """Whatever is in it, a table of somebody's too."""
    write_deltalake(f"{place.root}/fills/some", pa.table({"a": [1]}), storage_options=options_of(place))
    before = contents(place)
    for opening in (place.sink().open, place.sink().check):
        with pytest.raises(
            SinkRefusedError, match="fills holds files that are not a Delta table; name an empty"
        ):
            opening()
    assert before == contents(place)


def test_a_newer_table_is_refused_and_not_touched(disk: Place) -> None:
    """By its own word on its version."""
    made(disk, text="livestack execution records, schema 99")
    before = contents(disk)
    with pytest.raises(
        SinkRefusedError, match=r"version 99, newer than this livestack's .*; use a newer livestack"
    ):
        disk.opened()
    assert before == contents(disk)


def test_an_older_table_gets_its_columns(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are there stay and have null in them; new ones are whole."""
    old = ("liquidity", "recv_ns")
    older = description()
    made(place, without=old)
    write_deltalake(
        f"{place.root}/fills",
        encode(TABLES["fills"], [fill(1)]).rows.drop_columns(list(old)),
        mode="append",
        storage_options=options_of(place),
    )
    monkeypatch.setattr(delta_schema, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    before = contents(place)
    looking = place.sink()
    looking.look()
    assert [(None, None)] == [row[-2:] for row in rows_of(looking, "fills")]
    assert before == contents(place)
    sink = place.opened()
    sink.write(batch(2, fills=[fill(2)]))
    assert [(None, None), ("maker", fill(2).recv_ns)] == [row[-2:] for row in rows_of(sink, "fills")]  # type: ignore[attr-defined]
    found = DeltaTable(f"{place.root}/fills", storage_options=options_of(place))
    assert description() == found.metadata().description != older
    version = found.version()
    place.opened()
    assert version == DeltaTable(f"{place.root}/fills", storage_options=options_of(place)).version()


def test_a_new_directory_is_its_owners_alone(disk: Place) -> None:
    """One that is there keeps its mode."""
    disk.opened()
    assert disk.directory is not None
    assert 0o700 == disk.directory.stat().st_mode & 0o777
    disk.directory.chmod(0o755)
    disk.opened()
    assert 0o755 == disk.directory.stat().st_mode & 0o777


def test_a_column_of_the_owners_stays_and_is_null_in_new_rows(disk: Place, clock: HandTime) -> None:
    """It may come while a writer is at it."""
    sink = disk.opened(clock)
    sink.write(batch(1, fills=[fill(1)]))
    field = Field("remark", PrimitiveType("string"), nullable=True)
    DeltaTable(f"{disk.root}/fills").alter.add_columns([field])
    for seq in (2, 3):
        sink.write(batch(seq, fills=[fill(seq)]))
    sink = disk.opened(clock)
    sink.write(batch(4, fills=[fill(4)]))
    assert expected("fills", fills(1, 4)) == rows_of(sink, "fills")
    assert field == DeltaTable(f"{disk.root}/fills").schema().fields[-1]


def test_two_make_the_same_table_at_once(disk: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds what the first made, though it had seen nothing."""
    refuse = RecordTable._refuse_foreign_directory

    def somebody_else_is_faster(self: RecordTable) -> None:
        refuse(self)
        monkeypatch.undo()
        disk.opened().write(batch(1, fills=[fill(1)]))

    monkeypatch.setattr(RecordTable, "_refuse_foreign_directory", somebody_else_is_faster)
    sink = disk.opened()
    assert [1] == seqs(sink, "fills")
    assert {"fills": 1} == sink.position(SESSION).tables


@pytest.mark.usefixtures("armed")
def test_losing_every_race_is_unavailable(disk: Place, clock: HandTime) -> None:
    """After a bounded number of tries, with a pause before each, and nothing was kept."""
    sink = disk.opened()
    pauses: list[float] = []
    location = Location("here", f"{disk.root}/fills", Path(f"{disk.root}/fills"), {})
    table = RecordTable(TABLES["fills"], location, clock, sleep=pauses.append)
    table.open()
    other = DeltaTable(f"{disk.root}/fills")

    def be_faster() -> None:
        other.create_write_transaction(
            [], "append", other.schema(), PARTITION, commit_properties=CommitProperties(max_commit_retries=0)
        )
        other.update_incremental()

    failpoints.arm("delta.before_commit", be_faster)
    with pytest.raises(SinkUnavailableError, match="others were faster"):
        table.append(SESSION, encode(TABLES["fills"], [fill(1)]).rows, "mark", {"mark": 1})
    assert TRIES == len(pauses)
    assert delta_table.PAUSE_MAX_S >= max(pauses)
    failpoints.disarm_all()
    assert [] == rows_of(sink, "fills")
    table.append(SESSION, encode(TABLES["fills"], [fill(1)]).rows, "mark", {"mark": 1})
    assert [1] == seqs(sink, "fills")


def test_growing_survives_the_owners_compaction(disk: Place, clock: HandTime) -> None:
    """A file that was merged into another one is not brought back beside it."""
    sink = disk.opened(clock)
    sink.write(batch(1, fills=[fill(1)]))
    clock.advance(30)
    for seq in (2, 3):
        sink.write(batch(seq, fills=[fill(seq)]))
    DeltaTable(f"{disk.root}/fills").optimize.compact()
    assert 1 == len(disk.live("fills"))
    for seq in (4, 5):
        sink.write(batch(seq, fills=[fill(seq)]))
    assert expected("fills", fills(1, 5)) == rows_of(sink, "fills")
    assert [1, 2, 3, 4, 5] == sorted(disk.raw("fills")["seq"].to_pylist())


def as_nobody(action: Callable[[], object]) -> None:
    """Run ``action`` with the rights of nobody, where we have those of root."""
    if os.geteuid() != 0:
        action()
        return
    os.seteuid(65534)
    try:
        action()
    finally:
        os.seteuid(0)


def test_a_disk_without_permission_is_unavailable_until_it_is_given(disk: Place) -> None:
    """Its mode may be set right at any time: nothing was lost, writing goes on."""
    sink = disk.opened()
    sink.write(batch(1, fills=[fill(1)]))
    assert disk.directory is not None
    disk.directory.chmod(0o500)
    (disk.directory / "fills" / "_delta_log").chmod(0)
    try:
        for action in (disk.opened, lambda: sink.write(batch(2, fills=[fill(2)])), disk.sink().check):
            with pytest.raises(SinkUnavailableError, match=r"[Pp]ermission denied|cannot be written"):
                as_nobody(action)
    finally:
        (disk.directory / "fills" / "_delta_log").chmod(0o700)
        disk.directory.chmod(0o700)
    sink.open()
    sink.write(batch(2, fills=fills(1, 2)))
    assert [1, 2] == seqs(sink, "fills")


def test_a_disk_that_takes_no_more_is_unavailable(disk: Place) -> None:
    """And when there is room again everything is there once."""
    sink = disk.opened()
    sink.write(batch(1, fills=[fill(1)]))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, before[1]))
    try:
        with pytest.raises(SinkUnavailableError, match="File too large"):
            sink.write(batch(500, fills=fills(2, 500)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    sink.open()
    sink.write(batch(500, fills=fills(1, 500)))
    assert list(range(1, 501)) == seqs(sink, "fills")


def test_a_place_that_is_a_file_is_unavailable(tmp_path: Path) -> None:
    """A path that cannot be a directory."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(SinkUnavailableError):
        Place(tmp_path / "file", None).opened()
    with pytest.raises(SinkUnavailableError):
        Place(tmp_path / "file", None).sink().check()
