"""Before a start: settings that cannot be right refuse every start, sinks that are away a new one. No secret shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from livestack.exceptions import ConfigurationError, SinkRefusedError, SinkUnavailableError
from livestack.node import sink_check as module
from livestack.node.sink_check import (
    Answer,
    CheckedSink,
    Question,
    check_sinks,
    known_sinks,
    look,
    refuse_to_begin,
)
from livestack.records_settings import RecordsSettings, SinkSettings
from livestack.settings import Settings
from livestack.storage.place import SinkPlace
from tests.node.test_following import settings as node_settings
from tests.support import ROOT

SECRET = "very-secret"
CLOSED = f"postgresql://someone:{SECRET}@127.0.0.1:1/records"
"""Nobody listens there."""


def settings(directory: Path, sinks: dict[str, SinkSettings], **changes: Any) -> Settings:
    records = RecordsSettings(sinks=sinks, **changes)
    return msgspec.structs.replace(
        node_settings(directory), records=records, data_dir=str(directory / "data")
    )


def checked(name: str, error: str = "", refused: bool = False) -> CheckedSink:
    return CheckedSink(SinkPlace(name=name, url=CLOSED), "a place", error, refused)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Questions to the other process; there is none, and no answer."""
    questions: list[object] = []

    def ask(question: object, environment: object) -> tuple[None, str]:
        questions.append(question)
        return None, "there is no process"

    monkeypatch.setattr(module, "_ask", ask)
    return questions


def test_the_default_place_needs_no_question_while_it_is_empty(tmp_path: Path, asked: list[object]) -> None:
    """It is below the data directory, where a journal is written too."""
    (found,) = check_sinks(settings(tmp_path, {"local": SinkSettings()}), {})
    assert ("local", f"Delta Lake in {tmp_path / 'data' / 'records'}", "") == (
        found.place.name, found.address, found.error,
    )  # fmt: skip
    (tmp_path / "data" / "records").mkdir(parents=True)
    assert [found] == check_sinks(settings(tmp_path, {"local": SinkSettings()}), {})
    assert [] == asked


@pytest.mark.parametrize("what", ["table", "file"])
def test_what_is_in_the_default_place_is_looked_at(tmp_path: Path, what: str) -> None:
    """It may be somebody else's: then no session begins, and the sentence is that of any other place."""
    place = tmp_path / "data" / "records"
    in_the_way = place / "fills" / "somebody's" if what == "table" else place
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("")
    (found,) = check_sinks(settings(tmp_path, {"local": SinkSettings()}), os.environ)
    assert ("local", True) == (found.place.name, str(place) in found.error)


def test_for_a_resumed_session_no_sink_is_asked(tmp_path: Path) -> None:
    """Where they are has to be known, and that the settings say it right; how they are has time."""
    chosen = settings(tmp_path, {"pg": SinkSettings(url_env="PLACE")})
    (found,) = known_sinks(chosen, {**os.environ, "PLACE": CLOSED})
    assert ("pg", "") == (found.place.name, found.error)
    assert CLOSED == found.place.url
    with pytest.raises(ConfigurationError, match="PLACE, which is not set"):
        known_sinks(chosen, os.environ)
    assert [] == known_sinks(settings(tmp_path, {"pg": SinkSettings(url_env="PLACE")}, enabled=False), {})


def test_the_default_place_of_a_resumed_session_is_known(tmp_path: Path, asked: list[object]) -> None:
    """Without another process, whatever is in it."""
    (tmp_path / "data" / "records" / "fills").mkdir(parents=True)
    (found,) = known_sinks(settings(tmp_path, {"local": SinkSettings()}), {})
    assert (str(tmp_path / "data" / "records") in found.address, "") == (True, found.error)
    assert [] == asked


def test_what_libraries_say_on_stderr_is_not_for_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """They warn of what is none of anybody's business; what matters is in the answer."""
    talkative = tmp_path / "python"
    answer = msgspec.json.encode(Answer([])).decode()
    talkative.write_text(f"#!/bin/sh\necho 'WARN no such host' >&2\necho '{answer}'\n")
    talkative.chmod(0o700)
    monkeypatch.setattr(module.sys, "executable", str(talkative))
    assert (Answer([]), "") == module._ask(Question({}, ""), os.environ)
    assert ("", "") == capfd.readouterr()


def test_records_that_are_switched_off_are_not_looked_at(tmp_path: Path, asked: list[object]) -> None:
    """No URL, no file of secrets, nothing."""
    off = settings(tmp_path, {"pg": SinkSettings(url_env="NOT_SET")}, enabled=False)
    assert [] == check_sinks(off, {})
    assert [] == asked


def test_another_process_looks_at_all_others(tmp_path: Path) -> None:
    """A server that is not there, and a directory; the URL comes from the environment, and no sentence shows it."""
    chosen = settings(
        tmp_path,
        {"pg": SinkSettings(url_env="PLACE"), "files": SinkSettings(url=f"delta+file://{tmp_path}/there")},
    )
    found = {one.place.name: one for one in check_sinks(chosen, {**os.environ, "PLACE": CLOSED})}
    assert CLOSED == found["pg"].place.url
    assert "127.0.0.1" in found["pg"].error
    assert SECRET not in repr(found) + found["pg"].error + found["pg"].address
    assert (False, "", False) == (found["pg"].refused, found["files"].error, found["files"].refused)
    assert not (tmp_path / "there").exists()


def test_the_libraries_of_storage_are_not_loaded_for_it(tmp_path: Path) -> None:
    """Neither by the modules nor by a question: the node's process stays as small as it is."""
    code = f"""
import os, sys
from pathlib import Path
import livestack.node.app
from livestack.node.sink_check import check_sinks, known_sinks
from livestack.records_settings import RecordsSettings, SinkSettings
from livestack.settings import Settings
sinks = {{"pg": SinkSettings(url_env="PLACE"), "local": SinkSettings()}}
chosen = Settings(venues={{}}, data_dir={str(tmp_path)!r}, records=RecordsSettings(sinks=sinks))
known, found = known_sinks(chosen, os.environ), check_sinks(chosen, os.environ)
assert [one.place for one in known] == [one.place for one in found]
assert ["pg", "local"] == [one.place.name for one in found], found
print([name for name in ("psycopg", "deltalake", "pyarrow") if name in sys.modules])
"""
    environment = {**os.environ, "PLACE": CLOSED, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "[]\n" == done.stdout, done.stderr


def test_every_fault_of_the_settings_is_told_at_once(tmp_path: Path) -> None:
    """Under its key, and without what may be a password."""
    chosen = settings(
        tmp_path, {"pg": SinkSettings(url_env="PLACE"), "bucket": SinkSettings(url="s3://bucket")}
    )
    with pytest.raises(ConfigurationError) as caught:
        check_sinks(chosen, {**os.environ, "PLACE": f"mysql://someone:{SECRET}@db/records"})
    assert {"records.sinks.pg.url_env", "records.sinks.bucket.url"} == {key for key, _ in caught.value.faults}
    assert SECRET not in str(caught.value)


def test_without_an_answer_all_sinks_are_away(tmp_path: Path, asked: list[object]) -> None:
    """A machine that starts no process keeps no resumed session from going on."""
    found = check_sinks(settings(tmp_path, {"pg": SinkSettings(url_env="PLACE")}), {"PLACE": CLOSED})
    assert [("pg", "there is no process", False)] == [
        (one.place.name, one.error, one.refused) for one in found
    ]
    assert 1 == len(asked)


def test_a_process_that_dies_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exit code is the cause, or why there was none."""
    monkeypatch.setattr(module.sys, "executable", "/bin/false")
    answer, cause = module._ask(Question({}, ""), os.environ)
    assert (None, True) == (answer, "exit code 1" in cause)
    monkeypatch.setattr(module.sys, "executable", "/nowhere/python")
    answer, cause = module._ask(Question({}, ""), os.environ)
    assert (None, True) == (answer, "cannot be started" in cause)


def test_what_is_wrong_with_a_sink_is_told_by_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is away, one that refuses, one whose library fails in its own way, one that says nothing."""
    failures: dict[str, Exception | None] = {
        "away": SinkUnavailableError("a place", "no route"),
        "refusing": SinkRefusedError("a place", "no rights", "grant them"),
        "odd": RuntimeError(SECRET),
        "good": None,
    }

    def check(place: SinkPlace, _environment: object) -> Exception | None:
        failure = failures[place.name]
        if isinstance(failure, RuntimeError):
            raise failure
        return failure

    monkeypatch.setattr(module, "check_place", check)
    sinks = {name: SinkSettings(url=f"delta+file:///{name}") for name in failures}
    found = {one.place.name: one for one in look(Question(sinks, str(tmp_path)), {}).sinks}
    assert ("a place: no route", False) == (found["away"].error, found["away"].refused)
    assert ("a place: no rights; grant them", True) == (found["refusing"].error, found["refusing"].refused)
    assert ("Delta Lake in /odd: RuntimeError in its library", False) == (
        found["odd"].error, found["odd"].refused,
    )  # fmt: skip
    assert "" == found["good"].error


def test_a_sink_that_does_not_answer_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others' answers are there all the same."""
    waiting = module.threading.Event()
    monkeypatch.setattr(module, "check_place", lambda place, _: waiting.wait() and None)
    found = look(Question({"x": SinkSettings(url="delta+file:///x")}, str(tmp_path)), {}, timeout_s=0.0)
    waiting.set()
    assert ["Delta Lake in /x: it did not answer within 0 s"] == [one.error for one in found.sinks]


def test_a_new_session_does_not_begin_without_its_sinks() -> None:
    """Exit code 3 and what would be right; one that needs somebody has exit code 2."""
    with pytest.raises(SinkUnavailableError, match=r"no route; away too; \[records\] start_without") as away:
        refuse_to_begin(
            [checked("good"), checked("a", "no route"), checked("b", "away too")],
            RecordsSettings(),
        )
    assert 3 == away.value.exit_code
    with pytest.raises(ConfigurationError, match=r"records\.sinks\.pg: no rights") as refused:
        refuse_to_begin(
            [checked("a", "no route"), checked("pg", "no rights", refused=True)],
            RecordsSettings(start_without=True),
        )
    assert 2 == refused.value.exit_code


def test_a_new_session_may_begin_without_a_sink_that_is_away() -> None:
    """Where the settings say so."""
    refuse_to_begin([checked("a", "no route")], RecordsSettings(start_without=True))


def test_question_and_answer_go_through_pipes() -> None:
    """As JSON, with everything in it."""
    answer = Answer([checked("a", "no route", True)], [("key", "sentence")])
    assert answer == msgspec.json.decode(msgspec.json.encode(answer), type=Answer)
    assert CLOSED in json.dumps(msgspec.to_builtins(answer))
