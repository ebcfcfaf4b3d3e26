"""One table: made, extended, refused; and what a disk does to it."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Field, QueryBuilder, Schema, write_deltalake
from deltalake.schema import PrimitiveType

from livestack import failpoints
from livestack.exceptions import SinkRefusedError, SinkUnavailableError
from livestack.storage import delta_schema, delta_table
from livestack.storage.delta_location import Location
from livestack.storage.delta_rows import PARTITION, SCHEMAS, encode
from livestack.storage.delta_schema import description
from livestack.storage.delta_table import TRIES, RecordTable
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
    refuse = Location.refuse_foreign_files

    def somebody_else_is_faster(self: Location, name: str) -> None:
        refuse(self, name)
        monkeypatch.undo()
        disk.opened().write(batch(1, fills=[fill(1)]))

    monkeypatch.setattr(Location, "refuse_foreign_files", somebody_else_is_faster)
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


def test_the_owners_changes_of_a_growing_file_stay(disk: Place, clock: HandTime) -> None:
    """His column's values, a row that he deleted, one that he added: nothing of it is undone by the next commits."""
    sink = disk.opened(clock)
    sink.write(batch(1, fills=[fill(1)]))
    sink.write(batch(2, fills=[fill(2)]))
    DeltaTable(f"{disk.root}/fills").alter.add_columns([Field("remark", PrimitiveType("string"))])
    DeltaTable(f"{disk.root}/fills").update(updates={"remark": "'seen'"})
    sink.write(batch(3, fills=[fill(3)]))
    sink.write(batch(4, fills=[fill(4)]))
    assert {1: "seen", 2: "seen", 3: None, 4: None} == remarks(disk)
    DeltaTable(f"{disk.root}/fills").delete("seq = 4")
    sink.position(SESSION)
    sink.write(batch(5, fills=[fill(5)]))
    own = encode(TABLES["fills"], [fill(7)]).rows.append_column("remark", pa.array(["own"]))
    write_deltalake(f"{disk.root}/fills", own, mode="append")
    sink.write(batch(6, fills=[fill(6)]))
    assert {1: "seen", 2: "seen", 3: None, 5: None, 6: None, 7: "own"} == remarks(disk)


def remarks(disk: Place) -> dict[int, str | None]:
    builder = QueryBuilder()
    builder.register("fills", DeltaTable(f"{disk.root}/fills"))
    rows = pa.RecordBatchReader.from_stream(
        builder.execute("SELECT seq, remark FROM fills ORDER BY seq")
    ).read_all()
    return dict(zip(rows["seq"].to_pylist(), rows["remark"].to_pylist(), strict=True))


def test_a_foreign_table_is_found_before_any_is_made(place: Place) -> None:
    """Whichever it is: no empty tables are left beside it."""
    write_deltalake(f"{place.root}/sessions", pa.table({"a": [1]}), storage_options=options_of(place))
    with pytest.raises(SinkRefusedError, match="table sessions"):
        place.sink().open()
    assert [[]] * (len(TABLES) - 1) == [place.names(name) for name in TABLES if name != "sessions"]


def test_old_log_entries_go_at_a_checkpoint(
    disk: Place, clock: HandTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an hour; everything is there, and who looked last before they went loses nothing and undoes nothing."""
    monkeypatch.setitem(delta_table._CONFIGURATION, "delta.checkpointInterval", "10")
    sink, late = disk.opened(clock), disk.opened(clock)
    for first, last in ((1, 12), (13, 22)):
        for path in (Path(disk.root) / "fills" / "_delta_log").iterdir():
            os.utime(path, (path.stat().st_mtime - 3_700,) * 2)
        for seq in range(first, last + 1):
            sink.write(batch(seq, fills=[fill(seq)]))
    assert f"_delta_log/{5:020}.json" not in disk.names("fills")
    assert f"_delta_log/{20:020}.json" in disk.names("fills")
    assert {"fills": 22} == disk.opened().position(SESSION).tables
    for attempt in range(2):
        with contextlib.suppress(SinkUnavailableError):
            late.write(batch(23, fills=fills(1, 23)))
        if attempt == 0:
            late.open()
    assert expected("fills", fills(1, 23)) == rows_of(late, "fills")


def test_a_table_that_exists_keeps_its_owners_properties(disk: Place) -> None:
    """How long its log is kept is the owner's; only a new table gets what livestack deems right."""
    made(disk)
    disk.opened().write(batch(1, fills=[fill(1)]))
    assert {} == DeltaTable(f"{disk.root}/fills").metadata().configuration
    ours = DeltaTable(f"{disk.root}/orders").metadata().configuration
    assert (
        "interval 1 hours" == ours["delta.logRetentionDuration"] == ours["delta.deletedFileRetentionDuration"]
    )


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


@pytest.mark.parametrize("below", ["file", "file/records"])
def test_a_place_that_is_a_file_is_refused(tmp_path: Path, below: str) -> None:
    """No waiting makes a directory of it."""
    (tmp_path / "file").write_text("x")
    for opening in (Place(tmp_path / below, None).opened, Place(tmp_path / below, None).sink().check):
        with pytest.raises(SinkRefusedError, match="file is not a directory; name a directory"):
            opening()
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "fills").write_text("x")
    with pytest.raises(SinkRefusedError, match="fills is not a directory; name a directory"):
        Place(tmp_path / "records", None).opened()
    assert ["fills"] == [path.name for path in (tmp_path / "records").iterdir()]
