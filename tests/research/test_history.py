"""Histories from journals, and what is said of those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from livestack.core.events import FeedStatusChanged, InputEvent, QuoteTick
from livestack.exceptions import UsageError
from livestack.research.capture import CaptureHistory
from livestack.research.history import JournalHistory, Wanted, open_history
from livestack.research.synthetic import SyntheticHistory
from livestack.settings import Settings, inspect
from tests.live import configuration
from tests.live.strategies import market_maker
from tests.research.sessions import (
    BTCUSDT,
    CLOSING,
    INSTRUMENT,
    WALL_NS,
    header,
    opening,
    quotes,
    record,
    rules,
    store,
)
from tests.support import BINANCE_CAPTURE
from tests.venues.binance_spot.capture import needs_capture


def settings_for(directory: Path, *symbols: str) -> Settings:
    return inspect(configuration.write(directory, list(symbols), market_maker(symbols[0])))[0]


def stored(directory: Path, events: list[InputEvent]) -> Settings:
    """A data directory with one session of these Events."""
    configured = rules(directory)
    store(directory, header("s", configured), record(configured, events))
    return settings_for(directory, "BTCUSDT")


def open_journal(directory: Path, settings: Settings, events: str = "latest") -> JournalHistory:
    history = open_history(Wanted(events, directory), settings)
    assert isinstance(history, JournalHistory)
    return history


@pytest.mark.parametrize("name", ["latest", "s", "PATH"])
def test_a_journal_gives_its_market_data(tmp_path: Path, name: str) -> None:
    """Quotes and feed states with their times, by name or by path; nothing that was decided, nothing of the account."""
    settings = stored(tmp_path, [*opening("s"), *quotes(20), *CLOSING])
    path = str(tmp_path / "sessions" / "s")
    history = open_journal(tmp_path, settings, path if name == "PATH" else name)
    items = list(history.items())
    assert [FeedStatusChanged] + [QuoteTick] * 20 == [type(item) for _, item in items]
    assert [WALL_NS + number * 1_000_000 for number in range(4, 25)] == [ts for ts, _ in items]
    assert (BTCUSDT,) == history.instruments
    assert (items[0][0], True) == (history.start_ns, history.end_ns >= items[-1][0])
    assert history.baseline is not None
    assert ["BTC", "USDT"] == [one.asset for one in history.baseline.balances]
    history.close()


def test_instruments_that_the_file_does_not_name_are_left_out(tmp_path: Path) -> None:
    """Their Events too; the Core never hears of them."""
    other = msgspec.structs.replace(BTCUSDT, instrument="binance_spot:OTHER", symbol="OTHER")
    foreign = msgspec.structs.replace(quotes(1)[0], instrument=other.instrument)  # type: ignore[type-var]
    first, *rest = opening("s")
    settings = stored(tmp_path, [first, other, *rest, *quotes(3), foreign, *CLOSING])
    history = open_journal(tmp_path, settings)
    assert [INSTRUMENT] == [one.instrument for one in history.instruments]
    assert {"", INSTRUMENT} >= {getattr(item, "instrument", "") for _, item in history.items()}
    history.close()


def test_a_journal_without_market_data_is_refused(tmp_path: Path) -> None:
    """With its name."""
    settings = stored(tmp_path, [*opening("s"), *CLOSING])
    with pytest.raises(UsageError, match="session s holds no market data"):
        open_history(Wanted("latest", tmp_path), settings)


def test_symbols_that_are_not_there_are_named(tmp_path: Path) -> None:
    """A journal, and a synthetic market."""
    stored(tmp_path, [*opening("s"), *quotes(3), *CLOSING])
    settings = settings_for(tmp_path, "BTCUSDT", "NOSUCH")
    with pytest.raises(UsageError, match="does not hold binance_spot:NOSUCH"):
        open_history(Wanted("latest", tmp_path), settings)
    with pytest.raises(UsageError, match="does not have NOSUCH"):
        open_history(Wanted("synthetic", tmp_path, 1), settings)


def test_what_is_neither_is_refused(tmp_path: Path) -> None:
    """No path and no session; a directory that is neither; a synthetic market without an end; two venues."""
    settings = settings_for(tmp_path, "BTCUSDT")
    with pytest.raises(UsageError, match="nowhere is no directory, and no session"):
        open_history(Wanted("nowhere", tmp_path), settings)
    with pytest.raises(UsageError, match="neither a capture"):
        open_history(Wanted(str(tmp_path), tmp_path), settings)
    with pytest.raises(UsageError, match="--for"):
        open_history(Wanted("synthetic", tmp_path), settings)
    one = settings.venues["binance_spot"]
    two = msgspec.structs.replace(settings, venues={"a": one, "b": one})
    with pytest.raises(UsageError, match="plays one venue; the venues table names a, b"):
        open_history(Wanted("synthetic", tmp_path, 1), two)


@needs_capture
def test_the_kinds_are_told_apart(tmp_path: Path) -> None:
    """A directory in the captured format, and the word synthetic."""
    settings = settings_for(tmp_path, "NKNUSDT")
    assert isinstance(open_history(Wanted(str(BINANCE_CAPTURE), tmp_path), settings), CaptureHistory)
    synthetic = open_history(Wanted("synthetic", tmp_path, 1), settings_for(tmp_path, "BTCUSDT"))
    assert isinstance(synthetic, SyntheticHistory)
