"""What a Strategy is, and the read-only View through which it sees State.

Pure. One Strategy per session. Hooks return or yield Intents; decision-relevant state lives in ``self.memory``, which
is part of State and of its digest. Whatever a View hands out cannot be written through. Harness thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import Any, ClassVar, cast

import msgspec

from livestack.core.configuration import Configuration
from livestack.core.events import InputEvent, InstrumentDefined
from livestack.core.intents import Intent
from livestack.core.orders import Order
from livestack.core.positions import Position
from livestack.core.state import DRAWN_IDS_MAX, Balance, InstrumentMarket, State
from livestack.core.types import ORDER_ID_MAX, SessionPhase, Side, TradingState
from livestack.core.validation import is_encodable

Decision = Iterable[Intent] | None
"""What a hook gives back: nothing, or Intents in the order in which they are judged."""

DEADLINES_MAX = 1_000
"""Names of strategy deadlines pending at once."""


class NoParameters(msgspec.Struct, frozen=True):
    """For a Strategy without parameters."""


class NoMemory(msgspec.Struct):
    """For a Strategy that remembers nothing."""


class Strategy:
    """Base class. Name ``parameters_type`` and ``memory_type``; override the hooks that you need.

    ``memory`` holds integers, text, enums, structs, lists and dicts: no float and no set, so that it is the same
    everywhere. Its annotations say what is in each list and dict (``list[int]``, ``dict[str, Row]``, ``X | None``), so
    that a snapshot comes back as it was. An exception discards that call's Intents (``StrategyFailed``).
    """

    parameters_type: ClassVar[type[msgspec.Struct]] = NoParameters
    memory_type: ClassVar[type[msgspec.Struct]] = NoMemory

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters
        self.memory: Any = self.memory_type()

    def on_start(self, view: View) -> Decision:
        """The session runs: instruments are defined and every account's baseline is known."""

    def on_resume(self, view: View) -> Decision:
        """The session runs again after a crash; memory and positions are as they were."""

    def on_event(self, view: View, event: InputEvent) -> Decision:
        """A decision-relevant Event, already applied to State."""

    def on_deadline(self, view: View, name: str) -> Decision:
        """``view.wake_at(name, ...)`` has come; arm it again if you want more."""

    def on_stop(self, view: View) -> Decision:
        """The session is stopping; only Cancels are admitted."""


class ReadOnly:
    """A struct seen through glass: fields can be read, nothing can be written or called."""

    __slots__ = ("_target",)

    def __init__(self, target: object) -> None:
        object.__setattr__(self, "_target", target)

    def __getattr__(self, name: str) -> Any:
        value = getattr(object.__getattribute__(self, "_target"), name)
        if callable(value) and not isinstance(value, type):
            raise AttributeError(f"{name} cannot be called through a view")
        return _read_only(value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} cannot be written through a view")

    def __repr__(self) -> str:
        return repr(object.__getattribute__(self, "_target"))


def _read_only(value: Any) -> Any:
    if isinstance(value, msgspec.Struct) and not value.__struct_config__.frozen:
        return ReadOnly(value)
    if isinstance(value, dict):
        return MappingProxyType({key: _read_only(item) for key, item in value.items()})
    return tuple(_read_only(item) for item in value) if isinstance(value, list) else value


class BookView:
    """Best prices (from the newer of quote and book) and depth of one instrument; 0 means empty or unknown."""

    __slots__ = ("_market",)

    def __init__(self, market: InstrumentMarket) -> None:
        object.__setattr__(self, "_market", market)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} cannot be written through a view")

    @property
    def live(self) -> bool:
        """Whether the feed is connected and the book, where there is one, may be believed."""
        return self._market.is_live

    @property
    def valid(self) -> bool:
        return self._market.book.valid

    @property
    def bid(self) -> int:
        return self._market.bid

    @property
    def bid_qty(self) -> int:
        return self._market.bid_qty

    @property
    def ask(self) -> int:
        return self._market.ask

    @property
    def ask_qty(self) -> int:
        return self._market.ask_qty

    @property
    def last_price(self) -> int:
        """Price of the last public trade."""
        return self._market.last_price

    def levels(self, side: Side, depth: int = 0) -> Iterator[tuple[int, int]]:
        """``(price, quantity)`` of the full book, best first; ``depth`` 0 means all."""
        return self._market.book.levels(side, depth)

    _market: InstrumentMarket


class View:
    """State as the Strategy sees it, plus the two things it may ask for: an Order ID and a deadline."""

    __slots__ = ("_books", "_state", "armed")

    def __init__(self, state: State) -> None:
        object.__setattr__(self, "armed", False)
        object.__setattr__(self, "_state", state)
        object.__setattr__(self, "_books", {})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} cannot be written through a view")

    _state: State
    _books: dict[str, BookView]
    armed: bool
    """Whether a deadline was set since the runtime looked last."""

    def disarm(self) -> None:
        """The runtime has looked at the deadlines."""
        object.__setattr__(self, "armed", False)

    @property
    def ts(self) -> int:
        """The present Event's sequencing time in nanoseconds: the only "now" there is."""
        return self._state.control.ts

    @property
    def phase(self) -> SessionPhase:
        return self._state.control.phase

    @property
    def configuration(self) -> Configuration:
        """The active version; it cannot be written, at any depth."""
        return self._state.configuration

    @property
    def instruments(self) -> tuple[str, ...]:
        """Every defined instrument, in order of definition."""
        return tuple(self._state.market.instruments)

    def trading_state(self, instrument: str) -> TradingState:
        return self._state.control.trading_state(instrument.partition(":")[0], instrument)

    def instrument(self, instrument: str) -> InstrumentDefined:
        """Scale and venue rules; ``KeyError`` if it is not defined."""
        return self._state.market.instruments[instrument].definition

    def book(self, instrument: str) -> BookView:
        """Market of ``instrument``; ``KeyError`` if it is not defined."""
        book = self._books.get(instrument)
        if book is None:
            book = self._books[instrument] = BookView(self._state.market.instruments[instrument])
        return book

    def position(self, instrument: str) -> Position:
        """Read-only position; flat if there never was any."""
        return cast(Position, ReadOnly(self._state.execution.position(instrument)))

    def order(self, order_id: int) -> Order | None:
        """Read-only Order, open or recently closed; None while it is pending or where it is unknown."""
        order = self._state.execution.order(order_id)
        return None if order is None else cast(Order, ReadOnly(order))

    def open_orders(self, instrument: str = "") -> tuple[Order, ...]:
        """Read-only open Orders in order of dispatch; '' for every instrument."""
        return tuple(cast(Order, ReadOnly(order)) for order in self._state.execution.open_orders(instrument))

    def is_pending(self, order_id: int) -> bool:
        """Whether a command for it waits in the Queue."""
        return order_id in self._state.execution.queue.pending

    def is_inflight(self, order_id: int) -> bool:
        """Whether a request of it has no outcome yet, unresolved ones included."""
        execution = self._state.execution
        return order_id in execution.requests or order_id in execution.unresolved

    def is_open(self, order_id: int) -> bool:
        """Whether it is pending in the Queue or an open Order: something a Replace or Cancel could name."""
        execution = self._state.execution
        return order_id in execution.orders or order_id in execution.queue.pending

    def balance(self, venue: str, asset: str) -> Balance | None:
        """Last known balance; None if the venue never reported the asset."""
        return self._state.execution.balances.get(venue, {}).get(asset)

    def next_order_id(self) -> int:
        """Draw the next Order ID of this session."""
        execution = self._state.execution
        if execution.order_counter >= ORDER_ID_MAX:
            raise OverflowError("this session has used every order id")
        execution.order_counter += 1
        execution.drawn[execution.order_counter] = None
        if len(execution.drawn) > DRAWN_IDS_MAX:
            del execution.drawn[next(iter(execution.drawn))]
        return execution.order_counter

    def wake_at(self, name: str, ts: int) -> None:
        """Have ``on_deadline(view, name)`` called once ``ts`` (nanoseconds) is reached; one per name."""
        if type(ts) is not int:
            raise TypeError("a deadline is an integer of nanoseconds")
        if type(name) is not str or not is_encodable(name):
            raise TypeError("the name of a deadline is text without lone surrogates")
        deadlines = self._state.control.strategy_deadlines
        if name not in deadlines and len(deadlines) >= DEADLINES_MAX:
            raise OverflowError(f"more than {DEADLINES_MAX} deadlines are pending")
        deadlines[name] = ts
        object.__setattr__(self, "armed", True)
