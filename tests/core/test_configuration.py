"""Configuration: round trip, digest, patches as a whole or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from livestack.core.configuration import Configuration, split_key
from livestack.exceptions import ConfigurationError
from tests.core.support import configuration


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
