"""Rules of faults: read from TOML and JSON exactly, refused with a sentence for every wrong key, mixed by a seed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from livestack.exceptions import ConfigurationError
from livestack.simulator.fault_kinds import KINDS, MS, SECOND, Spread
from livestack.simulator.faults import MIXED, random_mix, read_rules, rule

ROOT = Path(__file__).resolve().parents[2]

FILE = """
[[fault]]
kind = "response_lost"
chance = 0.015
methods = ["order.place", "order.cancel"]
sides = "ws_api"
answer = ["cut", "-1007"]
after = "5s"
for = "2m"
times = 3

[[fault]]
kind = "latency"
way = "both"
delay = {median = "5ms", most = "2s"}

[[fault]]
kind = "clock_skew"
every = "10m"
offset = "-800ms"
drift = -20
lasts = "30s"
"""


def test_a_file_is_read_exactly() -> None:
    """Durations become nanoseconds and chances parts per million; a key that is not there has its default."""
    lost, latency, skew = read_rules(FILE)
    assert (15_000, 5 * SECOND, 120 * SECOND, 3) == (lost.chance, lost.after_ns, lost.for_ns, lost.times)
    assert (("order.place", "order.cancel"), ("ws_api",)) == (lost.methods, lost.sides)
    assert ("cut", "-1007") == lost.values["answer"]
    assert (1_000_000, "both") == (latency.chance, latency.text("way"))
    assert Spread(5 * MS, 2 * SECOND, tail=True) == latency.values["delay"]
    assert (600 * SECOND, -800 * MS, -20) == (skew.every_ns, skew.number("offset"), skew.number("drift"))


def test_json_says_the_same() -> None:
    """The control endpoint takes either."""
    text = '{"fault": [{"kind": "frame_dropped", "chance": 0.000001, "streams": "btcusdt@depth*"}]}'
    toml = '[[fault]]\nkind = "frame_dropped"\nchance = 0.000001\nstreams = "btcusdt@depth*"\n'
    assert read_rules(toml) == read_rules(text)
    assert 1 == read_rules(text)[0].chance


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ({"kind": "latnecy"}, "fault[1].kind", "must be one of request_lost"),
        ({}, "fault[1].kind", "must be one of"),
        ({"kind": "latency", "chance": "2"}, "fault[1].chance", "from 0 to 1"),
        ({"kind": "latency", "chance": "0.0000001"}, "fault[1].chance", "six decimals"),
        ({"kind": "latency", "chance": True}, "fault[1].chance", "from 0 to 1"),
        ({"kind": "latency", "chance": "nan"}, "fault[1].chance", "from 0 to 1"),
        ({"kind": "latency", "delay": 3}, "fault[1].delay", '"250ms"'),
        ({"kind": "latency", "delay": "3 parsecs"}, "fault[1].delay", "250ms, 30s"),
        ({"kind": "latency", "delay": ["2s", "1s"]}, "fault[1].delay", "shorter duration first"),
        ({"kind": "latency", "delay": ["2s"]}, "fault[1].delay", "two of them"),
        ({"kind": "latency", "delay": {"mean": "1s"}}, "fault[1].delay", "median and most"),
        ({"kind": "latency", "every": "1s"}, "fault[1].every", "not known for this kind"),
        ({"kind": "latency", "way": "up"}, "fault[1].way", "one of in, out, both"),
        ({"kind": "cut", "sides": "rest"}, "fault[1].sides", "one of stream, ws_api"),
        ({"kind": "cut", "sides": []}, "fault[1].sides", "a list of texts"),
        ({"kind": "cut", "times": 0}, "fault[1].times", "whole number from 1"),
        ({"kind": "cut", "times": True}, "fault[1].times", "whole number from 1"),
        ({"kind": "request_lost", "answer": "-1007"}, "fault[1].answer", "one of cut, silence"),
        ({"kind": "frame_dropped", "streams": "a b"}, "fault[1].streams", "plain names"),
        ({"kind": "frame_dropped", "methods": "x"}, "fault[1].methods", "not known for this kind"),
        ({"kind": "crossed_book", "gap": 1}, "fault[1].gap", "true or false"),
        ({"kind": "wrong_type", "field": 1}, "fault[1].field", "must be a text"),
        ({"kind": "clock_skew", "offset": 1}, "fault[1].offset", "duration in quotes"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], key: str, words: str) -> None:
    """The key, and what would be right."""
    with pytest.raises(ConfigurationError) as caught:
        rule(**{"kind": None, **keys})
    assert [key] == [place for place, _ in caught.value.faults]
    assert words in caught.value.faults[0][1]


def test_all_faults_of_a_file_are_told_at_once() -> None:
    """With the file's name; nothing of it is used."""
    with pytest.raises(ConfigurationError) as caught:
        read_rules('x = 1\n[[fault]]\nkind = "cut"\nwhich = "two"\nevery = "soon"\n', "bad.toml")
    assert ["x", "fault[1].which", "fault[1].every"] == [key for key, _ in caught.value.faults]
    assert str(caught.value).startswith("bad.toml: 3 faults")


@pytest.mark.parametrize(
    "text", ["[[fault", "{", '{"fault": 3}', "fault = [1]", "[fault]\nkind = 'cut'", "\x00"]
)
def test_what_is_no_list_of_rules_is_refused(text: str) -> None:
    """A sentence, whatever it is."""
    with pytest.raises(ConfigurationError):
        read_rules(text)


def test_a_mix_has_every_kind() -> None:
    """All but what a node cannot go on from; those only where they are asked for."""
    assert set(MIXED) == {one.kind for one in random_mix(random.Random(1))}
    assert set(KINDS) - {"wipe", "key_revoked"} == set(MIXED)
    assert {"wipe"} == {one.kind for one in random_mix(random.Random(1), kinds=("wipe",))}


def test_a_mix_is_made_by_its_seed() -> None:
    """The same seed the same rules; another one others; more intensity makes faults likelier."""
    mixed = random_mix(random.Random(3))
    assert mixed == random_mix(random.Random(3))
    assert mixed != random_mix(random.Random(4))
    usual = {one.kind: one.chance for one in random_mix(random.Random(3), 100)}
    often = {one.kind: one.chance for one in random_mix(random.Random(3), 200)}
    assert 2 * usual["disconnect"] == pytest.approx(often["disconnect"], abs=2)
    assert () == random_mix(random.Random(3), 0, kinds=("cut", "disconnect"))


def test_a_mix_keeps_to_its_symbols() -> None:
    """What halts a symbol, or trades it, chooses from those given."""
    for one in random_mix(random.Random(1), symbols=("BTCUSDT",)):
        if "symbols" in KINDS[one.kind].filters and KINDS[one.kind].occasion == "moment":
            assert ("BTCUSDT",) == one.symbols


def test_the_documents_tell_every_kind() -> None:
    """And the example that they show is one that can be read."""
    told = (ROOT / "docs" / "simulator.rst").read_text(encoding="utf-8")
    assert [] == [kind for kind in KINDS if f"``{kind}``" not in told]
    assert 10 == len(read_rules((ROOT / "etc" / "faults.toml").read_text(encoding="utf-8")))
