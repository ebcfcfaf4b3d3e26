"""The vocabulary that every Event, Intent and State structure is made of.

Pure: imports nothing of the project but exceptions. Prices and quantities are integers in the instrument's own
scale (``price = 5_000_010`` with ``price_decimals = 2`` is 50 000.10); amounts (price times quantity) are exact
integers in ``price_decimals + qty_decimals`` and may pass 64 bits, which is what :class:`Amount` is for.
"""

from __future__ import annotations

import re
from enum import IntEnum

import msgspec

NANOS_PER_SECOND = 1_000_000_000

# Client order ids: epoch (9) + "-" + counter (1..5) + "-" + revision (1..2), at most 18 characters because that is
# the least that our venues allow (Kraken's free-text cl_ord_id); base 62 because all of them allow [A-Za-z0-9-].
EPOCH_LENGTH = 9
ORDER_ID_MAX = 62**5 - 1
REVISION_MAX = 62**2 - 1
CLIENT_ID_MAX_LENGTH = 18

DECIMALS_MAX = 18  # 10**18 is the largest power of ten below 2**63
POWERS_OF_TEN: tuple[int, ...] = tuple(10**exponent for exponent in range(DECIMALS_MAX + 1))

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_CLIENT_ID = re.compile(r"([0-9A-Za-z]{9})-([0-9A-Za-z]{1,5})-([0-9A-Za-z]{1,2})")
_EPOCH_ORIGIN_S = 1_704_067_200  # 2024-01-01T00:00:00Z: five base-62 digits of seconds last until 2053
_EPOCH_RANDOM = 62**4


class Side(IntEnum):
    BUY = 1
    SELL = 2

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(IntEnum):
    LIMIT = 1
    MARKET = 2
    STOP_LOSS = 3
    STOP_LOSS_LIMIT = 4
    TAKE_PROFIT = 5
    TAKE_PROFIT_LIMIT = 6


class TimeInForce(IntEnum):
    GTC = 1
    IOC = 2
    FOK = 3


class SelfTradePrevention(IntEnum):
    NONE = 0
    EXPIRE_MAKER = 1
    EXPIRE_TAKER = 2
    EXPIRE_BOTH = 3


class Liquidity(IntEnum):
    MAKER = 1
    TAKER = 2


class OrderStatus(IntEnum):
    """Life of an Order (core-runtime.md section 8). ``CANCELLED``, ``FILLED`` and ``REJECTED`` are final."""

    SUBMITTED = 1
    ACCEPTED = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    CANCELLED = 5
    REJECTED = 6


class RequestKind(IntEnum):
    """What a dispatch asks of the venue. The numbers are the Queue's order: Cancel before Replace before New."""

    CANCEL = 1
    REPLACE = 2
    NEW = 3


class RequestSource(IntEnum):
    """Who asked for it: the Strategy, an operator's command, or the Core itself (kill-switch, REDUCING, stopping)."""

    STRATEGY = 1
    OPERATOR = 2
    CORE = 3


class InstrumentStatus(IntEnum):
    TRADING = 1
    CANCEL_ONLY = 2
    HALTED = 3


class TradingState(IntEnum):
    ACTIVE = 1
    REDUCING = 2
    HALTED = 3


class SessionPhase(IntEnum):
    STARTING = 1
    RUNNING = 2
    STOPPING = 3
    STOPPED = 4


class ConnectionStatus(IntEnum):
    """States of one connection, shared by feeds and venues (live-stack.md section 4)."""

    DISCONNECTED = 1
    CONNECTING = 2
    SYNCHRONISING = 3
    LIVE = 4
    DEGRADED = 5


class FailureReason(IntEnum):
    """Why a committed dispatch is certainly not at the venue. What is uncertain is never a ``DispatchFailed``."""

    NOT_SENT = 1
    """Refused before the first byte: gate closed, connector not LIVE, too old, or nothing was written."""
    NOT_AT_VENUE = 2
    """Proven absent by a query begun after the settling time."""
    JOURNAL = 3
    """The commit that should have recorded it failed."""


class WithdrawReason(IntEnum):
    """Why a pending Intent left the Queue without a dispatch."""

    KILL_SWITCH = 1
    TRADING_STATE = 2
    ORDER_TERMINAL = 3
    ORDER_UNKNOWN = 4
    TOO_OLD = 5
    CONFIGURATION = 6
    SESSION_RESUMED = 7
    SESSION_STOPPING = 8
    SUPERSEDED = 9


class Origin(IntEnum):
    INPUT = 1
    DERIVED = 2


class Amount(msgspec.Struct, frozen=True, array_like=True):
    """An integer of any size as two 63-bit words, so that it survives MessagePack and Protocol Buffers.

    ``value = high * 2**63 + low`` with ``0 <= low < 2**63``; the sign lives in ``high``.
    """

    high: int
    low: int

    @classmethod
    def of(cls, value: int) -> Amount:
        return cls(value >> 63, value & 0x7FFF_FFFF_FFFF_FFFF)

    @property
    def value(self) -> int:
        return (self.high << 63) + self.low


class AssetBalance(msgspec.Struct, frozen=True, array_like=True):
    """What an account holds of one asset, in that asset's own scale."""

    asset: str
    decimals: int
    free: Amount
    locked: Amount


class PositionBaseline(msgspec.Struct, frozen=True, array_like=True):
    """Inventory carried into a session: ``qty`` signed, in the instrument's scale; ``cost`` in price + qty decimals."""

    instrument: str
    qty: int
    cost: Amount


class RateUsage(msgspec.Struct, frozen=True, array_like=True):
    """One venue limit as the venue counts it. ``kind`` is the venue's name for it, e.g. ``ORDERS``."""

    kind: str
    interval_ns: int
    limit: int
    used: int


class OrderRequest(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """One outbound order request, complete enough that a Venue Adapter needs nothing else.

    ``client_id`` is fresh for every request; ``target_client_id`` names the order that a Replace or Cancel is
    about, under the id by which the venue knows it now. For a Replace ``qty`` is the new total, ``filled_qty`` what
    of it the Core knew to be filled when it was dispatched. Unused numbers are 0.
    """

    kind: RequestKind
    venue: str
    instrument: str
    order_id: int
    revision: int
    client_id: str
    source: RequestSource
    target_client_id: str = ""
    venue_order_id: str = ""
    side: Side = Side.BUY
    type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    qty: int = 0
    quote_qty: int = 0
    price: int = 0
    stop_price: int = 0
    filled_qty: int = 0
    post_only: bool = False
    reduce_only: bool = False
    stp: SelfTradePrevention = SelfTradePrevention.NONE


class ClientId(msgspec.Struct, frozen=True):
    """The three parts of one of our client order ids."""

    epoch: str
    order_id: int
    revision: int

    def __str__(self) -> str:
        return f"{self.epoch}-{encode_base62(self.order_id)}-{encode_base62(self.revision)}"


def parse_client_id(text: str) -> ClientId | None:
    """Take one of our client order ids apart; None for a foreign one. Says nothing about whose epoch it is."""
    match = _CLIENT_ID.fullmatch(text)
    if match is None:
        return None
    epoch, counter, revision = match.groups()
    return ClientId(epoch, decode_base62(counter), decode_base62(revision))


def make_epoch(wall_s: int, random: int) -> str:
    """An epoch from wall-clock seconds (since 1970) and a random number: nine base-62 characters.

    Pure: the host reads the clock and the random source. Only the low bits of ``random`` are used.
    """
    seconds = max(wall_s - _EPOCH_ORIGIN_S, 0) % 62**5
    return encode_base62(seconds).rjust(5, "0") + encode_base62(random % _EPOCH_RANDOM).rjust(4, "0")


def encode_base62(value: int) -> str:
    """``value >= 0`` in base 62, most significant digit first."""
    digits = ""
    while True:
        value, digit = divmod(value, 62)
        digits = _DIGITS[digit] + digits
        if value == 0:
            return digits


def decode_base62(text: str) -> int:
    """Inverse of :func:`encode_base62`; ``KeyError`` for any other character."""
    value = 0
    for digit in text:
        value = value * 62 + _VALUES[digit]
    return value


def parse_decimal(text: str, decimals: int) -> int:
    """A decimal string as an integer in ``decimals``; ``ValueError`` where it does not fit the scale exactly.

    ``parse_decimal("0.35130000", 4) == 3513``. No float, no exponent, no sign but a leading minus, no rounding.
    """
    whole, point, fraction = text.partition(".")
    if len(fraction) > decimals:
        if fraction[decimals:].strip("0"):
            raise ValueError(f"{text!r} has more than {decimals} decimals")
        fraction = fraction[:decimals]
    digits = whole + fraction
    unsigned = digits[1:] if digits[:1] == "-" else digits
    if not (unsigned.isascii() and unsigned.isdigit()) or (point and not whole.lstrip("-")):
        raise ValueError(f"{text!r} is not a decimal number")
    return int(digits) * POWERS_OF_TEN[decimals - len(fraction)]


def format_decimal(value: int, decimals: int) -> str:
    """An integer in ``decimals`` as a decimal string with exactly that many digits behind the point."""
    if decimals == 0:
        return str(value)
    sign = "-" if value < 0 else ""
    digits = str(abs(value)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"
