"""Order lists and smart order routing: no symbol of the simulated venue allows them, and this is how it says so.

Pure. Runs on the venue's thread. ``exchangeInfo`` says the same: ``ocoAllowed``, ``otoAllowed`` and ``opoAllowed`` are
false and there is no ``sors``. What asks for lists finds none.
"""

from __future__ import annotations

from typing import Any

from livestack.simulator.binance_spot import errors
from livestack.simulator.binance_spot.errors import VenueError
from livestack.simulator.binance_spot.exchange import Exchange
from livestack.simulator.binance_spot.params import Params


def _refusal(exchange: Exchange, params: Params, kind: str) -> VenueError:
    exchange.listing(params.text("symbol"))
    return VenueError(400, -1013, f"{kind} orders are not supported for this symbol.")


def place_oco(exchange: Exchange, account: str, params: Params) -> dict[str, Any]:
    raise _refusal(exchange, params, "OCO")


def place_oto(exchange: Exchange, account: str, params: Params) -> dict[str, Any]:
    raise _refusal(exchange, params, "OTO")


def place_opo(exchange: Exchange, account: str, params: Params) -> dict[str, Any]:
    raise _refusal(exchange, params, "OPO")


def place_routed(exchange: Exchange, account: str, params: Params) -> dict[str, Any]:
    raise _refusal(exchange, params, "SOR")


def cancel(exchange: Exchange, account: str, params: Params) -> dict[str, Any]:
    exchange.listing(params.text("symbol"))
    _check_named(params, "listClientOrderId")
    raise errors.cancel_rejected("Unknown order list sent.")


def query(exchange: Exchange, account: str, params: Params) -> dict[str, Any]:
    _check_named(params, "origClientOrderId")
    raise VenueError(400, -2018, "Order list does not exist.")


def listed(exchange: Exchange, account: str, params: Params) -> list[dict[str, Any]]:
    return []


def _check_named(params: Params, client_name: str) -> None:
    if params.integer("orderListId") is None and params.client_id(client_name) is None:
        text = f"Param '{client_name}' or 'orderListId' must be sent, but both were empty/null!"
        raise VenueError(400, -1102, text)
