"""Before a new session begins: whether records can be kept where the settings say, asked by a process of its own.

Libraries of storage are large; the node's process never loads them. The default place, below the data directory, needs
no question while nothing is in it: who can write a journal there can write records. For a session that is resumed no
sink is asked: orders may be open at a venue, and records have time. Secrets go through pipes, never onto a command
line. Main thread of the node; :func:`look` is the other process's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import structlog

from livestack.exceptions import ConfigurationError, SinkError, SinkRefusedError, SinkUnavailableError
from livestack.node.child_process import child_environment
from livestack.records_settings import RecordsSettings, SinkSettings
from livestack.settings import Settings
from livestack.storage.place import SinkPlace, check_place, sink_places
from livestack.storage.urls import locate

LOOK_TIMEOUT_S = 20.0
"""For all sinks at once. A server that takes longer to say who it is takes too long for a fill a second, too."""

ASK_TIMEOUT_S = 60.0
"""For the process that asks: it ends by itself long before."""

ADVICE = "[records] start_without = true begins a session all the same, enabled = false one without records"


class Question(msgspec.Struct, frozen=True):
    """What the other process is to look at; relative paths are not resolved there. Without ``ask`` it only says where
    sinks are, which takes no time."""

    sinks: dict[str, SinkSettings]
    data_dir: str
    ask: bool = True


class CheckedSink(msgspec.Struct, frozen=True):
    """A place and what is wrong with it now, in a sentence without secrets; '': nothing. ``refused``: until somebody
    changes something. ``address`` is the place without secrets."""

    place: SinkPlace
    address: str
    error: str = ""
    refused: bool = False


class Answer(msgspec.Struct, frozen=True):
    """``faults`` of the settings, with their keys; then there are no ``sinks``."""

    sinks: list[CheckedSink]
    faults: list[tuple[str, str]] = []


_question_decoder = msgspec.json.Decoder(Question)
_answer_decoder = msgspec.json.Decoder(Answer)


def known_sinks(settings: Settings, environment: Mapping[str, str]) -> list[CheckedSink]:
    """Every sink in use, and nobody is asked how it is. ``ConfigurationError`` as of :func:`check_sinks`."""
    return _sinks(settings, environment, ask=False)


def check_sinks(settings: Settings, environment: Mapping[str, str]) -> list[CheckedSink]:
    """Every sink in use. ``ConfigurationError`` holds every fault of what the settings say of them."""
    return _sinks(settings, environment, ask=True)


def _sinks(settings: Settings, environment: Mapping[str, str], *, ask: bool) -> list[CheckedSink]:
    """An address alone needs the other process, too: what reads one of PostgreSQL is libpq."""
    in_use, data_dir = settings.records.in_use, Path(settings.data_dir)
    if not in_use:
        return []
    if all(sink.url is None and sink.url_env is None for sink in in_use.values()):
        places = sink_places(settings.records, data_dir, environment)
        if not ask or all(map(_is_untouched, places)):
            return [CheckedSink(place, place.address) for place in places]
    secrets = {name for venue in settings.venues.values() for name in venue.secret_variables}
    question = Question(in_use, str(data_dir.absolute()), ask)
    answer, cause = _ask(question, child_environment(environment, secrets))
    if answer is None:
        places = sink_places(settings.records, data_dir, environment)
        return [CheckedSink(place, place.address, cause) for place in places]
    if answer.faults:
        raise ConfigurationError(answer.faults, "records")
    return answer.sinks


def _is_untouched(place: SinkPlace) -> bool:
    """Whether there is nothing yet in the directory ``place``."""
    try:
        return not any(Path(locate(place.url).root).iterdir())
    except FileNotFoundError:
        return True
    except OSError:
        return False  # the other process says what is wrong with it


def refuse_to_begin(sinks: list[CheckedSink], records: RecordsSettings) -> None:
    """Errors for a sink without which no new session begins.

    ``ConfigurationError``: somebody has to change something. ``SinkUnavailableError``: it may work later.
    """
    log = structlog.get_logger("shipper")
    for sink in sinks:
        if sink.error:
            log.warning("sink_not_ready", sink=sink.place.name, cause=sink.error)
    if faults := [(f"records.sinks.{one.place.name}", one.error) for one in sinks if one.refused]:
        raise ConfigurationError(faults, "records")
    away = [one for one in sinks if one.error]
    if away and not records.start_without:
        raise SinkUnavailableError("records", "; ".join(one.error for one in away), ADVICE)


def _ask(question: Question, environment: Mapping[str, str]) -> tuple[Answer | None, str]:
    """The answer; or why there is none."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "livestack.node.sink_check"],
            input=msgspec.json.encode(question),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries of storage talk there as they please
            env=environment,
            timeout=ASK_TIMEOUT_S,
            check=False,
        )
        return _answer_decoder.decode(done.stdout), ""
    except msgspec.MsgspecError:
        return None, f"the process that asks the sinks ended with exit code {done.returncode}"
    except subprocess.TimeoutExpired:
        return None, f"the process that asks the sinks did not end within {ASK_TIMEOUT_S:g} s"
    except OSError as error:
        return None, f"the process that asks the sinks cannot be started: {error.strerror}"


def look(question: Question, environment: Mapping[str, str], timeout_s: float = LOOK_TIMEOUT_S) -> Answer:
    """What is wrong with each sink, all of them asked at once. Threads may stay behind: the process ends anyhow."""
    try:
        places = sink_places(RecordsSettings(sinks=question.sinks), Path(question.data_dir), environment)
    except ConfigurationError as error:
        return Answer([], list(error.faults))
    if not question.ask:
        return Answer([CheckedSink(place, place.address) for place in places])
    late = f"it did not answer within {timeout_s:g} s"
    found = [CheckedSink(place, place.address, f"{place.address}: {late}") for place in places]

    def check(place: int) -> None:
        found[place] = _checked(places[place], environment)

    threads = [threading.Thread(target=check, args=(one,), daemon=True) for one in range(len(places))]
    for thread in threads:
        thread.start()
    deadline_s = time.monotonic() + timeout_s
    for thread in threads:
        thread.join(max(deadline_s - time.monotonic(), 0))
    return Answer(list(found))


def _checked(place: SinkPlace, environment: Mapping[str, str]) -> CheckedSink:
    error: SinkError | None
    try:
        error = check_place(place, environment)
    except Exception as failure:  # noqa: BLE001 - a library's own: its words may hold anything
        return CheckedSink(place, place.address, f"{place.address}: {type(failure).__name__} in its library")
    if error is None:
        return CheckedSink(place, place.address)
    return CheckedSink(place, place.address, str(error), isinstance(error, SinkRefusedError))


if __name__ == "__main__":
    sys.stdout.buffer.write(
        msgspec.json.encode(look(_question_decoder.decode(sys.stdin.buffer.read()), os.environ))
    )
    sys.stdout.buffer.flush()
    os._exit(0)  # whatever threads of libraries are at
