"""What a simulated venue is made of and how: its settings, its symbols and account, its market.

Pure. Runs on the venue's thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from livestack.simulator.accounts import Account
from livestack.simulator.binance_spot.captured import CapturedFeed, CapturedMarket, CapturedSnapshot
from livestack.simulator.binance_spot.exchange import Exchange, Listing
from livestack.simulator.binance_spot.feed import EngineFeed
from livestack.simulator.binance_spot.front import ACCOUNT
from livestack.simulator.binance_spot.instruments import Symbol, modernise, read_symbol
from livestack.simulator.binance_spot.limits import LimitSizes
from livestack.simulator.binance_spot.numbers import SCALE
from livestack.simulator.binance_spot.streams import StreamHub
from livestack.simulator.capture import CapturedAnswer, CapturedStream
from livestack.simulator.market import MarketHost, MarketSource, Random
from livestack.simulator.synthetic import SyntheticMarket, SyntheticSymbol

BALANCE = 100_000_000 * SCALE  # of every asset: more than any test spends, less than 2**63
CONNECTION_LIFE_NS = 86_400_000_000_000  # the venue hangs up after a day
# How many of bookTicker and trade messages one happening of the synthetic market makes, in hundredths; measured.
MESSAGES_PER_HUNDRED_EVENTS = 64


@dataclass(slots=True, frozen=True)
class VenueSettings:
    """What a venue is made like.

    ``rate``: bookTicker and trade messages a second, all symbols together, about. ``speed``: of a capture, in
    thousandths, 0 for everything at once. ``reports_first``: an order's reports go out before its answer.
    ``clock_skew_ns``: how far the venue's clock is ahead of true time. ``sapi``: answers below ``/sapi``, as the live
    venue does and its test network does not. ``fault_seed``: of the chance in faults.
    ``test_symbol``: one symbol more, with a name that is not ASCII, as on the venue's test network.
    """

    symbols: int = 4
    rate: int = 200
    speed: int = 1000
    reports_first: bool = False
    test_symbol: bool = False
    limits: LimitSizes = field(default_factory=LimitSizes)
    connection_life_ns: int = CONNECTION_LIFE_NS
    clock_skew_ns: int = 0
    sapi: bool = True
    fault_seed: int = 1


@dataclass(slots=True, frozen=True)
class Capture:
    """A captured session: the ``exchangeInfo`` answer, the ``depth`` answers, the combined stream."""

    exchange_info: CapturedAnswer
    depths: Sequence[CapturedAnswer]
    stream: CapturedStream


def synthetic_market(
    host: MarketHost, exchange: Exchange, hub: StreamHub, random: Random, rate: int, now_ns: int
) -> MarketSource:
    """A market of its own making; every symbol gets its public side."""
    symbols = [listing.symbol for listing in exchange.listings.values()]
    flows = []
    for symbol in symbols:
        listing = exchange.listings[symbol.name]
        feed = EngineFeed(symbol.name, listing.engine, hub, random.getrandbits(32))
        listing.feed = feed
        flow = Flow(listing.engine, symbol.tick, symbol.step, symbol.start_price, symbol.usual_qty, random)
        flow.listing = listing
        feed.settle(exchange.now_ns)
        feed.flush(exchange.now_ns, slow=True)
        flows.append((symbol.name, flow))
    shares = [max(8 - index, 1) for index in range(len(symbols))]
    events_per_second = max(rate * 100 // MESSAGES_PER_HUNDRED_EVENTS, 1)
    pauses = [sum(shares) * 1_000_000_000 // (share * events_per_second) for share in shares]
    return SyntheticMarket(host, flows, pauses, random, now_ns)


def captured_market(
    host: MarketHost, exchange: Exchange, hub: StreamHub, capture: Capture, speed: int
) -> MarketSource:
    """The market that was captured."""
    feeds = {}
    for answer in capture.depths:
        name = _symbol_of(answer.url)
        listing = exchange.listings[name]
        snapshot = msgspec.json.decode(answer.body, type=CapturedSnapshot)
        listing.feed = feeds[name] = CapturedFeed(listing.engine, snapshot)
    return CapturedMarket(host, hub, feeds, capture.stream, speed)


class Flow(SyntheticSymbol):
    """Stands still while its symbol does not trade."""

    listing: Listing

    def happen(self) -> int:
        return super().happen() if self.listing.symbol.info["status"] == "TRADING" else 1


def _symbol_of(url: str) -> str:
    """``symbol`` in a captured ``depth`` URL."""
    return url.partition("symbol=")[2].partition("&")[0]


def captured_symbols(capture: Capture) -> list[Symbol]:
    """The capture's symbols that have a snapshot, with the fields that today's clients need."""
    wanted = [_symbol_of(answer.url) for answer in capture.depths]
    infos = {info["symbol"]: info for info in msgspec.json.decode(capture.exchange_info.body)["symbols"]}
    return [read_symbol(modernise(infos[name])) for name in wanted]


def rich_account(symbols: Sequence[Symbol]) -> Account:
    account = Account(ACCOUNT, 354937868)
    for symbol in symbols:
        for asset in (symbol.base, symbol.quote):
            account.balance(asset).free = BALANCE
    return account
