"""One order's whole story."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from livestack.core.events import IntentDispatched
from livestack.journal.reader import JournalReader
from livestack.research import story
from livestack.research.lookup import at_seq, look_up
from livestack.research.story import Step, tell
from tests.research.orders import MILLISECOND, answers, denied, filled, held_back
from tests.research.sessions import (
    CLOSING,
    WALL_NS,
    header,
    keep_snapshots,
    opening,
    record,
    rules,
    store,
    store_segments,
)


def told(directory: Path, text: str = "", seq: int = 0) -> list[Step]:
    with JournalReader.open(directory / "sessions", "s") as reader:
        return tell(reader, at_seq(reader, seq) if seq else look_up(reader, text))


def test_a_filled_order_from_the_market_to_its_end(tmp_path: Path) -> None:
    """What the strategy saw and wanted, that all rules allowed it, when it left, what the venue answered."""
    filled(tmp_path)
    steps = told(tmp_path, "1")
    assert ["market", "intent", "rules", "dispatch", "sent", "answer", "fill", "state"] == [
        one.step for one in steps
    ]
    market, intent, rules_asked, dispatch, sent, accepted, fill, state = steps
    assert ("50000", "50001", False, "LIVE", 5 * MILLISECOND) == tuple(
        market.details[name] for name in ("bid", "ask", "book_valid", "feed", "age_ns")
    )
    assert "the strategy wants a new order: buy 0.01 BTC of binance_spot:BTCUSDT at 49995.5" in intent.text
    assert "allowed by every rule (25 asked)" == rules_asked.text
    assert 25 == len(rules_asked.details["verdicts"])
    assert 0 == dispatch.details["queued_ns"]
    assert (800_000, 200_000) == (sent.details["to_gate_ns"], sent.details["write_ns"])
    assert 2 * MILLISECOND == accepted.details["after_sending_ns"]
    assert fill.text.startswith("0.01 BTC at 49995.5 as maker, fee 0.0025 USDT")
    assert "filled, 0.01 BTC of 0.01 BTC filled at 49995.5 on average" == state.text
    assert [0, 0, 0, 0, 1, 3, 4, 4] == [one.after_ns // MILLISECOND for one in steps]
    assert WALL_NS + 5 * MILLISECOND == steps[0].ts


def test_how_long_it_waited_and_on_which_gate(tmp_path: Path) -> None:
    """A rate limit held it back; the wait is the difference between its admission and its dispatch."""
    records = held_back(tmp_path)
    dispatched = next(
        one for one in records if isinstance(one.event, IntentDispatched) and one.event.request.order_id == 2
    )
    waited, *_ = [one for one in told(tmp_path, "2") if one.step == "waited"]
    assert isinstance(dispatched.event, IntentDispatched)
    expected = dispatched.ts - dispatched.event.admitted_ts
    assert ("rate", expected) == (waited.details["gate"], waited.details["waited_ns"])
    assert expected > 0
    assert "rate limits" in waited.text


def test_a_denied_intent_names_the_rule_and_its_figure(tmp_path: Path) -> None:
    """By its position: every rule's word, the one that objected with its number against its limit."""
    denied(tmp_path)
    steps = told(tmp_path, seq=8)
    assert ["market", "intent", "rules", "denied"] == [one.step for one in steps]
    verdicts = {one["rule"]: one for one in steps[2].details["verdicts"]}
    assert (False, "0.01 BTC", "0.005 BTC") == tuple(
        verdicts["max_position"][name] for name in ("allowed", "figure", "limit")
    )
    assert ["max_position"] == [name for name, one in verdicts.items() if not one["allowed"]]
    assert "sell" in steps[1].text


def test_from_a_snapshot_it_is_the_same_story(tmp_path: Path) -> None:
    """Also where what was before the snapshot, and with it the instrument's definition, is gone."""
    for name in ("whole", "pruned"):
        (tmp_path / name).mkdir()
    settings = rules(tmp_path / "whole")
    records = record(settings, [*opening("s"), *answers(), *CLOSING])
    head = header("s", settings)
    store(tmp_path / "whole", head, records)
    segments = store_segments(tmp_path / "pruned", head, records, 3)
    keep_snapshots(tmp_path / "pruned", head, settings, records, [4])
    shutil.rmtree(segments[0])
    assert told(tmp_path / "whole", "1") == told(tmp_path / "pruned", "1")


def test_without_a_way_to_run_the_core_the_events_are_told(tmp_path: Path) -> None:
    """Pruned without a snapshot, or written under other semantics: it is said why the rest is missing."""
    records = filled(tmp_path)
    head = header("s", rules(tmp_path))
    shutil.rmtree(tmp_path / "sessions")
    segments = store_segments(tmp_path, head, records, 3)
    shutil.rmtree(segments[0])
    steps = told(tmp_path, "1")
    assert ["not run again", "dispatch", "sent", "answer", "fill"] == [one.step for one in steps]
    shutil.rmtree(tmp_path / "sessions")
    store(tmp_path, header("s", rules(tmp_path), semantics_version=0), records)
    assert "other semantics" in told(tmp_path, "1")[0].text


def test_a_hole_ends_what_the_core_can_tell(tmp_path: Path) -> None:
    """What was before it is told whole, what is behind it by its Events."""
    records = filled(tmp_path)
    shutil.rmtree(tmp_path / "sessions")
    segments = store_segments(tmp_path, header("s", rules(tmp_path)), records, 3)
    shutil.rmtree(segments[2])
    steps = told(tmp_path, "1")
    assert "cannot be read on" in steps[0].text
    assert ["market", "intent", "rules", "answer", "fill"] == [one.step for one in steps[1:6]]


def test_a_story_without_an_end_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with an order that is tried for ever."""
    filled(tmp_path)
    monkeypatch.setattr(story, "STEPS_MAX", 2)
    assert 2 == sum(one.step in ("dispatch", "sent", "answer", "fill") for one in told(tmp_path, "1"))
