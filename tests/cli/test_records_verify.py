"""``livestack records verify``: keys, exit codes, and that every damage to real storage is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.journal.directory import DataDirectory
from livestack.storage.cursor import Mark, write_mark
from livestack.storage.place import make_sink, place_of_url
from livestack.storage.sink import Batch
from tests.cli.stored import SESSION, ship
from tests.cli.support import Shell
from tests.postgres_support import Databases, any_server
from tests.research.test_records import pruned

KEYS = {
    "session", "sink", "address", "from_seq", "to_seq", "journal", "storage", "missing", "extra", "different",
    "dead_lettered", "pending", "had_through", "running", "damage", "error", "tables", "examples", "exit",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with any_server(tmp_path_factory.mktemp("server")) as one:
        yield one


@pytest.fixture
def database(server: Databases) -> Iterator[str]:
    with server.database() as name:
        yield name


def test_the_same(shell: Shell, tmp_path: Path) -> None:
    """Exit 0, all keys, and a verdict for people."""
    rows = ship(tmp_path)
    outcome = shell("records", "verify", SESSION, "--json")
    count = sum(map(len, rows.values()))
    assert KEYS == outcome.json.keys()
    assert (0, count, count) == (outcome.code, outcome.json["journal"], outcome.json["storage"])
    outcome = shell("records", "verify")
    assert 0 == outcome.code
    assert f"the same: {count} records, seq 1 to " in outcome.out
    assert "fills" in outcome.out


def test_nothing_is_there(shell: Shell, tmp_path: Path) -> None:
    """All is missing, nothing is made, and it is said how records get there."""
    rows = ship(tmp_path)
    shutil.rmtree(tmp_path / "records")
    outcome = shell("records", "verify", "--all")
    assert 6 == outcome.code
    assert f"not shipped yet: {sum(map(len, rows.values()))} records; livestack records ship s" in outcome.out
    assert "fresh place" not in outcome.out
    assert not (tmp_path / "records").exists()


def test_a_table_is_gone(shell: Shell, tmp_path: Path) -> None:
    """Its records are missing, and no other."""
    rows = ship(tmp_path)
    shutil.rmtree(tmp_path / "records" / "orders")
    outcome = shell("records", "verify", "--json")
    assert (6, len(rows["orders"])) == (outcome.code, outcome.json["missing"])
    assert len(rows["orders"]) == outcome.json["tables"]["orders"]["missing"]


def test_a_record_too_many(shell: Shell, tmp_path: Path) -> None:
    """One that the journal does not tell is named by its key."""
    fill = ship(tmp_path)["fills"][0]
    fill.trace.seq = 10_000  # type: ignore[attr-defined]
    sink = make_sink(place_of_url(f"delta+file://{tmp_path}/records", "x"), {})
    sink.open()
    sink.write(Batch(SESSION, {"fills": [fill]}, 10_000, 10_000))
    sink.close()
    outcome = shell("records", "verify")
    assert 6 == outcome.code
    assert "extra: fills at seq 10,000, record " in outcome.out
    assert "not the same: 0 missing, 1 extra, 0 different" in outcome.out
    assert "livestack records ship --all" in " ".join(outcome.out.split())


def test_damaged_rows(shell: Shell, tmp_path: Path, server: Databases, database: str) -> None:
    """A row deleted, a value changed, a table dropped: exactly that is found in PostgreSQL."""
    url = server.url_of(database)
    rows = ship(tmp_path, url)
    assert 0 == shell("records", "verify", "--sink", url).code
    server.execute("UPDATE livestack.fills SET price = price + 0.01", database)
    server.execute("DELETE FROM livestack.orders WHERE status = 'filled'", database)
    outcome = shell("records", "verify", "--sink", url)
    assert 6 == outcome.code
    assert "price is 49995.51, by the journal 49995.5" in outcome.out
    assert "not the same: 1 missing, 0 extra, 1 different" in outcome.out
    server.execute("DROP TABLE livestack.positions CASCADE", database)
    found = shell("records", "verify", "--sink", url, "--json").json
    assert len(rows["positions"]) == found["tables"]["positions"]["missing"]


def test_records_that_the_server_refuses(
    shell: Shell, tmp_path: Path, server: Databases, database: str
) -> None:
    """They are accounted for as long as they are set aside as they were; without that they are missing."""
    url = server.url_of(database)
    sink = make_sink(place_of_url(url, "x"), {})
    sink.open()
    sink.close()
    server.execute("ALTER TABLE livestack.fills ADD CHECK (price < 1)", database)
    ship(tmp_path, url, refused=1)
    outcome = shell("records", "verify", "--sink", url)
    assert 0 == outcome.code
    assert "refused and set aside: 1 record; livestack records show s dead_letters" in outcome.out
    server.execute("UPDATE livestack.dead_letters SET record = replace(record, 'USDT', 'USDC')", database)
    found = shell("records", "verify", "--sink", url, "--json").json
    assert (0, 1) == (found["missing"], found["different"])
    server.execute("DELETE FROM livestack.dead_letters", database)
    found = shell("records", "verify", "--sink", url, "--json").json
    assert (1, 0) == (found["missing"], found["different"])


def test_two_sinks(shell: Shell, tmp_path: Path, server: Databases, database: str) -> None:
    """Each has a line; one that cannot be reached does not hide what the other one has."""
    url = server.url_of(database)
    ship(tmp_path, url)
    ship(tmp_path)
    here = f"delta+file://{tmp_path}/records"
    outcome = shell("records", "verify", "--sink", url, "--sink", here, "--json")
    assert ([0, 0], 0) == ([json.loads(line)["exit"] for line in outcome.out.splitlines()], outcome.code)
    outcome = shell(
        "records", "verify", "--sink", "postgresql://me:hunter2@127.0.0.1:1/x", "--sink", here, "--json"
    )
    assert ([3, 0], 3) == ([json.loads(line)["exit"] for line in outcome.out.splitlines()], outcome.code)
    assert "hunter2" not in outcome.out + outcome.err


def test_while_the_node_runs(shell: Shell, tmp_path: Path) -> None:
    """What the sink does not claim to have is pending, which is no fault."""
    rows = ship(tmp_path)
    with DataDirectory(tmp_path).acquire():
        found = shell("records", "verify", "--json").json
        assert (0, True, 0) == (found["exit"], found["running"], found["pending"])
        shutil.rmtree(tmp_path / "records")
        outcome = shell("records", "verify")
    assert 0 == outcome.code
    assert f"not shipped yet: {sum(map(len, rows.values()))} records; the node ships them" in outcome.out
    assert "nothing could be compared: it has no records of the session yet" in outcome.out
    assert "the same" not in outcome.out


def test_store_that_is_lost_while_the_node_runs(shell: Shell, tmp_path: Path) -> None:
    """What it once confirmed is missing, whatever it says by now; a mark of another place says nothing of it."""
    rows = ship(tmp_path)
    count, last = sum(map(len, rows.values())), max(one.trace.seq for part in rows.values() for one in part)  # type: ignore[attr-defined]
    shutil.rmtree(tmp_path / "records")
    sessions = tmp_path / "sessions"
    with DataDirectory(tmp_path).acquire():
        write_mark(sessions, SESSION, Mark(name="local", address="Delta Lake in /elsewhere", through=last))
        assert 0 == shell("records", "verify").code
        address = f"Delta Lake in {tmp_path}/records"
        write_mark(sessions, SESSION, Mark(name="local", address=address, through=last))
        outcome = shell("records", "verify")
    assert 6 == outcome.code
    assert f"it had everything up to seq {last:,} once" in outcome.out
    assert f"not the same: {count} missing" in outcome.out
    assert "not shipped yet" not in outcome.out


def test_what_is_lost_can_be_shipped_to_a_fresh_place(shell: Shell, tmp_path: Path) -> None:
    """As the advice says it: the damaged place moved aside, and everything shipped again."""
    ship(tmp_path)
    shutil.rmtree(tmp_path / "records" / "fills")
    outcome = shell("records", "verify")
    assert 6 == outcome.code
    told = " ".join(outcome.out.split())
    assert "look at the examples with --json; storage that lost or changed something is made whole by" in told
    (tmp_path / "records").rename(tmp_path / "damaged")
    assert 0 == shell("records", "ship", "--all").code
    assert 0 == shell("records", "verify").code


def test_wrong_sink(shell: Shell, tmp_path: Path) -> None:
    """Exit 2 and what would be right."""
    ship(tmp_path)
    outcome = shell("records", "verify", "--sink", "s3://bucket/x")
    assert 2 == outcome.code
    assert "did you mean delta+s3://BUCKET/PREFIX?" in outcome.err


def test_journal_without_its_beginning(shell: Shell, tmp_path: Path) -> None:
    """It is said from where on there is something to compare with."""
    snapshot = pruned(tmp_path, with_snapshots=True)
    assert (
        f"compared from seq {snapshot + 1}: of what was before, the journal is gone"
        in shell("records", "verify").out
    )


def test_journal_with_nothing_to_begin_from(shell: Shell, tmp_path: Path) -> None:
    """Without a snapshot nothing can be compared: exit 6 and why."""
    pruned(tmp_path, with_snapshots=False)
    outcome = shell("records", "verify")
    assert 6 == outcome.code
    assert "its journal begins at seq 101, and no snapshot at or behind it is usable" in outcome.out


def test_journal_that_cannot_be_read(shell: Shell, tmp_path: Path) -> None:
    """A session without a usable journal is told as that, with exit 6."""
    ship(tmp_path)
    (data,) = (tmp_path / "sessions" / SESSION / "journal").glob("*/data.mdb")
    data.write_bytes(b"x" * 10_000)
    outcome = shell("records", "verify", "--json")
    assert 6 == outcome.code
    assert "is damaged" in outcome.json["damage"]
