"""What a request is about, whichever way it came: for faults that befall it.

Pure. Any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from livestack.simulator.binance_spot.fault_book import Subject


@dataclass(slots=True, frozen=True)
class Call:
    """One request: which operation (by its WebSocket API name), about what, with which parameters."""

    side: str
    method: str
    symbol: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    request_id: object = None

    @property
    def subject(self) -> Subject:
        return Subject(self.side, method=self.method, symbol=self.symbol)


def read_call(text: str) -> Call | None:
    """The request in a WebSocket API frame; None where it is none."""
    try:
        request = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if not isinstance(request, dict) or not isinstance(request.get("method"), str):
        return None
    params = request.get("params")
    values = {key: str(value) for key, value in params.items()} if isinstance(params, dict) else {}
    return Call(
        "ws_api", request["method"].removeprefix("v3/"), values.get("symbol", ""), values, request.get("id")
    )
