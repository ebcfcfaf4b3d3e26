"""What every record has in common: its trace, and texts and numbers that can always be kept."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.core.state import State
from livestack.storage.record_writer import (
    RAW,
    TRACES_MAX,
    RecordWriter,
    Scales,
    decimal,
    decimal_or_none,
    int32,
    int64,
    json_text,
    safe,
    safe_or_none,
)
from livestack.wire import records_pb2 as wire
from tests.core.support import INSTRUMENT, Bench, configuration
from tests.storage.folding import ORIGIN


def writer(state: State | None = None) -> RecordWriter:
    made = RecordWriter(ORIGIN, state or State.initial(configuration(), None))
    made.begin(7, 1_000)
    return made


@given(st.text(st.characters()))
def test_any_text_can_be_kept(text: str) -> None:
    """Half pairs and NUL are replaced one for one, everything else stays, and again changes nothing."""
    kept = safe(text)
    assert kept == wire.DenialRecord.FromString(wire.DenialRecord(rule=kept).SerializeToString()).rule
    assert "\0" not in kept
    assert len(text) == len(kept)
    assert all(new in (old, "\N{REPLACEMENT CHARACTER}") for old, new in zip(text, kept, strict=True))
    assert kept == safe(kept)


def test_a_text_from_outside_is_safe() -> None:
    """What cannot be kept is shown as such; nothing at all leaves the field out."""
    assert "a\ufffdb\ufffdé😀" == safe("a\0b\ud800é😀")
    assert None is safe_or_none("")
    assert "\ufffd" == safe_or_none("\udfff")
    assert '{"a\ufffd":["\ufffd",1,null,true]}' == json_text({"a\0": ("\udc00", 1, None, True)})
    assert {"é": 2**80} == json.loads(json_text({"é": 2**80}))


@pytest.mark.parametrize("value", [0, 1, -1, 2**31 - 1, 2**63 - 1, -(2**63) + 1])
def test_a_number_that_fits_stays(value: int) -> None:
    """Numbers are never changed but where a field could not hold them."""
    assert value == int64(value)
    assert min(max(value, -(2**31) + 1), 2**31 - 1) == int32(value)


def test_a_number_too_large_is_the_largest() -> None:
    """So that a record can be made of any Event."""
    assert (2**63 - 1, -(2**63) + 1) == (int64(2**64), int64(-(2**80)))
    assert (2**31 - 1, -(2**31) + 1) == (int32(2**40), int32(-(2**40)))


def test_decimals_are_exact() -> None:
    """Any size, any scale; 0 as the word for none leaves the field out."""
    assert "-0.000000000000000001" == decimal(-1, 18)
    assert f"{10**40}.{'0' * 36}" == decimal(10**76, 36)
    assert (None, "0.01") == (decimal_or_none(0, 2), decimal_or_none(1, 2))


def test_the_trace_says_where_it_comes_from() -> None:
    """Position, time, origin and Configuration always; the rest where there is any."""
    one = writer()
    state = one.state
    one.add(wire.DenialRecord())
    one.add(wire.DenialRecord(), "sim", INSTRUMENT, 5, "AAAAAAAAA-5-1", 900)
    bare, full = (record.trace for record in one.records)  # type: ignore[attr-defined]
    assert (7, 0, 1_000, "n1", "s1") == (bare.seq, bare.ordinal, bare.ts, bare.node, bare.session)
    assert ("x:Y", "5eed") == (bare.strategy, bare.strategy_digest)
    version = state.control.configuration_version, state.control.configuration_digest
    assert version == (bare.configuration_version, bare.configuration_digest)
    optional = ("event_ns", "venue", "account", "instrument", "order_id", "request_id")
    assert not any(bare.HasField(name) for name in optional)
    assert (7, 1, 900, "sim", "main") == (full.seq, full.ordinal, full.event_ns, full.venue, full.account)
    assert (INSTRUMENT, 5, "AAAAAAAAA-5-1") == (full.instrument, full.order_id, full.request_id)
    one.begin(8, 1_001)
    assert [] == one.records


def test_a_venue_without_a_known_account_has_none() -> None:
    """An account's name is the settings'; nobody guesses it."""
    one = writer()
    one.add(wire.DenialRecord(), "elsewhere")
    assert not one.records[0].trace.HasField("account")  # type: ignore[attr-defined]


def test_the_configuration_is_that_of_the_moment() -> None:
    """Nothing prepared survives a change of the Configuration or of the origin."""
    one = writer()
    one.add(wire.DenialRecord(), "sim")
    one.state.control.configuration_version, one.state.control.configuration_digest = 2, "other"
    one.add(wire.DenialRecord(), "sim")
    one.origin = msgspec.structs.replace(ORIGIN, account_names={"sim": "renamed"}, strategy_digest="next")
    one.add(wire.DenialRecord(), "sim")
    traces = [record.trace for record in one.records]  # type: ignore[attr-defined]
    assert [1, 2, 2] == [trace.configuration_version for trace in traces]
    assert ["main", "main", "renamed"] == [trace.account for trace in traces]
    assert ["5eed", "5eed", "next"] == [trace.strategy_digest for trace in traces]
    assert "renamed" == one.origin.account_names["sim"]


def test_odd_texts_in_a_trace() -> None:
    """Also names and ids are made safe."""
    one = writer()
    one.add(wire.DenialRecord(), "v\0", "i\ud800", 2**70, "r\udfff", 2**70)
    trace = one.records[0].trace  # type: ignore[attr-defined]
    assert ("v\ufffd", "i\ufffd", "r\ufffd") == (trace.venue, trace.instrument, trace.request_id)
    assert (2**63 - 1, 2**63 - 1) == (trace.order_id, trace.event_ns)


def test_instruments_that_are_none_cost_no_memory() -> None:
    """Events may name anything; what is prepared stays bounded."""
    one = writer()
    for number in range(TRACES_MAX + 10):
        one.add(wire.DenialRecord(), "sim", f"sim:{number}")
    assert len(one._traces) <= TRACES_MAX + 1


def test_scales_are_those_of_the_definition() -> None:
    """Amounts have the decimals of price and quantity together; an unknown instrument has raw integers."""
    bench = Bench().start()
    one = writer(bench.state)
    assert Scales(2, 3, 5, "USDT") == one.scales(INSTRUMENT)
    assert RAW == one.scales("sim:NONE")
