"""What would keep a session from starting, looked at one thing after another, without starting or changing anything.

Each look makes findings: what it was about, how it is, what to do. One that fails keeps no other one from being made,
unless that needs what failed. To venues go only questions that `livestack start` asks, too. Main thread.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from livestack.control.endpoints import endpoints, stranger
from livestack.control.keys import load_server
from livestack.exceptions import ConfigurationError, HeldError, LivestackError, UnreachableError, UsageError
from livestack.journal.directory import DataDirectory
from livestack.journal.space import Space
from livestack.lease.identity import Holder
from livestack.node.adapters import ADAPTERS
from livestack.node.composition import Seams, VenueParts
from livestack.node.sink_check import check_sinks
from livestack.node.venue_parts import ask, venue_parts
from livestack.settings import Settings, inspect, load
from livestack.storage.place import default_url
from livestack.telemetry.logs import file_of
from livestack.venue_settings import VenueSettings
from livestack.venues.adapter import Setback

SKEW_NS_MAX: Final = 1_000_000_000
"""Requests are stamped with the venue's time as far as it is measured; people compare logs by this machine's."""

CONNECT_TIMEOUT_S: Final = 5.0

WITHOUT: Final = "a start goes on without it: [records] start_without = true"

_PORTS: Final = {"ws": 80, "wss": 443}

Looking = Callable[[str], None]
"""Hears what is looked at next."""


class Finding(msgspec.Struct, frozen=True):
    """``what`` was looked at; ``text`` says how it is, ``advice`` what to do. ``exit``: what a start would end with."""

    what: str
    state: Literal["ok", "warning", "wrong"]
    text: str
    advice: str = ""
    exit: int = 0


def diagnose(
    path: Path,
    data_dir: Path | None,
    environment: Mapping[str, str],
    make_seams: Callable[[Settings], Seams],
    looking: Looking = lambda what: None,
) -> Iterator[Finding]:
    """Everything about the file at ``path``; ``data_dir``: instead of the file's own."""
    looking("configuration")
    settings, faults = _settings(path, environment)
    yield from faults
    if settings is None:
        return
    if data_dir is not None:
        settings = msgspec.structs.replace(settings, data_dir=str(data_dir))
    looking("data directory")
    yield from _data_directory(settings)
    yield from _log(settings)
    looking("control endpoint")
    yield from _control(settings)
    if settings.lease.postgres_url_env is not None:
        looking("lease server")
        yield _lease(settings, settings.lease.postgres_url_env, environment, make_seams(settings))
    looking("record sinks")
    yield from _sinks(settings, environment)
    whole = not any(one.state == "wrong" for one in faults)
    for venue, one in settings.venues.items():
        looking(f"venue {venue}")
        if whole:
            yield from _venue(venue, one, make_seams(settings), environment)
        else:
            yield Finding(f"venue {venue}", "warning", "not asked", "put the configuration right first")


def _settings(path: Path, environment: Mapping[str, str]) -> tuple[Settings | None, list[Finding]]:
    """The settings, None where the file does not even have any; and what is to be said of it."""
    try:
        settings, configuration = load(path, environment)
    except ConfigurationError as error:
        found = [
            Finding("configuration", "wrong", f"{key or error.source}: {text}", exit=error.exit_code)
            for key, text in error.faults
        ]
    except OSError as error:
        return None, [Finding("configuration", "wrong", f"{path}: {error.strerror}", exit=2)]
    else:
        strategy, venues = configuration.strategy.path, ", ".join(settings.venues)
        keys = f"the keys of {venues} can be read"
        return settings, [Finding("configuration", "ok", f"{path}: {strategy} at {venues}; {keys}")]
    try:
        return inspect(path)[0], found
    except LivestackError:
        return None, found


def _wrong(what: str, error: LivestackError, advice: str = "") -> Finding:
    return Finding(what, "wrong", str(error), advice, error.exit_code)


def _data_directory(settings: Settings) -> Iterator[Finding]:
    """Whether it can be used, and what room its disk has."""
    what, path = "data directory", Path(settings.data_dir)
    there = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    if not there.is_dir():
        yield Finding(
            what, "wrong", f"{there} is not a directory", "name another data_dir", HeldError.exit_code
        )
        return
    if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
        text = f"this user may not write to {there}"
        yield Finding(
            what, "wrong", text, f"chown it, or name another data_dir than {path}", HeldError.exit_code
        )
        return
    if there == path.absolute() and there.stat().st_mode & 0o022:
        yield Finding(what, "wrong", f"others may write to {path}", f"chmod 700 {path}", HeldError.exit_code)
        return
    space = Space(there, settings.journal.headroom, settings.journal.ballast)
    try:
        space.check()
    except HeldError as error:
        yield _wrong(what, error)
        return
    free = f"{space.free() // 1_000_000:,} MB free"
    if DataDirectory(path).is_held():
        advice = "stop that node before you start another one there"
        yield Finding(what, "warning", f"{path}: a node is running in it; {free}", advice)
    else:
        made = "" if path.exists() else ", will be made"
        yield Finding(what, "ok", f"{path}{made}; {free}")


def _log(settings: Settings) -> Iterator[Finding]:
    """Whether the log's own file can be written, where it has one; none is made."""
    path = file_of(settings.log, Path(settings.data_dir))
    if path is None:
        return
    there = next(one for one in (path.absolute(), *path.absolute().parents) if os.path.lexists(one))
    is_file = there == path.absolute()
    is_right = there.is_file() if is_file else there.is_dir()
    if is_right and os.access(there, os.W_OK if is_file else os.W_OK | os.X_OK):
        yield Finding("log", "ok", f"{path}{'' if is_file else ', will be made'}")
        return
    text = (
        f"this user may not write to {there}"
        if is_right
        else f"{there} is no {'file' if is_file else 'directory'}"
    )
    advice = "name a file in a directory of the node's own as log.file"
    yield Finding("log", "wrong", text, advice, ConfigurationError.exit_code)


def _control(settings: Settings) -> Iterator[Finding]:
    """Whether sockets can be where operators look for them."""
    what, data_dir = "control endpoint", Path(settings.data_dir)
    place = Path(endpoints(data_dir).control.removeprefix("ipc://"))
    running = DataDirectory(data_dir).is_held()
    if cause := stranger(place):
        yield Finding(what, "wrong", cause, f"remove {place.parent}, or make it yours", HeldError.exit_code)
        return
    control = settings.control
    addresses = [one for one in (control.listen, control.listen_kill, control.listen_publish) if one]
    try:
        if addresses:
            load_server(data_dir / "keys")
        for address in () if running else addresses:
            _can_listen(address)
    except LivestackError as error:
        yield _wrong(what, error)
        return
    yield Finding(what, "ok", ", ".join([str(place), *addresses]))


def _can_listen(address: str) -> None:
    """``HeldError`` where nobody can listen at ``tcp://HOST:PORT`` now."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if host in (name for _, name in socket.if_nameindex()):
        return
    name = None if host == "*" else host.strip("[]")
    try:
        family, kind, _, _, place = socket.getaddrinfo(
            name, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(place)
    except (OSError, OverflowError) as error:
        raise HeldError(address, str(getattr(error, "strerror", "") or error)) from None


def _lease(settings: Settings, variable: str, environment: Mapping[str, str], seams: Seams) -> Finding:
    """Whether the server of the account lease answers; no lock is taken."""
    from livestack.lease.postgres import PostgresLock  # noqa: PLC0415 - only who has such a server loads libpq

    holder = Holder.here(settings.node.name, Path(settings.data_dir), seams.clock)
    try:
        lock = PostgresLock(environment.get(variable, "").strip(), variable, [], holder, 1)
        try:
            lock.hold()
        finally:
            lock.release()
    except LivestackError as error:
        return _wrong("lease server", error)
    return Finding("lease server", "ok", f"the server of {variable} answers")


def _sinks(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Every place for records, the default one too."""
    if not settings.records.enabled:
        text = "records are not shipped: [records] enabled = false"
        yield Finding("record sinks", "warning", text, "livestack records ship does it by hand")
        return
    here = default_url(Path(settings.data_dir))
    sinks = {
        name: msgspec.structs.replace(sink, url=here) if sink.url is None and sink.url_env is None else sink
        for name, sink in settings.records.in_use.items()
    }
    records = msgspec.structs.replace(settings.records, sinks=sinks)
    try:
        checked = check_sinks(msgspec.structs.replace(settings, records=records), environment)
    except ConfigurationError as error:
        for key, text in error.faults:
            yield Finding("record sinks", "wrong", f"{key}: {text}", exit=error.exit_code)
        return
    for one in checked:
        what = f"sink {one.place.name}"
        if one.error and not one.refused and settings.records.start_without:
            yield Finding(what, "warning", one.error, WITHOUT)
        elif one.error:
            code = UsageError.exit_code if one.refused else UnreachableError.exit_code
            yield Finding(what, "wrong", one.error, exit=code)
        else:
            yield Finding(what, "ok", one.address)


def _venue(
    venue: str, settings: VenueSettings, seams: Seams, environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Whether it answers, knows the symbols and the key, and what its clock says."""
    what = f"venue {venue}"
    try:
        parts = venue_parts(venue, settings, seams, environment)
    except LivestackError as error:
        yield _wrong(what, error)
        return
    names = ", ".join(settings.symbols)
    yield Finding(what, "ok", f"{settings.rest_url}: knows {names} and their filters, and takes the key")
    yield _clock(what, parts, seams)
    for url in (settings.stream_url, settings.ws_api_url):
        yield _stream(what, url)


def _clock(what: str, parts: VenueParts, seams: Seams) -> Finding:
    """How far this machine's clock is from the venue's."""
    resort = ADAPTERS[parts.settings.adapter](parts.settings).last_resort(parts.credentials)
    http = seams.http("doctor")
    try:
        before_ns = seams.clock.wall_ns()
        told = resort.read_time(ask(http, parts.settings.rest_url, resort.time()))
        after_ns = seams.clock.wall_ns()
    finally:
        http.close()
    if isinstance(told, Setback):
        return Finding(
            what, "wrong", f"it does not tell its time: {told.text}", exit=UnreachableError.exit_code
        )
    ahead_ns = (before_ns + after_ns) // 2 - told * 1_000_000
    size, side = abs(ahead_ns) // 1_000_000, "ahead of" if ahead_ns > 0 else "behind"
    text = f"this machine's clock is {size:,} ms {side} the venue's"
    if abs(ahead_ns) - (after_ns - before_ns) // 2 > SKEW_NS_MAX:
        return Finding(what, "warning", text, "have the clock set by NTP: timedatectl set-ntp true")
    return Finding(what, "ok", text)


def _stream(what: str, url: str) -> Finding:
    """Whether somebody listens at ``url``; nothing is said to them."""
    parts = urlsplit(url)
    try:
        with socket.create_connection(
            (parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 443)), CONNECT_TIMEOUT_S
        ):
            return Finding(what, "ok", f"{url}: can be connected to")
    except OSError as error:
        text = f"cannot connect to {url}: {error.strerror or error}"
        return Finding(
            what, "wrong", text, "check address, name service and firewall", UnreachableError.exit_code
        )
