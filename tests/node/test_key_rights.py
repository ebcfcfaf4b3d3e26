"""Which keys a node starts with: a venue that answers what a test says, question by question."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from livestack.exceptions import UnreachableError, UsageError
from livestack.node.key_rights import check_key
from livestack.venue_settings import VenueSettings
from livestack.venues.adapter import Credentials, Fetch, Fetched
from livestack.venues.binance_spot import BinanceSpot
from tests.venues.binance_spot.test_permissions import TOLD

PATH = "/sapi/v1/account/apiRestrictions"
OUR_MS = 1_700_000_000_123
VENUE_MS = OUR_MS + 3_600_000


class Answers:
    """Gives ``answers`` one after the other: status, body, headers; keeps the questions."""

    def __init__(self, *answers: tuple[int, object] | tuple[int, object, dict[str, str]]) -> None:
        self.left = list(answers)
        self.asked: list[Fetch] = []

    def __call__(self, fetch: Fetch) -> Fetched:
        self.asked.append(fetch)
        status, body, *headers = self.left.pop(0)
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        named = tuple(headers[0].items()) if headers else ()
        return Fetched(0, status, named, data, "timed out" if status == 0 else "", 0, 0)


def settings(allow: bool) -> VenueSettings:
    return VenueSettings(
        adapter="binance_spot",
        rest_url="https://venue.example",
        stream_url="wss://venue.example",
        ws_api_url="wss://venue.example",
        symbols=("BTCUSDT",),
        key_kind="hmac",
        api_key_env="KEY",
        secret_env="SECRET",
        allow_withdrawal_key=allow,
    )


def check(
    *answers: tuple[Any, ...], allow: bool = False, credentials: Credentials | None = None
) -> tuple[Answers, list[dict[str, Any]]]:
    """The questions that were asked, and what was logged."""
    ask = Answers(*answers)
    credentials = credentials or Credentials("the-key", "hmac", "the-secret")
    with capture_logs() as logs:
        check_key("spot", settings(allow), BinanceSpot(), credentials, ask, lambda: OUR_MS * 1_000_000)
    assert not ask.left
    return ask, list(logs)


def test_a_key_to_trade_with() -> None:
    """One question, and nothing to say."""
    ask, logs = check((200, TOLD))
    assert [PATH] == [fetch.path for fetch in ask.asked]
    assert f"timestamp={OUR_MS}&" in ask.asked[0].query
    assert [] == logs


@pytest.mark.parametrize(
    ("right", "word"),
    [
        ("enableWithdrawals", "withdraw"),
        ("enableInternalTransfer", "transfer"),
        ("permitsUniversalTransfer", "transfer"),
    ],
)
def test_a_key_that_may_too_much_is_refused(right: str, word: str) -> None:
    """With the setting's key and both ways out."""
    with pytest.raises(UsageError) as caught:
        check((200, {**TOLD, right: True}))
    assert f"venues.spot.api_key_env: this API key may {word} what" in str(caught.value)
    assert "take that right from it at the venue" in str(caught.value)
    assert "venues.spot.allow_withdrawal_key = true" in str(caught.value)


def test_a_key_that_may_too_much_on_purpose() -> None:
    """Is taken, and said loudly, each right by its name."""
    _, logs = check((200, {**TOLD, "enableWithdrawals": True, "enableInternalTransfer": True}), allow=True)
    assert [("warning", "key_may_withdraw", ["withdraw", "transfer"])] == [
        (line["log_level"], line["event"], line["rights"]) for line in logs
    ]


@pytest.mark.parametrize(
    ("right", "words"), [("enableSpotAndMarginTrading", "may not trade"), ("enableReading", "may not read")]
)
def test_a_key_that_may_too_little_is_refused(right: str, words: str) -> None:
    """It would only be found out with the first order."""
    with pytest.raises(UsageError, match=words):
        check((200, {**TOLD, right: False}))


def test_a_key_that_works_from_everywhere() -> None:
    """Is taken with a warning."""
    _, logs = check((200, {**TOLD, "ipRestrict": False}))
    assert [("warning", "key_is_not_bound")] == [(line["log_level"], line["event"]) for line in logs]


def test_a_venue_that_does_not_tell() -> None:
    """As the venue's test network: the key is taken, and that is said."""
    _, logs = check((404, b"<html>Not Found</html>"))
    assert [("info", "rights_of_key_unknown")] == [(line["log_level"], line["event"]) for line in logs]


def test_a_clock_that_is_wrong() -> None:
    """The venue is asked for its time, and the question is put again with that."""
    late = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
    ask, _ = check((400, late), (200, {"serverTime": VENUE_MS}), (200, TOLD))
    assert [PATH, "/api/v3/time", PATH] == [fetch.path for fetch in ask.asked]
    assert f"timestamp={VENUE_MS}&" in ask.asked[2].query
    with pytest.raises(UnreachableError, match="-1021"):
        check((400, late), (200, {"serverTime": VENUE_MS}), (400, late))
    with pytest.raises(UnreachableError, match="HTTP status 500"):
        check((400, late), (500, b""))


def test_a_key_that_the_venue_refuses() -> None:
    """Is the user's to repair: exit code 2, with the venue's words."""
    with pytest.raises(UsageError, match=r"refuses this API key: .*Invalid API-key.*-2015"):
        check((401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}))


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ((429, {"code": -1003, "msg": "Too many requests."}, {"Retry-After": "17"}), "ask again in 17 s"),
        ((418, {"code": -1003, "msg": "Banned."}, {"Retry-After": "120"}), "ask again in 120 s"),
        ((503, b"<html>down</html>"), "HTTP status 503"),
        ((403, b"<html>firewall</html>"), "HTTP status 403"),
        ((0, b""), "no answer: timed out"),
        ((200, b"<html>log on to this network</html>"), "cannot be read"),
    ],
)
def test_in_doubt_there_is_no_start(answers: tuple[Any, ...], sentence: str) -> None:
    """Exit code 3, with address and cause."""
    with pytest.raises(
        UnreachableError, match=r"cannot reach venue spot at https://venue\.example"
    ) as caught:
        check(answers)
    assert sentence in str(caught.value)


def test_a_key_that_cannot_sign() -> None:
    """Is told before anything is asked, without a word of it."""
    with pytest.raises(UsageError, match=r"venues\.spot\.api_key_env: .*PKCS#8") as caught:
        check(credentials=Credentials("the-key", "ed25519", "no-pem-at-all"))
    assert "no-pem-at-all" not in str(caught.value)
