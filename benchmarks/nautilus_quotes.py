"""The same quotes through NautilusTrader's backtest engine, by its low-level API. Run by core_throughput.py.

    .venv-nautilus/bin/python -m benchmarks.nautilus_quotes --events 1000000 [--every 100 [--hold 1]]

Runs in an interpreter of its own, without ``livestack``. The quotes are made and added beforehand, logging is bypassed
and no statistics are made; only ``engine.run()`` is timed, in CPU seconds. ``--every 0``: a subscribed handler that
does nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from decimal import Decimal

from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide, TimeInForce
from nautilus_trader.model.identifiers import TraderId, Venue
from nautilus_trader.model.instruments import Instrument
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

from benchmarks.market_data import INTERVAL_NS, ORDER_QTY, PRICE_DECIMALS, QTY_DECIMALS, START_NS, quotes


class Idle(Strategy):
    """Subscribed, and wants nothing."""

    def __init__(self, instrument: Instrument) -> None:
        super().__init__()
        self.instrument = instrument
        self.orders = 0

    def on_start(self) -> None:
        self.subscribe_quote_ticks(self.instrument.id)

    def on_quote_tick(self, tick: QuoteTick) -> None:
        pass


class Taker(Idle):
    """One IOC order at the opposite best every ``every`` quotes, buying and selling in turn.

    Flat after every second order, or, with ``hold``, never again after the first: the second one buys as well.
    """

    def __init__(self, instrument: Instrument, every: int, hold: bool) -> None:
        super().__init__(instrument)
        self.every = every
        self.hold = hold
        self.quotes = 0
        self.qty = instrument.make_qty(Decimal(ORDER_QTY).scaleb(-QTY_DECIMALS))

    def on_quote_tick(self, tick: QuoteTick) -> None:
        self.quotes += 1
        if self.quotes % self.every:
            return
        self.orders += 1
        buy = self.orders % 2 == 1 or (self.hold and self.orders == 2)
        order = self.order_factory.limit(
            instrument_id=self.instrument.id,
            order_side=OrderSide.BUY if buy else OrderSide.SELL,
            quantity=self.qty,
            price=tick.ask_price if buy else tick.bid_price,
            time_in_force=TimeInForce.IOC,
        )
        self.submit_order(order)


def quote_ticks(instrument: Instrument, count: int) -> list[QuoteTick]:
    """The quotes of ``market_data`` as this library's objects."""
    assert (instrument.price_precision, instrument.size_precision) == (PRICE_DECIMALS, QTY_DECIMALS)

    def price(value: int) -> Price:
        return Price(value / 10**PRICE_DECIMALS, PRICE_DECIMALS)

    def quantity(value: int) -> Quantity:
        return Quantity(value / 10**QTY_DECIMALS, QTY_DECIMALS)

    return [
        QuoteTick(
            instrument_id=instrument.id,
            bid_price=price(bid),
            ask_price=price(ask),
            bid_size=quantity(bid_qty),
            ask_size=quantity(ask_qty),
            ts_event=START_NS + number * INTERVAL_NS,
            ts_init=START_NS + number * INTERVAL_NS,
        )
        for number, (bid, bid_qty, ask, ask_qty) in enumerate(quotes(count), 1)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--every", type=int, default=0)
    parser.add_argument("--hold", type=int, default=0, help="1: never flat again after the first order")
    options = parser.parse_args()
    instrument = TestInstrumentProvider.btcusdt_binance()
    engine = BacktestEngine(
        BacktestEngineConfig(
            trader_id=TraderId("BENCH-001"),
            logging=LoggingConfig(log_level="ERROR", bypass_logging=True),
            run_analysis=False,
        )
    )
    engine.add_venue(
        venue=Venue("BINANCE"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.CASH,
        base_currency=None,
        starting_balances=[Money(10_000_000, USDT), Money(1_000, BTC)],
    )
    engine.add_instrument(instrument)
    strategy = Taker(instrument, options.every, bool(options.hold)) if options.every else Idle(instrument)
    engine.add_strategy(strategy)
    engine.add_data(quote_ticks(instrument, options.events))
    gc.collect()
    gc.freeze()
    begun, begun_cpu = time.perf_counter(), time.process_time()
    engine.run()
    seconds, wall = time.process_time() - begun_cpu, time.perf_counter() - begun
    filled = sum(
        1 for order in engine.cache.orders() if order.is_closed and order.filled_qty == order.quantity
    )
    figures = {"per_second": options.events / seconds, "seconds": seconds, "wall_seconds": wall}
    print(json.dumps({**figures, "orders": strategy.orders, "filled": filled}))


if __name__ == "__main__":
    main()
