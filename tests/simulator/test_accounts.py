"""Balances: nothing is created or lost, nothing goes below zero, a refused change changes nothing."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.simulator.accounts import Account, Balance, BalanceError

CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "lock", "unlock", "charge"]),
        st.sampled_from(["BTC", "USDT"]),
        st.integers(0, 60),
        st.booleans(),
    ),
    max_size=50,
)


@given(CHANGES)
def test_nothing_is_created_or_lost(changes: list[tuple[str, str, int, bool]]) -> None:
    """Free, locked and fees together are what was credited; whatever would go below zero raises, changing nothing."""
    account = Account("a", 1)
    credited = {"BTC": 0, "USDT": 0}
    for name, asset, size, debit in changes:
        amount = -size if debit and name == "add" else size
        before = copy.deepcopy(account.balance(asset)), dict(account.fees_paid)
        short = size > (before[0].locked if name == "unlock" else before[0].free)
        if short and (amount < 0 or name != "add"):
            with pytest.raises(BalanceError, match=f"a {asset}: free {before[0].free} "):
                getattr(account, name)(asset, amount)
            assert before == (account.balance(asset), account.fees_paid)
            continue
        getattr(account, name)(asset, amount)
        credited[asset] += amount if name == "add" else 0
        for one, total in credited.items():
            balance = account.balance(one)
            assert total == balance.free + balance.locked + account.fees_paid.get(one, 0)
            assert min(balance.free, balance.locked) >= 0
        moved = {"lock": size, "unlock": -size}.get(name, 0)
        assert before[0].locked + moved == account.balance(asset).locked


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50), st.integers(0, 3)), max_size=20))
def test_locked_is_what_open_orders_need(orders: list[tuple[int, int, int]]) -> None:
    """Lock for each order, trade a part of it, give the rest back of some: locked is the sum of what stays open."""
    account = Account("a", 1)
    account.add("USDT", 10**6)
    needed = spent = 0
    for price, qty, fate in orders:
        account.lock("USDT", price * qty)
        part = qty * fate // 3
        account.unlock("USDT", price * part)
        account.add("USDT", -price * part)
        account.add("BTC", part)
        spent += price * part
        if fate == 1:
            account.unlock("USDT", price * (qty - part))
        else:
            needed += price * (qty - part)
    assert Balance(10**6 - spent - needed, needed) == account.balance("USDT")
    assert sum(qty * fate // 3 for _, qty, fate in orders) == account.free("BTC")


def test_an_unknown_asset_is_empty() -> None:
    """An asset nobody credited has nothing free and nothing locked, and cannot be locked or charged."""
    account = Account("a", 1)
    assert (0, Balance()) == (account.free("X"), account.balance("X"))
    for refused in (account.lock, account.unlock, account.charge):
        with pytest.raises(BalanceError):
            refused("X", 1)
    assert (Balance(), {}) == (account.balance("X"), account.fees_paid)


def test_accounts_share_nothing() -> None:
    """What one account does leaves another's balances and fees alone."""
    one, other = Account("a", 1), Account("b", 2)
    one.add("BTC", 5)
    one.charge("BTC", 2)
    one.charge("BTC", 1)
    assert ({"BTC": Balance(2, 0)}, {"BTC": 3}) == (one.balances, one.fees_paid)
    assert ({}, {}) == (other.balances, other.fees_paid)
