"""What an account holds: free and locked amounts per asset, in one integer scale.

Pure; imports nothing. Runs on the venue's thread. An amount that would go below zero is an error of the venue's own
book-keeping, so it raises.
"""

from __future__ import annotations

from dataclasses import dataclass, field


class BalanceError(Exception):
    """The venue's own book-keeping is wrong: an amount went below zero."""


@dataclass(slots=True)
class Balance:
    free: int = 0
    locked: int = 0


@dataclass(slots=True)
class Account:
    """``name`` identifies it inside the venue, ``uid`` towards its users; ``fees_paid`` went to the venue, by asset."""

    name: str
    uid: int
    balances: dict[str, Balance] = field(default_factory=dict)
    fees_paid: dict[str, int] = field(default_factory=dict)
    updated_ns: int = 0

    def balance(self, asset: str) -> Balance:
        return self.balances.setdefault(asset, Balance())

    def free(self, asset: str) -> int:
        return self.balance(asset).free

    def lock(self, asset: str, amount: int) -> None:
        """Move ``amount`` from free to locked."""
        self._change(asset, -amount, amount)

    def unlock(self, asset: str, amount: int) -> None:
        self._change(asset, amount, -amount)

    def add(self, asset: str, amount: int) -> None:
        """Credit (or with a negative amount debit) what is free."""
        self._change(asset, amount, 0)

    def charge(self, asset: str, amount: int) -> None:
        """Take a fee."""
        self._change(asset, -amount, 0)
        self.fees_paid[asset] = self.fees_paid.get(asset, 0) + amount

    def _change(self, asset: str, free: int, locked: int) -> None:
        balance = self.balance(asset)
        if balance.free + free < 0 or balance.locked + locked < 0:
            raise BalanceError(
                f"{self.name} {asset}: free {balance.free} {free:+d}, locked {balance.locked} {locked:+d}"
            )
        balance.free += free
        balance.locked += locked
