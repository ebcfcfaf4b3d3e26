"""Versions of the Configuration: differences, the way back, and names that the session does not have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.core import events
from livestack.core.configuration import Configuration
from livestack.core.versions import VERSIONS_MAX, EarlierVersion, difference, unknown_names, way_back
from tests.core import support
from tests.core.support import Bench, command, configuration

LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "trade": st.booleans(),
        "max_open_orders": st.sampled_from([1, 2, "unlimited"]),
        "max_order_qty": st.sampled_from(["1", "1.0", "unlimited"]),
        "max_session_loss": st.sampled_from(
            ["unlimited", {"USDT": "5"}, {"USDT": "5", "B.C": "1"}, {'q"': "1"}]
        ),
    },
)
NAMES = st.sampled_from(["sim:A", "sim:B.C", 'sim:q"uote', "plain"])
CONTENTS = st.builds(
    lambda defaults, instruments, order, limits, marks: (
        configuration(
            risk=defaults,
            execution={
                "order": order,
                "venue": {"sim": {"rate_limits": limits}},
            },
            valuation={"fee_marks": marks},
        ).plain()
        | {"risk": {"defaults": defaults, "instrument": instruments}}
    ),
    LIMITS,
    st.dictionaries(NAMES, LIMITS, max_size=3),
    st.permutations(["cancel", "replace", "new"]),
    st.lists(st.sampled_from([support.WIDE_RATE, {**support.WIDE_RATE, "limit": 5}]), max_size=2),
    st.dictionaries(NAMES, NAMES, max_size=2),
)


@given(st.lists(CONTENTS, min_size=2, max_size=5))
def test_from_every_version_back_to_every_other(contents: list[dict[str, Any]]) -> None:
    """The patch is valid, has the old digest, and is empty where nothing differs."""
    versions = [Configuration.from_plain(contents[0])]
    earlier: dict[int, EarlierVersion] = {}
    for content in contents[1:]:
        before = versions[-1]
        after = before.patched(difference(before, Configuration.from_plain(content)))
        earlier[before.version] = EarlierVersion(before.digest(), difference(after, before))
        versions.append(after)
    active = versions[-1]
    for one in versions[:-1]:
        patch = way_back(active, earlier, one.version)
        assert one.digest() == earlier[one.version].digest == active.patched(patch).digest()
        assert (one.digest() == active.digest()) is (patch == ())


def test_a_difference_is_as_small_as_the_change() -> None:
    """The keys that differ, and a table that is new or gone as a whole."""
    before = configuration(risk={"max_open_orders": 1, "max_position": None})
    patch = (
        ("risk.defaults.max_open_orders", "2"),
        ("risk.defaults.max_position", '"unlimited"'),
        ('risk.instrument."sim:A".trade', "false"),
    )
    after = before.patched(patch)
    assert (
        ("risk.defaults.max_open_orders", "2"),
        ("risk.defaults.max_position", '"unlimited"'),
        ('risk.instrument."sim:A"', '{"trade":false}'),
    ) == difference(before, after)
    assert (
        ("risk.defaults.max_open_orders", "1"),
        ("risk.defaults.max_position", "null"),
        ('risk.instrument."sim:A"', "null"),
    ) == tuple(sorted(difference(after, before)))


def test_only_so_many_versions_are_remembered() -> None:
    """The oldest goes first; the oldest that is left can be rolled back to."""
    bench = Bench().start()
    digests = {}
    for limit in range(1, VERSIONS_MAX + 3):
        digests[bench.state.configuration.version] = bench.state.configuration.digest()
        bench.feed(command(events.SetConfiguration((("risk.defaults.max_open_orders", str(limit)),))))
    earlier = bench.state.control.earlier
    assert list(range(3, VERSIONS_MAX + 3)) == list(earlier)
    assert [digests[one] for one in earlier] == [one.digest for one in earlier.values()]
    assert ["CommandRefused"] == bench.names(bench.feed(command(events.RollBackConfiguration(2))))
    bench.feed(command(events.RollBackConfiguration(3)))
    assert digests[3] == bench.state.configuration.digest()


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ('risk.instrument."sim:X".trade', False, 'risk.instrument."sim:X"'),
        ("risk.instrument", {"sim:X": {}}, 'risk.instrument."sim:X"'),
        ("risk.venue.smi.trade", False, "risk.venue.smi"),
        ("execution.venue.smi.rate_limits", [], "execution.venue.smi"),
        ("decisions.instruments", ["sim:BTCUSDT", "sim:X"], "decisions.instruments"),
        ("valuation.fee_marks.BNB", "sim:X", "valuation.fee_marks.BNB"),
        ("risk.defaults.max_session_loss", {"USDT": "1", "USTD": "1"}, "risk.defaults.max_session_loss.USTD"),
        ("risk.defaults.max_session_loss.USTD", "1", "risk.defaults.max_session_loss.USTD"),
        ("risk.venue.sim.max_order_notional", {"EUR": "1"}, "risk.venue.sim.max_order_notional.EUR"),
        (
            'risk.instrument."sim:BTCUSDT".max_order_notional',
            {"EUR": "1"},
            'risk.instrument."sim:BTCUSDT".max_order_notional.EUR',
        ),
    ],
)
def test_what_the_session_does_not_have_is_named(key: str, value: object, fault: str) -> None:
    """Wherever a change may name it."""
    before = configuration(risk={"max_session_loss": {"USDT": "5"}})
    after = before.patched(((key, json.dumps(value)),))
    assert [fault] == [where for where, _ in unknown_names(before, after, [support.definition()])]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ('risk.instrument."sim:BTCUSDT".trade', False),
        ("risk.venue.sim.trade", False),
        ("execution.venue.sim.rate_limits", []),
        ("decisions.instruments", ["sim:BTCUSDT", "sim:OLD"]),
        ("valuation.fee_marks.BNB", "sim:BTCUSDT"),
        ("valuation.fee_marks.OLD", "sim:OLD"),
        ("risk.defaults.max_session_loss.USDT", "1"),
        ("risk.defaults.max_session_loss.OLD", None),
        ('risk.instrument."sim:OLD"', None),
        ("kill.cancel_open_orders", False),
    ],
)
def test_what_was_there_may_stay_or_go(key: str, value: object) -> None:
    """Names of the session are good, and so are others that the file had, as long as they are left alone."""
    before = configuration(
        risk={"max_session_loss": {"USDT": "5", "OLD": "1"}},
        decisions={"instruments": ["sim:OLD"]},
        valuation={"fee_marks": {"OLD": "sim:OLD"}},
    ).patched((('risk.instrument."sim:OLD".trade', "true"),))
    after = before.patched(((key, json.dumps(value)),))
    assert [] == unknown_names(before, after, [support.definition()])


def test_an_old_name_cannot_be_changed() -> None:
    """Its limit would still limit nothing."""
    before = configuration().patched((('risk.instrument."sim:OLD".trade', "true"),))
    after = before.patched((('risk.instrument."sim:OLD".trade', "false"),))
    ((where, sentence),) = unknown_names(before, after, [support.definition()])
    assert 'risk.instrument."sim:OLD"' == where
    assert "sim:OLD is no instrument of this session; known: sim:BTCUSDT" == sentence
