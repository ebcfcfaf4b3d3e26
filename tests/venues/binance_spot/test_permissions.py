"""What the venue says about a key, and what it may say instead."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from livestack.venues.adapter import Credentials, Fetched, Permissions, Setback
from livestack.venues.binance_spot.permissions import permissions_fetch, read_permissions
from livestack.venues.binance_spot.signing import make_signer
from tests.venues.binance_spot.test_signing import KEY, PEM, SECRET

TOLD = {
    "ipRestrict": True,
    "createTime": 1_698_645_219_000,
    "enableReading": True,
    "enableInternalTransfer": False,
    "enableWithdrawals": False,
    "enableMargin": False,
    "enableFutures": False,
    "permitsUniversalTransfer": False,
    "enableVanillaOptions": False,
    "enableFixApiTrade": False,
    "enableFixReadOnly": False,
    "enableSpotAndMarginTrading": True,
    "enablePortfolioMarginTrading": False,
}
"""The venue's own answer for a key to trade with."""


def answer(status: int, body: object, headers: tuple[tuple[str, str], ...] = ()) -> Fetched:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Fetched(0, status, headers, data, "", 0, 0)


def error(status: int, code: int, text: str) -> Fetched:
    return answer(status, {"code": code, "msg": text})


@pytest.mark.parametrize(("kind", "secret"), [("hmac", SECRET), ("ed25519", PEM)])
def test_the_question_is_signed_as_it_is_sent(kind: str, secret: str) -> None:
    """A GET of the account's own path; the signature is over the query before it, the key is in the header."""
    credentials = Credentials(KEY, kind, secret)
    fetch = permissions_fetch(credentials, 1_499_827_319_559)
    assert ("GET", "/sapi/v1/account/apiRestrictions") == (fetch.method, fetch.path)
    assert (("X-MBX-APIKEY", KEY),) == fetch.headers
    signed, _, signature = fetch.query.partition("&signature=")
    assert "recvWindow=5000&timestamp=1499827319559" == signed
    expected = make_signer(credentials).sign(signed)
    assert expected.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D") == signature


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, Permissions(True, True, False, False, True)),
        ({"enableWithdrawals": True}, Permissions(True, True, True, False, True)),
        ({"enableInternalTransfer": True}, Permissions(True, True, False, True, True)),
        ({"permitsUniversalTransfer": True}, Permissions(True, True, False, True, True)),
        ({"enableSpotAndMarginTrading": False}, Permissions(True, False, False, False, True)),
        ({"enableReading": False}, Permissions(False, True, False, False, True)),
        ({"ipRestrict": False}, Permissions(True, True, False, False, False)),
        ({"aRightOfTomorrow": True}, Permissions(True, True, False, False, True)),
    ],
)
def test_every_right(changed: dict[str, bool], expected: Permissions) -> None:
    """Each of the venue's flags has its place; flags that nobody knows have none."""
    assert expected == read_permissions(answer(200, {**TOLD, **changed}))


def test_a_right_to_transfer_that_is_not_denied_is_there() -> None:
    """What the venue leaves out is taken as given."""
    told = {name: value for name, value in TOLD.items() if "Transfer" not in name}
    assert Permissions(True, True, False, True, True) == read_permissions(answer(200, told))


@pytest.mark.parametrize("body", [b"<html>Not Found</html>", b"", {"code": 0, "msg": "no such path"}])
def test_a_venue_that_does_not_tell(body: object) -> None:
    """404, whatever is in it: the venue's test network has no such path."""
    assert read_permissions(answer(404, body)) is None


@pytest.mark.parametrize(
    "missing", ["enableReading", "enableWithdrawals", "enableSpotAndMarginTrading", "ipRestrict"]
)
def test_an_answer_without_what_matters(missing: str) -> None:
    """Says nothing that could be relied on."""
    told = {name: value for name, value in TOLD.items() if name != missing}
    setback = read_permissions(answer(200, told))
    assert isinstance(setback, Setback)
    assert missing in setback.text


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (answer(200, b"<html>log on first</html>"), {"is_refused": False, "is_clock": False}),
        (answer(200, {**TOLD, "enableWithdrawals": "no"}), {"is_refused": False}),
        (answer(403, b"<html>blocked</html>"), {"is_refused": False, "wait_ns": 0}),
        (answer(503, b""), {"is_refused": False, "wait_ns": 0}),
        (answer(0, b""), {"is_refused": False, "wait_ns": 0}),
        (error(400, -1021, "Timestamp for this request is outside of the recvWindow."), {"is_clock": True}),
        (error(401, -2015, "Invalid API-key, IP, or permissions for action."), {"is_refused": True}),
        (error(400, -1022, "Signature for this request is not valid."), {"is_refused": True}),
        (answer(429, {"code": -1003, "msg": "x"}, (("Retry-After", "7"),)), {"wait_ns": 7_000_000_000}),
        (answer(418, {"code": -1003, "msg": "x"}, (("Retry-After", "9"),)), {"wait_ns": 9_000_000_000}),
    ],
)
def test_an_answer_that_is_none(told: Fetched, expected: dict[str, Any]) -> None:
    """Whether the clock, the key or the moment is wrong decides what is done about it."""
    setback = read_permissions(told)
    assert isinstance(setback, Setback)
    assert expected == {name: getattr(setback, name) for name in expected}
