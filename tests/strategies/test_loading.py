"""Loading a strategy by its import path: typed parameters, and sentences for what is wrong."""

from __future__ import annotations

import pytest

from livestack.exceptions import ConfigurationError
from livestack.strategies.loading import load_strategy, strategy_source
from livestack.strategies.market_maker import MarketMaker


def test_parameters_are_typed() -> None:
    """Plain data becomes the strategy's own Parameters struct."""
    made = load_strategy("livestack.strategies.market_maker:MarketMaker", {"qty": "1", "inventory_max": "5"})
    assert isinstance(made, MarketMaker)
    assert ("1", 5) == (made.parameters.qty, made.parameters.half_spread_bps)


def test_every_parameter_fault_is_told() -> None:
    """Missing, misspelt and mistyped ones, with their keys."""
    with pytest.raises(ConfigurationError) as caught:
        load_strategy("livestack.strategies.market_maker:MarketMaker", {"qty": 1, "half_spread": 3})
    assert [
        "strategy.parameters.qty",
        "strategy.parameters.half_spread",
        "strategy.parameters.inventory_max",
    ] == [key for key, _ in caught.value.faults]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nothing", "module:Class"),
        ("no.such.module:X", "cannot be imported"),
        ("livestack.strategies.market_maker:Nobody", "no Strategy called"),
        ("livestack.strategies.market_maker:Parameters", "no Strategy called"),
    ],
)
def test_what_is_no_strategy(path: str, sentence: str) -> None:
    """The fault is at ``strategy.path`` and says what is wrong."""
    with pytest.raises(ConfigurationError, match=sentence):
        load_strategy(path, {})


def test_source_is_the_module_text() -> None:
    """What is archived with a session is the whole module."""
    assert "class MarketMaker(Strategy)" in strategy_source("livestack.strategies.market_maker:MarketMaker")
