"""Faults as a real client meets them: answers that break off, come late, or never; refused and half-open sockets."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from livestack.simulator.binance_spot import BinanceSpotVenue, VenueSettings, make_keys
from livestack.simulator.binance_spot.frame_faults import frame_bytes
from livestack.simulator.binance_spot.limits import LimitSizes
from livestack.simulator.faults import rule
from livestack.simulator.server import VenueServer

PACE = 200
PING = b'{"id":1,"method":"ping"}'
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: venue\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@asynccontextmanager
async def serving(
    pace: int = 1, clock: Callable[[], int] | None = None, **settings: Any
) -> AsyncIterator[VenueServer]:
    """A venue on a port of its own. ``settings`` are the venue's."""
    wanted = VenueSettings(**{"symbols": 1, "rate": 1, **settings})
    venue = BinanceSpotVenue(make_keys(1), random.Random(1), clock() if clock else time.time_ns(), wanted)
    server = VenueServer(venue, pace=pace, clock=clock)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def connect(
    server: VenueServer, path: str = "/ws-api/v3"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """A WebSocket by hand, for what a library would hide; with the status line of the handshake's answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(HANDSHAKE.format(path=path).encode())
    head = await reader.readuntil(b"\r\n\r\n")
    return reader, writer, head.partition(b"\r\n")[0]


def masked(payload: bytes) -> bytes:
    """A text frame as clients send it, with the mask that changes nothing."""
    assert len(payload) < 126
    return bytes((0x81, 0x80 | len(payload), 0, 0, 0, 0)) + payload


async def until_broken(reader: asyncio.StreamReader) -> bytes:
    """Everything that comes before the other side is gone."""
    data = b""
    try:
        while part := await asyncio.wait_for(reader.read(1 << 16), 20):
            data += part
    except ConnectionResetError:
        pass
    return data


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


@pytest.mark.parametrize("at_byte", [0, 1, 2, 9])
def test_a_frame_breaks_off_at_any_byte(at_byte: int) -> None:
    """The first bytes of the answer's frame, then the connection is gone."""

    async def scenario() -> None:
        async with serving() as server:
            reader, writer, _ = await connect(server)
            server.venue.inject([rule("disconnect", at_byte=at_byte)])
            writer.write(masked(b'{"id":1,"method":"ping","params":{"returnRateLimits":false}}'))
            data = await until_broken(reader)
            assert frame_bytes('{"id":1,"status":200,"result":{}}')[:at_byte] == data
            writer.close()

    run(scenario)


@pytest.mark.parametrize("at_byte", [0, 20, 100])
def test_a_rest_answer_breaks_off(at_byte: int) -> None:
    """At a byte of the head or of the body."""

    async def scenario() -> None:
        async with serving() as server:
            server.venue.inject([rule("disconnect", at_byte=at_byte)])
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /api/v3/exchangeInfo HTTP/1.1\r\nHost: venue\r\n\r\n")
            data = await until_broken(reader)
            assert at_byte == len(data)
            assert data == b"HTTP/1.1 200 OK\r\nCon"[:at_byte] or at_byte == 100
            writer.close()

    run(scenario)


def test_a_rest_answer_is_late() -> None:
    """On the way there and on the way back; by the venue's clock."""

    async def scenario() -> None:
        async with serving(PACE) as server, aiohttp.ClientSession() as session:
            server.venue.inject([rule("latency", way="both", delay="20s", sides="rest")])
            begun_ns = server.now_ns()
            async with session.get(f"{server.urls['rest']}/api/v3/time") as answer:
                assert 200 == answer.status
                executed_ns = (await answer.json())["serverTime"] * 1_000_000
            assert 20_000_000_000 <= executed_ns + 1_000_000 - begun_ns
            assert 40_000_000_000 <= server.now_ns() - begun_ns

    run(scenario)


def test_connections_are_refused() -> None:
    """By an abort before anything is answered, by 503 in maintenance, by 429 for the one that is too many."""

    async def scenario() -> None:
        limits = LimitSizes(connections_per_5_minutes=3)
        async with serving(limits=limits) as server:
            server.venue.inject([rule("refused", lasts="1h")])
            server.venue.advance(server.now_ns())
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await connect(server)
            server.venue.clear_faults()
            server.venue.inject([rule("maintenance", lasts="1h")])
            server.venue.advance(server.now_ns())
            _, writer, status = await connect(server)
            assert b"HTTP/1.1 503 Service Unavailable" == status
            writer.close()
            server.venue.clear_faults()
            _, writer, status = await connect(server)
            assert b"HTTP/1.1 101 Switching Protocols" == status
            _, refused, status = await connect(server)
            assert b"HTTP/1.1 429 Too Many Requests" == status
            assert {"connections": 1} == server.venue.violations
            assert 4 == server.venue.busiest["CONNECTIONS 5M"]
            writer.close()
            refused.close()

    run(scenario)


def test_a_half_open_connection_gets_no_pings() -> None:
    """Nothing comes for minutes, and nobody hangs up; another connection is pinged meanwhile."""

    async def scenario() -> None:
        async with serving(PACE) as server:
            reader, writer, _ = await connect(server)
            server.venue.inject([rule("mute", sides="ws_api")])
            server.venue.advance(server.now_ns())
            writer.write(masked(PING))
            other, other_writer, _ = await connect(server)
            assert 0x89 == (await asyncio.wait_for(other.readexactly(1), 20))[0]
            await until_broken(other)  # it answers no ping and is hung up on, which takes more than a minute
            await server.stop()
            assert b"" == await until_broken(reader)
            writer.close()
            other_writer.close()

    run(scenario)


def test_pings_and_their_deadline_follow_the_pace() -> None:
    """A ping with a payload every 20 seconds of the venue's time; who answers stays."""

    async def scenario() -> None:
        async with (
            serving(PACE) as server,
            aiohttp.ClientSession() as session,
            session.ws_connect(server.urls["ws_api"], autoping=False) as socket,
        ):
            begun_ns, payloads = server.now_ns(), []
            while len(payloads) < 5:
                message = await socket.receive(20)
                assert WSMsgType.PING is message.type
                payloads.append(message.data)
                await socket.pong(message.data)
            assert all(payloads)
            assert 80_000_000_000 < server.now_ns() - begun_ns < 160_000_000_000
            await socket.send_str(PING.decode())
            assert 200 == json.loads((await socket.receive(20)).data)["status"]

    run(scenario)


def test_the_clock_can_be_somebody_elses() -> None:
    """A campaign gives one clock to both sides."""

    async def scenario() -> None:
        async with (
            serving(clock=lambda: 1_900_000_000_000_000_000) as server,
            aiohttp.ClientSession() as session,
            session.get(f"{server.urls['rest']}/api/v3/time") as answer,
        ):
            assert {"serverTime": 1_900_000_000_000} == await answer.json()

    run(scenario)


def test_faults_are_steered_over_http() -> None:
    """POST puts them in, GET tells, DELETE takes them out."""

    async def scenario() -> None:
        async with serving() as server, aiohttp.ClientSession() as session:
            url = f"{server.urls['rest']}/sim/faults"
            async with session.post(url, data='[[fault]]\nkind = "firewall"\n') as answer:
                assert ["firewall"] == [one["kind"] for one in (await answer.json())["active"]]
            async with session.get(f"{server.urls['rest']}/api/v3/time") as answer:
                assert (403, "text/html") == (answer.status, answer.content_type)
            async with session.get(url) as answer:
                assert {"firewall": 1} == (await answer.json())["counts"]
            async with session.delete(url) as answer:
                assert [] == (await answer.json())["active"]
            async with session.post(url, data="kind = ") as answer:
                assert 400 == answer.status

    run(scenario)
