"""Configuration: round trip, digest, patches as a whole or not at all."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import msgspec
import pytest

from livestack.core import events
from livestack.core.configuration import PATCH_DEPTH_MAX, PATCH_TEXT_MAX, Configuration, split_key
from livestack.exceptions import ConfigurationError
from tests.core.support import INSTRUMENT, Bench, command, configuration


def test_plain_data_makes_the_same_configuration() -> None:
    """What is written to a journal's header comes back equal, digest included."""
    one = configuration(risk={"max_position": "1.5"}, execution={"max_queue_age": "3s"})
    again = Configuration.from_plain(one.plain())
    assert (one, one.digest()) == (again, again.digest())


def test_digest_is_of_the_content() -> None:
    """Another content, another digest; the version is no content, nor is the order of keys."""
    one, other = configuration(), configuration(risk={"max_open_orders": 3})
    assert one.digest() != other.digest()
    back = one.patched((("risk.defaults.max_open_orders", "3"),))
    assert (other.digest(), 2) == (back.digest(), back.version)


def test_every_fault_is_raised_at_once() -> None:
    """The exception carries all faults with their keys."""
    data = {"strategy": {}, "risk": {"defaults": {"max_order_qty": 1}}, "kil": {}}
    with pytest.raises(ConfigurationError) as caught:
        Configuration.from_plain(data, "x.toml")
    assert ["strategy.path", "risk.defaults.max_order_qty", "kil"] == [key for key, _ in caught.value.faults]


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "A", "interval": "1s", "limit": 5, "cancel_reserve": 5},
        {"kind": "A", "interval": "1s", "limit": 5, "guard_band": "1s"},
        {"kind": "A", "interval": "1s", "limit": 50_000, "aligned": False, "guard_band": "1ms"},
        {"kind": "A", "interval": "0s", "limit": 5, "guard_band": "0s"},
    ],
)
def test_impossible_rate_limits_are_refused(rule: dict[str, Any]) -> None:
    """Reserves, guard bands and sliding windows have to make sense."""
    with pytest.raises(ConfigurationError):
        configuration(rate_limits=[rule])


def test_patch_is_applied_as_a_whole_or_not_at_all() -> None:
    """One wrong key of three changes nothing, and every wrong one is named."""
    one = configuration()
    patch = (
        ("risk.defaults.max_open_orders", "7"),
        ("risk.defaults.max_open_order", "7"),
        ("strategy.path", '"other:One"'),
        ("execution.max_queue_age", "not json"),
    )
    with pytest.raises(ConfigurationError) as caught:
        one.patched(patch)
    assert {"risk.defaults.max_open_order", "strategy.path", "execution.max_queue_age"} == {
        key for key, _ in caught.value.faults
    }
    changed = one.patched(patch[:1])
    assert (7, "unlimited") == (changed.risk.defaults.max_open_orders, one.risk.defaults.max_open_orders)


def test_patch_reaches_quoted_keys_and_removes_with_null() -> None:
    """An instrument's override is set by its quoted name, and taken back with null."""
    key = 'risk.instrument."sim:BTCUSDT".max_order_qty'
    one = configuration().patched(((key, '"0.5"'),))
    assert "0.5" == one.risk.instrument["sim:BTCUSDT"].max_order_qty
    assert one.patched(((key, "null"),)).risk.instrument["sim:BTCUSDT"].max_order_qty is None


@pytest.mark.parametrize("key", ["", "a..b", 'a."b', 'a."b"c', "."])
def test_what_is_no_key(key: str) -> None:
    """Open quotes and empty parts are refused."""
    with pytest.raises(ValueError, match="dotted key"):
        split_key(key)


@pytest.mark.parametrize("bad", [("strategy.path", '"a:B"'), ("risk..x", "1"), ("risk.defaults.trade", "{")])
def test_a_patch_with_one_bad_key_changes_nothing(bad: tuple[str, str]) -> None:
    """What needs a restart or cannot be read refuses the whole patch, whatever else is in it."""
    with pytest.raises(ConfigurationError, match=bad[0]):
        configuration().patched((bad, ("risk.defaults.trade", "false")))


def every_table(value: Any) -> list[dict[str, Any]]:
    """Every dict at any depth of a Configuration."""
    if isinstance(value, msgspec.Struct):
        return [table for name in value.__struct_fields__ for table in every_table(getattr(value, name))]
    if isinstance(value, dict):
        return [value, *(table for item in value.values() for table in every_table(item))]
    return [table for item in value for table in every_table(item)] if isinstance(value, tuple | list) else []


def test_no_table_of_it_can_be_written() -> None:
    """Neither a written table nor an empty default, at any depth, by any method; nothing in it is a list."""
    parameters = {"a": {"b": [{"c": 1}]}}
    one = configuration(
        {"max_session_loss": {"USDT": "5"}}, strategy={"path": "x:Y", "parameters": parameters}
    )
    tables = every_table(one)
    assert 8 == len(tables)
    for table in tables:
        before = dict(table)
        for write in (
            lambda table: table.__setitem__("x", 1),
            lambda table: table.__delitem__("x"),
            lambda table: table.__ior__({"x": 1}),
            lambda table: table.update(x=1),
            lambda table: table.setdefault("x", 1),
            lambda table: table.pop("x", None),
            lambda table: table.popitem(),
            lambda table: table.clear(),
        ):
            with pytest.raises(TypeError, match="cannot be written"):
                write(table)
        assert before == table
    assert ({"c": 1},) == one.strategy.parameters["a"]["b"]  # type: ignore[index]
    parameters["a"] = {}
    assert {"a": {"b": ({"c": 1},)}} == one.strategy.parameters


def test_a_closed_table_can_be_copied() -> None:
    """Other processes and copies get an equal Configuration."""
    one = configuration({"max_session_loss": {"USDT": "5"}})
    assert (one, one) == (copy.deepcopy(one), pickle.loads(pickle.dumps(one)))


def test_content_decides_and_not_the_order_of_tables() -> None:
    """Two files that differ in the order of their tables have one digest, and lead to one State."""
    plain = configuration().plain()
    rules = plain["execution"]["venue"]["sim"]  # type: ignore[index]
    seen = []
    for order in (("sim", "other"), ("other", "sim")):
        plain["execution"]["venue"] = dict.fromkeys(order, rules)  # type: ignore[index]
        one = Configuration.from_plain(plain)
        bench = Bench(one).start()
        bench.feed(events.SessionResumed(epoch="BBBBBBBBB", wall_ns=0))
        seen.append((list(one.execution.venue), one.digest(), bench.state.digest()))
    assert seen[0] == seen[1]
    assert ["other", "sim"] == seen[0][0]


@pytest.mark.parametrize("key", ["risk.defaults.max_order_qty", '"risk".defaults.max_order_qty'])
def test_a_changed_risk_limit_withdraws_what_waits(key: str) -> None:
    """However its key is written."""
    bench = Bench(configuration(rate_limits=[{"kind": "ORDERS", "interval": "10s", "limit": 1}])).start()
    bench.buy(1)
    bench.buy(10, 9_980)
    assert 1 == len(bench.execution.queue.pending)
    bench.feed(command(events.SetConfiguration(((key, '"0.001"'),)), 1))
    assert {} == bench.execution.queue.pending


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("risk.defaults.trade", "[" * 100_000, f"at most {PATCH_TEXT_MAX} characters"),
        ("risk.defaults.trade", "[" * (PATCH_DEPTH_MAX + 1), f"nested at most {PATCH_DEPTH_MAX} deep"),
        ("risk.defaults.trade", '{"a":' * PATCH_TEXT_MAX, "at most"),
        ("risk." + "a." * PATCH_TEXT_MAX + "b", "1", f"at most {PATCH_TEXT_MAX} characters"),
        ("risk.defaults.trade", "9" * PATCH_TEXT_MAX, "true or false"),
        ("risk.defaults.trade", '"\\ud800"', "lone surrogates"),
        ("risk.defaults.trade", '"\ud800"', "lone surrogates"),
        ("risk.defaults.\ud800", "true", "lone surrogates"),
        ('risk.instrument."\ud800".trade', "true", "lone surrogates"),
        ("valuation.fee_marks.BNB", '"\\ud800"', "lone surrogates"),
        ("valuation.fee_marks", '{"\\ud800": "sim:X"}', "lone surrogates"),
    ],
)
def test_a_patch_that_cannot_be_held_is_refused_in_a_sentence(key: str, value: str, sentence: str) -> None:
    """Too long, too deep or no text: the command is refused, and what says so can be encoded."""
    bench = Bench().start()
    digest = bench.state.configuration.digest()
    step = bench.feed(command(events.SetConfiguration(((key, value),)), 1))
    (refused,) = step.derived
    assert isinstance(refused, events.CommandRefused)
    assert sentence in refused.reason
    assert len(refused.reason) < 3 * PATCH_TEXT_MAX
    msgspec.msgpack.encode(refused)
    assert digest == bench.state.configuration.digest()


def test_a_patch_as_long_as_a_live_key_needs_is_taken() -> None:
    """A venue's whole list of rate limits, escapes of whole characters included."""
    rules = "[" + ",".join(['{"kind":"\\ud83d\\ude00","interval":"10s","limit":5}'] * 25) + "]"
    changed = configuration().patched((("execution.venue.sim.rate_limits", rules),))
    assert 25 == len(changed.execution.venue["sim"].rate_limits)
    assert INSTRUMENT not in changed.risk.instrument
