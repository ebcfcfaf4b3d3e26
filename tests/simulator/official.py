"""How the venue's official client read what it was sent: nothing lost, nothing empty that should not be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from binance_sdk_spot import BadRequestError, UnauthorizedError
from binance_sdk_spot.spot import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
    Spot,
)

from tests.simulator.hosting import Hosted

TIMEOUT_MS = 10_000
ARRIVAL_S_MAX = 20

# Fields of orders that are there only where they mean something (venues.md, order response fields).
OF_ORDERS = frozenset(
    {
        "expiryReason",
        "icebergQty",
        "listStatus",
        "pegOffsetType",
        "pegOffsetValue",
        "pegPriceType",
        "peggedPrice",
        "preventedMatchId",
        "preventedQuantity",
        "stopPrice",
        "strategyId",
        "strategyType",
        "trailingDelta",
        "trailingTime",
        "usedSor",
        "workingFloor",
    }
)
OF_ACK = OF_ORDERS | {
    "cummulativeQuoteQty",
    "executedQty",
    "fills",
    "origQty",
    "origQuoteOrderQty",
    "price",
    "selfTradePreventionMode",
    "side",
    "status",
    "timeInForce",
    "type",
    "workingTime",
}
# An entry of a mass cancel may be an order list.
OF_CANCELLED = OF_ORDERS | {
    "contingencyType",
    "listClientOrderId",
    "listOrderStatus",
    "listStatusType",
    "orderReports",
    "orders",
    "transactionTime",
}
OF_REPORTS = frozenset(
    {"A", "B", "Cs", "D", "J", "N", "U", "a", "b", "d", "eR", "gOT", "gOV", "gP", "gp", "j", "k"}
    | {"pL", "pY", "pl", "u", "uS", "v"}
)
# Of exchangeInfo: nothing here is routed, and those of rateLimits and filters belong to other answers or encodings.
OF_INFO = frozenset({"sors", "count", "multiplierExponent", "priceExponent", "qtyExponent", "rateLimits"})

# What the venue tells and this version of the client has no place for.
UNREAD = frozenset(
    {
        "my_prevented_matches.takerPreventedQuantity",
        "order_cancel_replace.newOrderResponse.workingTime",
        "order_cancel_replace.newOrderResponse.fills",
    }
)

# What the client says where it could not read an answer as what it should be.
COMPLAINTS = ("did not match", "Failed to parse", "Unknown user data event", "Error in callback")


def rest_client(hosted: Hosted, kind: str = "hmac", **more: Any) -> Any:
    """The official REST client with the key of that kind."""
    key = hosted.venue.key(kind)
    secret = {"api_secret": key.secret} if kind == "hmac" else {"private_key": key.secret}
    settings = {"api_key": key.api_key, **secret, "retries": 0, "timeout": TIMEOUT_MS, **more}
    configuration = ConfigurationRestAPI(base_path=hosted.urls["rest"], **settings)
    return Spot(config_rest_api=configuration).rest_api


def websocket_client(hosted: Hosted, kind: str, **more: Any) -> Any:
    """The official client of the WebSocket API, not connected yet."""
    key = hosted.venue.key(kind)
    secret = {"api_secret": key.secret} if kind == "hmac" else {"private_key": key.secret}
    configuration = ConfigurationWebSocketAPI(
        api_key=key.api_key, stream_url=hosted.urls["ws_api"], timeout=TIMEOUT_MS, **secret, **more
    )
    return Spot(config_ws_api=configuration).websocket_api


def streams_client(hosted: Hosted, **more: Any) -> Any:
    """The official client of the market streams, not connected yet."""
    configuration = ConfigurationWebSocketStreams(stream_url=hosted.urls["stream"] + "/stream", **more)
    return Spot(config_ws_streams=configuration).websocket_streams


def ask(hosted: Hosted, client: Any, name: str, unset: frozenset[str] = frozenset(), **arguments: Any) -> Any:
    """One REST request; what came is what was sent, as the type that the client documents."""
    data = getattr(client, name)(**arguments).data()
    assert_read(data, hosted.raw(), unset, name)
    return getattr(data, "actual_instance", None) or data


def refused(code: int, client: Any, name: str, **arguments: Any) -> str:
    """The venue's text where it refuses with that code."""
    with pytest.raises((BadRequestError, UnauthorizedError)) as caught:
        getattr(client, name)(**arguments)
    assert code == caught.value.status_code
    return str(caught.value.error_message)


class Arrivals:
    """Messages as they are called back on the event loop, and waiting for enough of them."""

    def __init__(self) -> None:
        self.messages: dict[str, list[Any]] = {}
        self._arrived = asyncio.Event()

    def __getitem__(self, stream: str) -> list[Any]:
        return self.messages.setdefault(stream, [])

    def of(self, stream: str) -> Callable[[Any], None]:
        """A callback for messages of that name."""
        messages = self[stream]

        def arrived(message: Any) -> None:
            messages.append(message)
            self._arrived.set()

        return arrived

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(ARRIVAL_S_MAX):
            while not enough():
                self._arrived.clear()
                await self._arrived.wait()


def assert_read(model: Any, raw: Any, may_be_unset: frozenset[str] = frozenset(), where: str = "") -> None:
    """The model holds every value of ``raw``, and every field that it declares but those is set."""
    while getattr(model, "actual_instance", None) is not None:
        model = model.actual_instance
    if isinstance(raw, dict) and hasattr(type(model), "model_fields"):
        _assert_object_read(model, raw, may_be_unset, where)
    elif isinstance(raw, list) and raw and isinstance(raw[0], dict):
        items = model if isinstance(model, list) else model.root
        assert len(raw) == len(items), where
        for item, raw_item in zip(items, raw, strict=True):
            assert_read(item, raw_item, may_be_unset, where)
    else:
        assert raw == model, where


def _assert_object_read(model: Any, raw: dict[str, Any], may_be_unset: frozenset[str], where: str) -> None:
    names = {
        (field.alias or name): name
        for name, field in type(model).model_fields.items()
        if name != "additional_properties"
    }
    others = getattr(model, "additional_properties", {})
    for key, value in raw.items():
        if key in names:
            assert_read(getattr(model, names[key]), value, may_be_unset, f"{where}.{key}")
        elif key == "e":
            assert type(model).__name__.lower().startswith(value.lower()), where  # events: it is the type
        elif f"{where}.{key}" not in UNREAD:
            assert value == others.get(key), f"{where}.{key}"
    unset = {key for key, name in names.items() if getattr(model, name) is None}
    assert unset <= may_be_unset, f"{where}: {sorted(unset - may_be_unset)}"


@pytest.fixture
def no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The client read every answer as the type that it documents for it."""
    yield
    messages = [record.getMessage() for record in caplog.records]
    assert [] == [text for text in messages if any(complaint in text for complaint in COMPLAINTS)]
