"""How a session's summary is shown to people; ``start`` and ``backtest`` share it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from livestack.summary import SessionSummary

FRACTION_SHOWN = 8
"""Digits behind the point that people are shown; ``--json`` has them all."""


def show(summary: SessionSummary, more: Mapping[str, str] = MappingProxyType({})) -> None:
    """The summary for people, with ``more`` rows before the digest; fits 80 columns."""
    console = Console()
    table = Table(title=f"Session {summary.session}", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    fees = [f"{short(fee)} {asset}" for asset, fee in summary.fees.items()]
    rows = {
        "ended": summary.reason,
        **({"resumed": "after an interruption"} if summary.recovered else {}),
        "Events": f"{summary.events:,}",
        "market Events": f"{summary.market_events:,}",
        "Intents": f"{summary.intents:,}",
        "denied": f"{summary.denied:,}",
        "dispatches": f"{summary.dispatches:,}",
        "orders": f"{summary.orders:,}",
        "fills": f"{summary.fills:,}",
        **{f"realised P&L {asset}": short(amount) for asset, amount in summary.realised_pnl.items()},
        "fees": "\n".join(fees) or "none",
        **more,
        "digest": f"{summary.digest[:16]}… at seq {summary.last_seq:,}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)
    if summary.positions:
        console.print(_positions(summary))
    for notice, times in summary.notices.items():
        console.print(
            f"[red]{escape(notice)}[/]" + (f" ({times:,} times)" if times > 1 else ""), highlight=False
        )
    for rule, denial in summary.denials.items():
        console.print(f"[yellow]{rule} denied {denial.count:,}[/]: {denial.first}", highlight=False)


def short(decimal: str) -> str:
    """A decimal string for the eye: at most eight digits behind the point, no zeros at the end."""
    whole, _, fraction = decimal.partition(".")
    fraction = fraction[:FRACTION_SHOWN].rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole


def _positions(summary: SessionSummary) -> Table:
    table = Table(title="Positions", title_justify="left")
    for name in ("instrument", "quantity", "average price", "realised P&L"):
        table.add_column(name, justify="left" if name == "instrument" else "right", no_wrap=True)
    for position in summary.positions:
        values = (position.qty, position.average_price, position.realised_pnl)
        table.add_row(position.instrument, *map(short, values))
    return table
