"""Shipped strategies, examples that really trade, and how a strategy is loaded. Pure but for the import of a class."""
