"""The shapes of public messages: new fields do no harm, numbers that our Events cannot hold do not pass."""

from __future__ import annotations

import msgspec
import pytest

from livestack.venues.binance_spot.messages import DepthFrame, DepthUpdate

GOOD = b'{"stream":"s","data":{"e":"depthUpdate","E":1,"s":"A","U":1,"u":2,"b":[["1","2"]],"a":[],"new":{"x":[1]}}}'


def test_unknown_fields_are_ignored() -> None:
    """The venue adds some every few months."""
    data = msgspec.json.decode(GOOD, type=DepthFrame).data
    assert isinstance(data, DepthUpdate)
    assert (data.first_update_id, data.last_update_id, data.bids) == (1, 2, [("1", "2")])


@pytest.mark.parametrize(
    "change",
    [
        (b'"u":2', b'"u":9223372036854775807'),
        (b'"u":2', b'"u":-1'),
        (b'"u":2', b'"u":2.5'),
        (b'"E":1', b'"E":9223372036854775'),
        (b'["1","2"]', b'["1",2]'),
    ],
)
def test_numbers_beyond_63_bits_do_not_pass(change: tuple[bytes, bytes]) -> None:
    """Neither do fractions, negative ids, times whose nanoseconds do not fit, or numbers in place of strings."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(GOOD.replace(*change), type=DepthFrame)
