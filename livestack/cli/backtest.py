"""``livestack backtest``: run the configured strategy against history and a simulated venue; nothing is sent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from livestack.cli.main import data_directory
from livestack.cli.outcome import short, show
from livestack.cli.parameters import DURATION, data_dir_option
from livestack.core.types import format_decimal
from livestack.research.backtest import AMOUNT_DECIMALS, Backtest, BacktestSummary
from livestack.research.equity import Curve
from livestack.research.history import Wanted, open_history
from livestack.settings import inspect

BARS = "▁▂▃▄▅▆▇█"
PLOT_WIDTH = 60
"""Columns of the equity plot; with its label it fits 80."""


@click.command()
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), required=True, help="The session's TOML file."
)
@click.option(
    "--events",
    required=True,
    metavar="EVENTS",
    help='A capture, a journal ("latest", a session) or "synthetic".',
)
@click.option("--for", "duration_ns", type=DURATION, default=0, help="Only so much session time, e.g. 2h.")
@click.option("--seed", type=click.IntRange(min=0), default=7, help="Of the synthetic market (default 7).")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
@data_dir_option
def backtest(
    data_dir: Path | None, path: Path, events: str, duration_ns: int, seed: int, as_json: bool
) -> None:
    """Run the strategy of a configuration file against past or synthetic market data, with a simulated venue.

    Keys and addresses that the file refers to are not needed.
    """
    settings, configuration = inspect(path)
    directory = data_directory(data_dir) if data_dir else Path(settings.data_dir)
    history = open_history(Wanted(events, directory, duration_ns, seed), settings)
    with closing(history):
        running = Backtest(settings, configuration, history, duration_ns)
        span_ns = min(history.end_ns, running.end_ns) - history.start_ns
        with _progress(history.start_ns, span_ns) as progress:
            summary = running.run(progress)
    if as_json:
        click.echo(msgspec.json.encode(summary))
    else:
        show(summary, rows(summary))
        for asset, curve in running.equity.curves.items():
            _plot(asset, curve)
    if summary.exit:
        click.secho(f"livestack: {summary.reason}", fg="red", err=True)
    sys.exit(summary.exit)


def rows(summary: BacktestSummary) -> dict[str, str]:
    """What a backtest says beyond a session's summary."""
    return {
        **{f"unrealised P&L {asset}": short(amount) for asset, amount in summary.unrealised_pnl.items()},
        **{f"max drawdown {asset}": short(amount) for asset, amount in summary.max_drawdown.items()},
        "balances": "\n".join(f"{short(amount)} {asset}" for asset, amount in summary.balances.items()),
        "session time": f"{summary.started} to\n{summary.stopped}",
        "speed": f"{summary.events_per_s:,} Events/s",
    }


def sparkline(values: Sequence[int], width: int = PLOT_WIDTH) -> str:
    """``values`` as a row of at most ``width`` bars between their least and their greatest."""
    if not values:
        return ""
    count = min(width, len(values))
    columns = [values[(index + 1) * len(values) // count - 1] for index in range(count)]
    low, high = min(columns), max(columns)
    span = max(high - low, 1)
    return "".join(BARS[(value - low) * (len(BARS) - 1) // span] for value in columns)


def _plot(asset: str, curve: Curve) -> None:
    if not curve.points:
        return
    console = Console()
    points = (curve.points[-1], min(curve.points), max(curve.points))
    last, low, high = (short(format_decimal(one, AMOUNT_DECIMALS)) for one in points)
    console.print(f"Equity {asset}: {last} at the end, lowest {low}, highest {high}", highlight=False)
    console.print(sparkline(curve.points), highlight=False)


@contextmanager
def _progress(start_ns: int, span_ns: int) -> Iterator[Callable[[int], None]]:
    """A bar of session time on stderr where that is a terminal; otherwise nothing."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("backtesting"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=span_ns)
        yield lambda ts: progress.update(task, completed=ts - start_ns)
