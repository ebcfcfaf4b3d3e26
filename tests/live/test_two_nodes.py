"""Two nodes, each at a venue of its own, that ship into one S3 bucket and one PostgreSQL database at the same time."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from livestack.storage.tables import TABLES
from tests.live import operated
from tests.live.test_shipping import Bench
from tests.postgres_support import running_server
from tests.storage.s3_support import new_place, object_store_server
from tests.support import Venue

RECORDS = """
[records]
lag_max = "10s"
stop_timeout = "60s"
[records.sinks.lake]
url = "delta+s3://{bucket}/{prefix}?endpoint={endpoint}&region={region}"
[records.sinks.sql]
url_env = "RECORDS_URL"
"""
LAKE, SQL = "lake", "sql"


def test_nothing_is_lost_and_nothing_is_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each session's records are in both storages as its own journal says, and the storages hold nothing else."""
    with ExitStack() as stack:
        server = stack.enter_context(running_server(tmp_path))
        place = new_place(stack.enter_context(object_store_server()))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", place.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", place.secret)
        records = RECORDS.format(
            bucket=place.bucket, prefix=place.prefix, endpoint=place.endpoint, region=place.region
        )
        benches = []
        for name, seed in (("first", "29"), ("second", "31")):
            directory = tmp_path / name
            (directory / "venue").mkdir(parents=True)
            venue = stack.enter_context(
                Venue(directory / "venue", "--seed", seed, "--rate", "300", "--allowance", "100")
            )
            benches.append(Bench(directory, venue, records, server.url))
        nodes = [stack.enter_context(bench.start()) for bench in benches]
        for bench, node in zip(benches, nodes, strict=True):
            bench.until_trading(node)
            for sink in (LAKE, SQL):
                bench.until_sink(node, sink, lambda one: one.state == "ok" and one.through > 100)
        for bench, node in zip(benches, nodes, strict=True):
            bench.end(node)
        counts = {}
        for bench in benches:
            bench.all_there(LAKE, SQL)
            _, found = bench.command("verify")
            counts[operated.session(bench.directory)] = {one["journal"] for one in found}
        assert 2 == len(counts)
        with psycopg.connect(server.url) as connection:
            rows = "UNION ALL ".join(
                f"SELECT session, seq, ordinal FROM livestack.{table} " for table in TABLES
            )
            stored = connection.execute(f"SELECT session, count(*) FROM ({rows}) AS rows GROUP BY session")
            assert counts == {session: {count} for session, count in stored}
