"""Keys that are known beforehand, sessions in which much goes wrong, and a search for them in every file."""

from __future__ import annotations

import base64
import os
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
import requests

from livestack.control.commands import Role
from livestack.control.keys import new_client
from livestack.node.guard_report import read_report
from tests.live import canaries as canaries_of
from tests.live import configuration, operated
from tests.live.guarded_support import WAIT_S, guard_of, until_gone
from tests.live.operated import client, until
from tests.postgres_support import free_port
from tests.support import Process, Venue, start_node

GUARDED = """
guard_api_key_env = "GUARD_KEY"
guard_secret_env = "GUARD_SECRET"
guard_key_kind = "ed25519"
[guard]
enabled = true
limit = "1s"
"""

FAULTS = (
    "connector.before_ack=raise@40,reader.in_connector_frame=raise@80,"
    "feed.before_message=raise@2,reader.in_feed_frame=raise@300,control.before_message=raise@8"
)
"""Every actor that has the key, or hears of it, fails once, deep inside."""

FAULTY = """
[[fault]]
kind = "wrong_type"
methods = "order.place"
field = "status"
times = 3
[[fault]]
kind = "firewall"
methods = "order.cancel"
times = 2
[[fault]]
kind = "disconnect"
methods = "order.cancelReplace"
times = 2
[[fault]]
kind = "key_revoked"
after = "2s"
"""
"""What the venue does once the node is at work."""

POSTGRES_PASSWORD = "canary/of a postgres+password=0123"
STORAGE_SECRET = "canary/of+an/object/storage+secret=0123"
POSTGRES_URL = "postgresql://canary:{password}@127.0.0.1:{port}/records"
"""Nobody listens at the port, or somebody who refuses."""

EVERYTHING = """
[control]
listen = "tcp://127.0.0.1:{main}"
listen_kill = "tcp://127.0.0.1:{kill}"
listen_publish = "tcp://127.0.0.1:{publish}"
[telemetry]
statsd = "127.0.0.1:{statsd}"
[records]
start_without = true
stop_timeout = "1s"
[records.sinks.lake]
url = "delta+file://{lake}"
[records.sinks.sql]
url_env = "RECORDS_URL"
"""

TWO_SINKS = """[records]
[records.sinks.sql]
url_env = "RECORDS_URL"
[records.sinks.far]
url = "delta+s3://bucket/prefix?endpoint=http://127.0.0.1:{nobody}&region=us-east-1"
"""

PLAIN_LENGTH = 20
"""A line of a private key that is shorter says nothing."""


def forms(secret: str) -> set[bytes]:
    """How ``secret`` could stand in a file: as it is, line by line, and in the encodings that tools like."""
    whole = secret.strip().encode()
    lines = {line for line in whole.splitlines() if len(line) >= PLAIN_LENGTH and b"PRIVATE KEY" not in line}
    assert lines
    found = set()
    for text in {whole, *lines}:
        found |= {
            text,
            text.hex().encode(),
            text.decode().encode("utf-16-le"),
            quote(text.decode(), safe="").encode(),
        }
        found |= {
            base64.b64encode(b"\0" * shift + text)[4:-4] for shift in range(3)
        }  # wherever it begins in what was encoded
    return found


def shown(canaries: Iterable[str], files: Iterable[Path]) -> list[str]:
    """Where a form of a canary is found; there must be something to look through."""
    wanted = {form for canary in canaries for form in forms(canary)}
    looked, found = 0, []
    for path in files:
        data = path.read_bytes()
        looked += len(data)
        found += [f"{path.name}: {form[:8]!r}..." for form in wanted if form in data]
    assert looked > 0
    return found


def files_of(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_the_search_finds(tmp_path: Path) -> None:
    """As it is, by the line, in hexadecimal, Base64 wherever it begins, UTF-16, percent-encoded; and nothing else."""
    secret = "a secret/of this=test+in one+line\nand a second line of it"
    text = secret.partition("\n")[0].encode()
    written = [
        b"x" + text + b"x",
        text.hex().encode(),
        base64.b64encode(b"12" + text + b"3"),
        text.decode().encode("utf-16-le"),
        b"?x=a%20secret%2Fof%20this%3Dtest%2Bin%20one%2Bline",
        b"..and a second line of it..",
    ]
    path = tmp_path / "file"
    for data in written:
        path.write_bytes(data)
        assert shown([secret], [path]), data
    path.write_bytes(b"a secret of another test")
    assert [] == shown([secret], [path])


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    """Its own output, which holds its keys, is not looked through."""
    with Venue(tmp_path_factory.mktemp("venue"), "--seed", "29", *operated.VENUE_ARGUMENTS) as running:
        yield running


def write(directory: Path, venue: Venue) -> Path:
    """A node with everything: a follower, a guard with a key of its own, and a log that says whatever there is."""
    path = configuration.write(
        directory, venue.symbols[:2], operated.RESTLESS, follower='enabled = true\nsnapshot_every = "1s"'
    )
    text = path.read_text().replace('level = "warning"', 'level = "debug"\nformat = "json"')
    text = text.replace(*operated.RATE_LIMIT).replace(
        'secret_env = "VENUE_SECRET"\n', 'secret_env = "VENUE_SECRET"' + GUARDED
    )
    path.write_text(text)
    return path


def with_everything(path: Path, statsd: int) -> dict[str, str]:
    """Add tcp, telemetry, and two sinks, of which one is away. What sinks need of the environment."""
    ports = {name: free_port() for name in ("main", "kill", "publish", "nobody")}
    more = EVERYTHING.format(**ports, statsd=statsd, lake=path.parent / "lake")
    text = path.read_text().replace("[records]\nenabled = false\n", "")
    path.write_text(text.replace("[lease]\n", f"{more}[lease]\n"))
    return {
        "RECORDS_URL": POSTGRES_URL.format(password=quote(POSTGRES_PASSWORD, safe=""), port=ports["nobody"]),
        "AWS_ACCESS_KEY_ID": "canary",
        "AWS_SECRET_ACCESS_KEY": STORAGE_SECRET,
    }


def environment(venue: Venue) -> dict[str, str]:
    guard = venue.key("ed25519")
    return {**venue.environment(), "GUARD_KEY": guard["api_key"], "GUARD_SECRET": guard["secret"]}


def known_to(process: psutil.Process, secrets: dict[str, str]) -> set[str]:
    """The names of those of ``secrets`` that stand in its environment, in any form."""
    found = "\n".join(process.environ().values()).encode()
    return {name for name, secret in secrets.items() if any(form in found for form in forms(secret))}


def wait(condition: Callable[[], bool]) -> None:
    """Until ``condition``, which comes by itself."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline


def test_no_artefact_of_a_session_shows_a_key(venue: Venue, tmp_path: Path) -> None:
    """A sink that is away, actors that fail, a kill, SIGKILL, the guard behind it, a resumed session and its fatal end:
    no key and no secret in any file, answer, publication, datagram, stack, command line, or foreign environment."""
    path = write(tmp_path, venue)
    keys = tmp_path / "data" / "keys"
    keys.mkdir(parents=True, mode=0o700)
    keys.parent.chmod(0o700)
    _, of_operator = new_client(keys, "anna", Role.OPERATOR)
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    storage = with_everything(path, receiver.getsockname()[1])
    venue_secret, guard_secret = venue.key()["secret"], venue.key("ed25519")["secret"]
    named = {"venue": venue_secret, "guard": guard_secret, "sql": POSTGRES_PASSWORD, "far": STORAGE_SECRET}
    canaries = [
        *(text for key in venue.keys for text in (key["api_key"], key["secret"])),
        *(POSTGRES_PASSWORD, STORAGE_SECRET),
        *canaries_of.key_secrets(keys, of_operator),
    ]
    variables = {**environment(venue), **storage}
    with start_node(tmp_path, path, {**variables, "LIVESTACK_FAILPOINTS": FAULTS}) as node:
        for actor in ("connector binance_spot", "feed binance_spot", "control"):
            until(node, lambda actor=actor: f'"actor":"{actor}"' in node.stderr())
        operated.until_trading(venue, node)
        children = until(node, lambda: len(found := canaries_of.children(node)) == 3 and found)
        known = {name: known_to(process, named) for name, process in children.items()}
        assert {"guard": {"guard"}, "follower": set(), "records": {"far"}} == known
        shown_by_ps = canaries_of.arguments([psutil.Process(node.pid), *children.values()])
        (tmp_path / "arguments").write_bytes(shown_by_ps)
        os.kill(node.pid, signal.SIGUSR2)
        until(node, lambda: "Thread 0x" in node.stderr())
        until(node, lambda: any((tmp_path / "lake").rglob("*.parquet")))
        with client(tmp_path) as control:
            (tmp_path / "answers").write_bytes(until(node, lambda: canaries_of.answers(control)))
            until(node, lambda: control.kill("to see its receipt"))
        operated.until_flat(node, tmp_path)
        guard = guard_of(node)
        node.kill()
    try:
        wait(lambda: (report := read_report(tmp_path / "data")) is not None and report.flat)
    finally:
        os.kill(guard, signal.SIGKILL)  # its proof takes 16 s, and is another test's matter
        until_gone(guard)
    with start_node(
        tmp_path, path, {**variables, "LIVESTACK_FAILPOINTS": "harness.before_step=raise@400"}
    ) as node:
        code, output = node.finish()
        assert 4 == code, node.stderr()
    (tmp_path / "stdout.txt").write_text(output)
    (tmp_path / "datagrams").write_bytes(canaries_of.unread(receiver))
    receiver.close()
    (tmp_path / "decoded").write_bytes(canaries_of.decoded(tmp_path))
    files = [one for one in files_of(tmp_path) if keys not in one.parents]
    names = {one.name for one in files}
    assert {
        "stderr-0.txt",
        "stderr-1.txt",
        "stdout.txt",
        "data.mdb",
        "arguments",
        "answers",
        "datagrams",
    } <= names
    for part in ("kill-receipts", "lake"):
        assert any(part in one.parts for one in files)
    assert any(name.startswith("poison-") for name in names)
    assert [] == shown(canaries, files)
    assert {0o600} == {stat.S_IMODE(one.stat().st_mode) for one in files_of(keys) if one.suffix == ".key"}


def test_a_refused_password_shows_nothing_of_it(venue: Venue, tmp_path: Path) -> None:
    """The server was told it, in clear, and says that it is wrong; another storage is away: the start ends with a
    sentence, at debug level."""
    path = configuration.write(tmp_path, venue.symbols[:1], operated.RESTLESS)
    text = path.read_text().replace("[records]\nenabled = false\n", TWO_SINKS.format(nobody=free_port()))
    path.write_text(text.replace('level = "warning"', 'level = "debug"'))
    heard: list[bytes] = []
    with canaries_of.refusing_postgres(heard) as port:
        url = POSTGRES_URL.format(password=quote(POSTGRES_PASSWORD, safe=""), port=port)
        storage = {"AWS_ACCESS_KEY_ID": "canary", "AWS_SECRET_ACCESS_KEY": STORAGE_SECRET}
        with start_node(tmp_path, path, {**venue.environment(), "RECORDS_URL": url, **storage}) as node:
            code, output = node.finish()
    assert 2 == code, node.stderr()
    assert POSTGRES_PASSWORD.encode() in heard[0]
    (tmp_path / "stdout.txt").write_text(output)
    assert [] == shown([POSTGRES_PASSWORD, STORAGE_SECRET], files_of(tmp_path))


def test_what_a_venue_says_wrongly_shows_no_key(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """Answers with a wrong type, firewall pages, cut connections, a revoked key, at debug level."""
    arguments = ("--seed", "31", *operated.VENUE_ARGUMENTS)
    with Venue(tmp_path_factory.mktemp("faulty"), *arguments) as venue:
        path = operated.write(tmp_path, venue, operated.RESTLESS, {'level = "warning"': 'level = "debug"'})
        with operated.start(tmp_path, path, venue) as node:
            operated.until_trading(venue, node)
            assert requests.post(f"{venue.urls['rest']}/sim/faults", data=FAULTY, timeout=30).ok
            for said in ("bad_reply", "-2015"):
                until(node, lambda said=said: said in node.stderr())
            node.kill()
        canaries = [text for key in venue.keys for text in (key["api_key"], key["secret"])]
    assert [] == shown(canaries, files_of(tmp_path))


def test_a_refused_log_on_shows_no_key(venue: Venue, tmp_path: Path) -> None:
    """A wrong secret: the venue's refusal is told, and what was refused is not."""
    wrong = "canary-of-a-secret-that-is-wrong-for-this-key"
    path = configuration.write(tmp_path, venue.symbols[:1], operated.RESTLESS)
    path.write_text(path.read_text().replace('level = "warning"', 'level = "debug"'))
    with start_node(tmp_path, path, {**venue.environment(), "VENUE_SECRET": wrong}) as node:
        wait(lambda: "-1022" in node.stderr() or not node.running())
        node.kill()
        assert "-1022" in node.stderr()
    assert [] == shown([wrong, venue.key()["api_key"]], files_of(tmp_path))


def test_a_traceback_shows_no_key(venue: Venue, tmp_path: Path) -> None:
    """--debug, with a private key that cannot be read: where it failed, and nothing of the key."""
    path = configuration.write(tmp_path, venue.symbols[:1], operated.RESTLESS, key_kind="ed25519")
    canary = "bm90LWEta2V5LWJ1dC1hLWNhbmFyeS1vZi10aGlzLXRlc3Q"
    secret = f"-----BEGIN PRIVATE KEY-----\n{canary}\n-----END PRIVATE KEY-----\n"
    arguments = ["--debug", "start", "-c", str(path), "--data-dir", str(tmp_path / "data")]
    with Process(arguments, tmp_path, {**venue.environment(), "VENUE_SECRET": secret}) as node:
        code, output = node.finish()
    assert 0 != code
    assert "Traceback" in node.stderr()
    (tmp_path / "stdout.txt").write_text(output)
    assert [] == shown([secret], files_of(tmp_path))
