"""The fold over a recorded stream: the same again, or the first position that is not."""

from __future__ import annotations

from livestack.core import events
from livestack.core.configuration import Configuration
from livestack.core.events import Recorded
from livestack.core.refold import Difference, Refold
from livestack.core.runtime import CoreRuntime
from livestack.core.types import Origin
from tests.core import support
from tests.core.support import Bench, Scripted, configuration


def recorded(settings: Configuration) -> list[Recorded]:
    """A session whose only DERIVED Event is an anomaly at position 6, with two inputs behind it."""
    bench = Bench(settings)
    stream: list[Recorded] = []
    inputs = [support.session_started(), support.definition(), support.baseline()]
    inputs += [support.quote(1, 2), support.quote(5, 3), support.quote(1, 2), support.quote(1, 3)]
    for event in inputs:
        seq = bench.seq + 1
        step = bench.feed(event)
        stream.append(Recorded(seq, bench.ts, Origin.INPUT, event))
        stream += [
            Recorded(seq + 1 + index, bench.ts, Origin.DERIVED, one) for index, one in enumerate(step.derived)
        ]
    return stream


def fold(stream: list[Recorded], settings: Configuration) -> Refold:
    one = Refold(CoreRuntime(settings, Scripted()))
    for record in stream:
        if not one.take(record):
            break
    return one


def test_the_same_stream_is_the_same_again() -> None:
    """Every record is counted, nothing is left over."""
    settings = configuration()
    stream = recorded(settings)
    one = fold(stream, settings)
    assert (True, len(stream), 1, stream[-1].seq) == (one.ends_whole(), one.events, one.derived, one.last_seq)


def test_a_difference_is_where_it_is_first() -> None:
    """Another derived Event, one too many, one too few in the middle, and one too few at the end."""
    settings = configuration()
    stream = recorded(settings)
    position = next(index for index, one in enumerate(stream) if one.origin is Origin.DERIVED)
    seq, anomaly = stream[position].seq, stream[position].event
    other = events.CommandApplied(request_id="x")
    changed = [*stream[:position], Recorded(seq, 1, Origin.DERIVED, other)]
    assert Difference(seq, other, anomaly) == fold(changed, settings).difference
    extra = [*stream[: position + 1], Recorded(seq + 1, 1, Origin.DERIVED, other)]
    assert Difference(seq + 1, other, None) == fold(extra, settings).difference
    missing = [*stream[:position], Recorded(seq, stream[-1].ts, Origin.INPUT, stream[-1].event)]
    assert Difference(seq, stream[-1].event, anomaly) == fold(missing, settings).difference
    short = fold(stream[:position], settings)
    assert (None, False) == (short.difference, short.ends_whole())
    assert Difference(seq, None, anomaly) == short.difference
