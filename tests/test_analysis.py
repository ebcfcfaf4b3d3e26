"""Every example of docs/analysis.rst is run on the records of a demo session, and agrees with the session's summary."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from tests.postgres_support import any_server

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "analysis.rst"

RUNNER = """
import contextlib, io, json, sys
blocks, check, space, printed = *json.load(sys.stdin), {}, []
for block in blocks:
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(block, "docs/analysis.rst", "exec"), space)
    printed.append(output.getvalue())
values = {name: eval(told, space) for name, told in check.items()}
print(json.dumps({"printed": printed, "values": values}, default=str))
"""
"""Runs the blocks of a section as one program: what each printed, and the values that a test asks for afterwards."""

DUCKDB = {
    "slippage": "slippage.select('fills, volume').fetchall()",
    "answers": "answers.select('answers, p50_ms, p99_ms').fetchall()",
    "denials": "denials.select('denials').fetchall()",
    "curve": "curve.order('seq').select('quote_asset, realised, after_fees').fetchall()[-1]",
}

POLARS = {
    "slippage": "slippage.select('fills', 'volume').rows()",
    "answers": "answers.select('answers', 'p50_ms', 'p99_ms').rows()",
    "denials": "denials.select('denials').rows()",
    "curve": "curve.select('quote_asset', 'realised', 'after_fees').rows()[-1]",
}


class Block(NamedTuple):
    """``shown``: what the document says that it prints; empty: nothing."""

    language: str
    code: str
    shown: str


def blocks_of(section: str, document: Path = DOCUMENT) -> list[Block]:
    """The examples below the heading ``section``, in order, each with the output that follows it."""
    text = document.read_text(encoding="utf-8")
    part = re.split(r"\n(?=[^\n]+\n-{5,}\n)", text)
    chosen = next(one for one in part if one.startswith(f"{section}\n"))
    found: list[Block] = []
    for language, indented in re.findall(r"\.\. code-block:: (\w+)\n\n((?:   [^\n]*\n|\n)+)", chosen):
        code = "\n".join(line[3:] for line in indented.rstrip().splitlines())
        if language == "text":
            found[-1] = found[-1]._replace(shown=code)
        elif language in ("python", "sql"):
            found.append(Block(language, code, ""))
    return found


def head_of(output: str) -> list[str]:
    """Names and types of the columns of a printed table."""
    head = re.split(r"[├╞]|--\+--", re.sub(r"\b0 rows\b", "", output))[0]
    return re.findall(r"[\w\[\]]+", head)


class Session(NamedTuple):
    """``summary``: what ``livestack start --json`` told of it."""

    directory: Path
    summary: dict[str, Any]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The demo for a few seconds; its records lie below ``livestack-data``."""
    directory = tmp_path_factory.mktemp("analysis")
    command = [str(ROOT / "scripts" / "demo"), "--for", "10s", "--json", "--keep"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=120, check=False)
    assert 0 == done.returncode, done.stderr
    return Session(directory, json.loads(done.stdout))


def run(session: Session, blocks: list[Block], check: dict[str, str]) -> dict[str, Any]:
    """Run them in a process of its own, which has to end well; the values that were asked for."""
    given = json.dumps([[block.code for block in blocks], check])
    done = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=given,
        cwd=session.directory,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    told = json.loads(done.stdout)
    for block, printed in zip(blocks, told["printed"], strict=True):
        assert bool(block.shown) is bool(printed)
        assert head_of(block.shown) == head_of(printed)
    values: dict[str, Any] = told["values"]
    return values


def assert_agrees(values: dict[str, Any], summary: dict[str, Any]) -> None:
    """What was computed from records is what the session counted itself."""
    assert summary["fills"] > 0
    assert summary["fills"] == sum(row[0] for row in values["slippage"])
    assert 0 < sum(row[0] for row in values["answers"]) <= summary["dispatches"]
    assert summary["denied"] == sum(row[0] for row in values["denials"])
    asset, realised, after_fees = values["curve"]
    assert Decimal(summary["realised_pnl"][asset]) == Decimal(realised)
    fees = Decimal(summary["fees"].get(asset, "0"))
    assert Decimal(summary["realised_pnl"][asset]) - fees == Decimal(after_fees)


@pytest.fixture(scope="module")
def by_duckdb(session: Session) -> dict[str, Any]:
    return run(session, blocks_of("DuckDB"), DUCKDB)


@pytest.fixture(scope="module")
def by_polars(session: Session) -> dict[str, Any]:
    return run(session, blocks_of("Polars"), POLARS)


def test_duckdb(session: Session, by_duckdb: dict[str, Any]) -> None:
    """Prints tables of the columns that the document shows, and sums that the session told."""
    assert_agrees(by_duckdb, session.summary)


def test_polars(session: Session, by_polars: dict[str, Any]) -> None:
    """The same."""
    assert_agrees(by_polars, session.summary)


def test_polars_and_duckdb_agree(by_duckdb: dict[str, Any], by_polars: dict[str, Any]) -> None:
    """To the last unit; what both round to three decimals is rounded by each in its own way."""
    assert by_duckdb["denials"] == by_polars["denials"]
    for one, other in zip(by_duckdb["answers"], by_polars["answers"], strict=True):
        assert one == pytest.approx(other, abs=0.0011)
    volumes = [
        [(count, Decimal(volume)) for count, volume in each["slippage"]] for each in (by_duckdb, by_polars)
    ]
    assert volumes[0] == volumes[1]


def test_path_with_blanks(session: Session, tmp_path: Path) -> None:
    """Every row is found there too, by the files that the table names and by what stands for the scan of Polars."""
    directory = tmp_path / "with blank \u00fc"
    shutil.copytree(
        session.directory / "livestack-data" / "records", directory / "livestack-data" / "records"
    )
    moved = session._replace(directory=directory)
    (by_files,) = [one for one in blocks_of("DuckDB") if "file_uris" in one.code]
    start = Block("python", "import duckdb\nRECORDS = 'livestack-data/records'", "")
    count = {"fills": "fills.aggregate('count(*)').fetchall()"}
    assert [[session.summary["fills"]]] == run(moved, [start, by_files], count)["fills"]
    polars = {"fills": "fills.collect().height", "denials": "denials.collect().height"}
    found = run(moved, blocks_of("Paths with blanks"), polars)
    assert session.summary["fills"] == found["fills"]
    assert session.summary["denied"] <= found["denials"]


def test_replaced_files_can_be_removed(session: Session) -> None:
    """As the page about the tables shows it: what is younger than a week stays."""
    blocks = [
        one for one in blocks_of("Delta Lake", ROOT / "docs" / "records.rst") if one.language == "python"
    ]
    assert 1 == len(blocks)
    assert {"removed": []} == run(session, blocks, {"removed": "removed"})


def test_postgresql(session: Session, tmp_path: Path) -> None:
    """The same, from a server to which the session's records were shipped by hand."""
    with any_server(tmp_path) as server, server.database() as database:
        url = server.url_of(database)
        command = [sys.executable, "-m", "livestack", "records", "ship", "latest", "--sink", url]
        subprocess.run(
            command, cwd=session.directory, env=dict(os.environ), check=True, timeout=120, capture_output=True
        )
        rows: list[list[tuple[Any, ...]]] = []
        with psycopg.connect(url) as connection:
            for block in blocks_of("PostgreSQL"):
                cursor = connection.execute(block.code.encode())
                if cursor.description is None:
                    continue
                assert head_of(block.shown) == [column.name for column in cursor.description]
                rows.append(cursor.fetchall())
    slippage, answers, denials, curve = rows
    asset = curve[-1][2]
    realised = session.summary["realised_pnl"][asset]
    assert_agrees(
        {
            "slippage": [row[2:4] for row in slippage],
            "answers": [row[2:3] for row in answers],
            "denials": [row[2:3] for row in denials],
            "curve": (asset, realised, curve[-1][3]),
        },
        session.summary,
    )


@pytest.mark.parametrize("sink", [[], ["--sink", "local"]], ids=["journal", "sink"])
def test_the_report_says_what_the_session_said(session: Session, sink: list[str]) -> None:
    """Its key figures, from the journal and from storage."""
    command = [sys.executable, "-m", "livestack", "report", "latest", "-o", "report.html", *sink]
    done = subprocess.run(
        command,
        cwd=session.directory,
        env=dict(os.environ),
        timeout=120,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    html = (session.directory / "report.html").read_text(encoding="utf-8")
    shown = re.findall(r"<dt>([^<]+)</dt><dd(?: title=\"([^\"]+)\")?>([^<]+)", html)
    figures = {
        (name, title.partition(" ")[2]): (title.partition(" ")[0] or value) for name, title, value in shown
    }
    summary = session.summary
    counts = [figures[name, ""] for name in ("Orders", "Fills", "Intents denied")]
    assert [f"{summary[name]:,}" for name in ("orders", "fills", "denied")] == counts
    for asset, amount in summary["realised_pnl"].items():
        assert Decimal(amount) == Decimal(figures["Realised P&amp;L", asset].replace(",", ""))
    for asset, amount in summary["fees"].items():
        assert Decimal(amount) == Decimal(figures["Fees paid", asset].replace(",", ""))


def test_the_document_has_every_question_for_every_tool() -> None:
    """Four each, with what they print, so that none is left out of the tests above."""
    for section, extra in (("DuckDB", 1), ("Polars", 0), ("PostgreSQL", 0)):
        assert 4 + extra == sum(1 for block in blocks_of(section) if block.shown)
