"""State: bounded containers, fill ids, scopes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from livestack.core import state as state_module
from livestack.core.state import ControlState, FillLedger, State
from livestack.core.strategy import NoMemory
from livestack.core.types import Side, TradingState
from tests.core.support import Bench, configuration


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(Side))), st.integers(-1, 30))
def test_a_fill_is_new_once(fills: list[tuple[int, Side]], floor: int) -> None:
    """Above the floor each id counts once for each of its sides, at or below it never."""
    ledger = FillLedger()
    ledger.raise_floor(floor)
    taken = []
    for fill_id, side in fills:
        if not ledger.is_known(fill_id, side):
            ledger.remember(fill_id, side)
            taken.append((fill_id, side))
    assert list(dict.fromkeys(one for one in fills if one[0] > floor)) == taken


def test_fill_ids_are_bounded() -> None:
    """With a host that never reconciles the oldest half goes, and stays known through the floor."""
    ledger = FillLedger()
    for fill_id in range(state_module.FILL_IDS_MAX + 1):
        assert not ledger.is_known(fill_id, Side.BUY)
        ledger.remember(fill_id, Side.BUY)
    assert state_module.FILL_IDS_MAX // 2 + 1 == len(ledger.seen)
    assert ledger.is_known(5, Side.BUY)


def test_the_strictest_trading_state_decides() -> None:
    """Of session, venue and instrument."""
    control = ControlState(trading={"": TradingState.REDUCING, "v": TradingState.HALTED})
    assert TradingState.HALTED is control.trading_state("v", "v:S")
    assert TradingState.REDUCING is control.trading_state("w", "w:S")


def test_digest_is_of_all_three_domains() -> None:
    """A quote, an order and a control change each give another digest; a snapshot comes back with the same."""
    bench = Bench().start()
    digests = [bench.state.digest()]
    bench.quote(10_001, 10_011)
    digests.append(bench.state.digest())
    bench.buy()
    digests.append(bench.state.digest())
    bench.state.control.strategy_enabled = False
    digests.append(bench.state.digest())
    assert len(digests) == len(set(digests))
    assert digests[-1] == State.restore(bench.state.snapshot(), NoMemory).digest()


def test_initial_state_knows_its_configuration() -> None:
    """Version and digest of the Configuration are part of Control State."""
    one = configuration()
    made = State.initial(one, None)
    assert (1, one.digest()) == (made.control.configuration_version, made.control.configuration_digest)
