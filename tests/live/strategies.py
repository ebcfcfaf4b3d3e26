"""Strategy tables for the configurations that tests write."""

MARKET_MAKER = """
[strategy]
path = "livestack.strategies.market_maker:MarketMaker"
[strategy.parameters]
instrument = "binance_spot:{symbol}"
"""
