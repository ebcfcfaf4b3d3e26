"""``livestack venue``: the simulated venue as a server of its own. I/O; runs on the main thread until it is stopped."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from livestack.cli.parameters import DURATION
from livestack.exceptions import LivestackError, UsageError
from livestack.simulator.binance_spot.instruments import SYMBOLS_MAX
from livestack.simulator.binance_spot.limits import LimitSizes
from livestack.simulator.binance_spot.signing import make_keys
from livestack.simulator.binance_spot.venue import BinanceSpotVenue, VenueSettings
from livestack.simulator.capture_files import load_binance_capture
from livestack.simulator.fault_kinds import Rule
from livestack.simulator.faults import read_rules
from livestack.simulator.server import VenueServer

RATE_MAX = 200_000  # messages/s; far above what one process makes
SPEED_MAX = 10_000
ALLOWANCE_MAX = 1_000_000
FAILURE_CHECK_S = 0.25
FAULTS_BYTES_MAX = 1 << 20


class Offset(click.ParamType[int]):
    """A duration, with a minus in front where it is behind."""

    name = "offset"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        size = DURATION.convert(str(value).removeprefix("-"), param, ctx)
        return -size if str(value).startswith("-") else size


@click.group()
def venue() -> None:
    """Run a simulated venue for tests, demonstrations and development."""


@venue.command("binance-spot")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Local port; 0 takes a free one.")
@click.option("--capture", type=click.Path(path_type=Path), help="Folder with captured traffic to play.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of market, keys and faults.")
@click.option(
    "--speed",
    type=click.FloatRange(0, SPEED_MAX),
    default=1.0,
    show_default=True,
    help="Pace of a capture: 10 plays ten times faster, 0 everything at once.",
)
@click.option("--symbols", type=click.IntRange(1, SYMBOLS_MAX), default=4, show_default=True)
@click.option(
    "--rate",
    type=click.IntRange(1, RATE_MAX),
    default=200,
    show_default=True,
    help="Market messages a second, all symbols together, about.",
)
@click.option(
    "--allowance",
    type=click.IntRange(1, ALLOWANCE_MAX),
    default=1,
    show_default=True,
    help="Times the venue's request limits, for many nodes behind one address.",
)
@click.option("--faults", type=click.Path(path_type=Path), help="TOML file with faults to make.")
@click.option(
    "--connection-life",
    "connection_life_ns",
    type=DURATION,
    default="24h",
    show_default=True,
    help="The venue hangs up on a connection that old.",
)
@click.option(
    "--clock-skew",
    "clock_skew_ns",
    type=Offset(),
    default=0,
    help="The venue's clock is that far ahead, or with a minus behind: 30s, -2s.",
)
@click.option(
    "--sapi/--no-sapi",
    default=True,
    show_default=True,
    help="Whether it tells what a key may do, as the live venue does; the test network answers 404.",
)
@click.option("--json", "as_json", is_flag=True, help="First line of output is one JSON object.")
def binance_spot(
    port: int,
    capture: Path | None,
    seed: int,
    speed: float,
    symbols: int,
    rate: int,
    allowance: int,
    faults: Path | None,
    connection_life_ns: int,
    clock_skew_ns: int,
    sapi: bool,
    as_json: bool,
) -> None:
    """Serve the Binance Spot protocol on this machine until stopped.

    The first line of output tells the URLs, the test account's API keys and the symbols. The market is synthetic, from
    the seed, or a captured one that begins to play when the first client subscribes.
    """
    settings = VenueSettings(
        symbols=symbols,
        rate=rate,
        speed=round(speed * 1000),
        limits=LimitSizes().times(allowance),
        connection_life_ns=connection_life_ns,
        clock_skew_ns=clock_skew_ns,
        sapi=sapi,
        fault_seed=seed,
    )
    try:
        rules = _read_faults(faults) if faults is not None else ()
        recorded = load_binance_capture(capture) if capture is not None else None
        simulated = BinanceSpotVenue(
            make_keys(seed), random.Random(seed), time.time_ns(), settings, recorded, rules
        )
        asyncio.run(_serve(VenueServer(simulated, port), as_json))
    except LivestackError as error:
        click.echo(f"livestack venue: {error}", err=True)
        raise SystemExit(error.exit_code) from None


def _read_faults(path: Path) -> tuple[Rule, ...]:
    try:
        if path.stat().st_size > FAULTS_BYTES_MAX:
            raise UsageError(f"{path}: a file of faults has at most {FAULTS_BYTES_MAX} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text; faults are tables [[fault]] in TOML") from None
    return read_rules(text, str(path))


async def _serve(server: VenueServer, as_json: bool) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await server.start()
    try:
        _announce(server, as_json)
        while not stopped.is_set() and (failure := server.failure()) is None:
            try:
                await asyncio.wait_for(stopped.wait(), FAILURE_CHECK_S)
            except TimeoutError:
                continue
        if not stopped.is_set() and failure is not None:
            raise failure
    finally:
        await server.stop()


def _announce(server: VenueServer, as_json: bool) -> None:
    keys: list[dict[str, Any]] = [
        {"name": key.name, "kind": key.kind, "api_key": key.api_key, "secret": key.secret}
        for key in server.venue.keys
    ]
    if as_json:
        announcement = {
            "urls": server.urls,
            "keys": keys,
            "symbols": server.venue.symbols,
            "faults": [rule.kind for rule in server.venue.active_faults],
        }
        click.echo(msgspec.json.encode(announcement).decode())
        return
    click.echo(f"Simulated Binance Spot at {server.urls['rest']} with {', '.join(server.venue.symbols)}")
    if server.venue.active_faults:
        kinds = dict.fromkeys(rule.kind for rule in server.venue.active_faults)
        click.echo(f"  faults are active: {', '.join(kinds)}")
    for name, url in server.urls.items():
        click.echo(f"  {name:<8}{url}")
    for key in keys:
        click.echo(f"  key {key['name']} ({key['kind']}): {key['api_key']}")
        click.echo(key["secret"])
