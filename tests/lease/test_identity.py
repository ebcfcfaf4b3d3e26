"""Fingerprints: what makes an account another one, what does not, and that they tell nothing."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from livestack.exceptions import UsageError
from livestack.lease.identity import APPLICATION_NAME_MAX, Account, Holder, account_of, in_order
from livestack.venue_settings import VenueSettings
from tests.lease.support import HandTime, account, holder

KEY = "K" * 64


def venue_settings(rest_url: str = "https://venue.example") -> VenueSettings:
    return VenueSettings(
        adapter="binance_spot",
        rest_url=rest_url,
        stream_url="wss://stream.example",
        ws_api_url="wss://api.example",
        symbols=("BTCUSDT",),
        key_kind="hmac",
        api_key_env="KEY",
        secret_env="SECRET",
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://venue.example", "https://VENUE.example:443"),
        ("https://venue.example", "https://venue.example./other/path"),
        ("http://127.0.0.1:8080", "http://localhost:8080"),
        ("http://[::1]:80", "http://localhost"),
    ],
)
def test_spelling_makes_no_other_account(one: str, other: str) -> None:
    """However the address is written, and whatever venue and account are called here, it is the same account."""
    first = account_of("v", venue_settings(one), KEY)
    settings = msgspec.structs.replace(venue_settings(other), account="other")
    second = account_of("w", settings, KEY)
    assert first.fingerprint == second.fingerprint
    assert first.file_name == second.file_name
    assert first.advisory_key == second.advisory_key


def test_other_accounts_have_other_fingerprints() -> None:
    """Address, port and API key each tell accounts apart; no two of them run into each other."""
    prints = {
        account_of("v", venue_settings(url), key).fingerprint
        for url, key in [
            ("https://venue.example", KEY),
            ("https://venue.example", KEY + "1"),
            ("https://venue.example:444", KEY),
            ("https://other.example", KEY),
            ("http://localhost:1", "1"),
            ("http://localhost:11", ""),
        ]
    }
    assert 6 == len(prints)


def test_the_key_is_not_in_the_names() -> None:
    """Neither the file's name nor the account's text holds any part of the API key."""
    one = account_of("v", venue_settings(), KEY)
    assert "KKK" not in one.file_name + str(one) + repr(one)
    assert -(2**63) <= one.advisory_key < 2**63


def test_order_does_not_depend_on_names() -> None:
    """Everybody takes accounts in one order, whatever they are called and in which order they are written."""
    accounts = [Account("v", str(number), bytes([number] * 16)) for number in (3, 1, 2)]
    assert ["1", "2", "3"] == [one.name for one in in_order(accounts)]


def test_one_account_twice() -> None:
    """Two venues of a session with one address and key are a mistake, and told by name."""
    twice = [account(), msgspec.structs.replace(account(), venue="w")]
    with pytest.raises(UsageError, match=r"venues\.v and venues\.w are one account"):
        in_order(twice)


def test_holder_of_this_process() -> None:
    """A holder knows its process, where its data is, and since when."""
    one = Holder.here("node", Path("data"), HandTime())
    assert os.getpid() == one.process
    assert "1970-01-01T00:00:01Z" == one.since
    assert str(Path("data").absolute()) == one.data_dir


def test_application_name_fits() -> None:
    """What PostgreSQL would cut off is cut off at the end, where the host is; node and process stay."""
    one = msgspec.structs.replace(holder("n" * 32), host="h" * 100)
    assert APPLICATION_NAME_MAX == len(one.application_name)
    assert f"livestack {'n' * 32} (process {os.getpid()} on h" in one.application_name


def test_what_others_wrote_is_harmless_on_a_terminal() -> None:
    """A holder's text is one line of signs that print, of bounded length."""
    text = str(msgspec.structs.replace(holder(), data_dir="\x1b[2J\n" + "x" * 10_000))
    assert text.isprintable()
    assert 500 > len(text)
