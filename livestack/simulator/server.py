"""Hosts a simulated venue on one local port: REST, market streams and the WebSocket API. I/O; one asyncio thread.

Everything that the venue means is in the pure ``BinanceSpotVenue``; here are only sockets and the clock. aiohttp speaks
HTTP and takes WebSocket connections; outgoing text frames are written here, many to a socket write, because at 20 000
frames a second one write (and one coroutine) per frame is most of the cost.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from livestack.exceptions import UnreachableError
from livestack.simulator.binance_spot.faults import SWITCHING
from livestack.simulator.binance_spot.frame_faults import frame_header
from livestack.simulator.binance_spot.venue import BinanceSpotVenue, ConnectionKind

HOST = "127.0.0.1"
TICK_S_MIN = 0.001  # messages that fall into the same millisecond leave in one write
TICK_S_MAX = 0.1  # how long a signal or a quiet market may wait for the loop
PING_S = 20  # the venue's own rhythm
PONG_S_MAX = 60
BUFFER_BYTES_MAX = 32 << 20  # about ten seconds of 20 000 messages/s; a client further behind is hung up on
INCOMING_BYTES_MAX = 64 << 10  # no request is anywhere near that
CLOSE_S_MAX = 2  # for clients that do not answer a closing handshake
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: an abort tells the other side so, at once


@dataclass(slots=True)
class _Client:
    """One WebSocket and when it was last pinged and heard of, in seconds of the venue's time."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport
    pinged_s: float
    heard_s: float


class VenueServer:
    """Runs ``venue`` on ``port`` (0: any free one). All methods on the event loop's thread.

    ``pace``: how many times faster than real time the venue's goes, pings and deadlines included. ``clock``: where its
    nanoseconds since 1970 come from, instead of the wall clock at that pace; it has to go at that pace itself.
    """

    def __init__(
        self,
        venue: BinanceSpotVenue,
        port: int = 0,
        *,
        clock: Callable[[], int] | None = None,
        pace: int = 1,
    ) -> None:
        self.venue = venue
        self.port = port
        self.pace = pace
        self._clock = clock
        self.frames_sent = 0
        self._clients: dict[int, _Client] = {}
        self._numbers = itertools.count(1)
        self._runner: web.AppRunner | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._closers: set[asyncio.Task[Any]] = set()
        self._begun_ns = time.monotonic_ns()
        self._origin_ns = max(time.time_ns(), venue.now_ns)

    @property
    def urls(self) -> dict[str, str]:
        """Where clients find it: base URLs without a path, but for the WebSocket API."""
        return {
            "rest": f"http://{HOST}:{self.port}",
            "stream": f"ws://{HOST}:{self.port}",
            "ws_api": f"ws://{HOST}:{self.port}/ws-api/v3",
        }

    def now_ns(self) -> int:
        """The venue's time: the wall clock at start, going on steadily."""
        if self._clock is not None:
            return self._clock()
        return self._origin_ns + (time.monotonic_ns() - self._begun_ns) * self.pace

    async def _sleep(self, duration_ns: int) -> None:
        """Let so much of the venue's time pass."""
        await asyncio.sleep(duration_ns / 1e9 / self.pace)

    async def start(self) -> None:
        """Bind and serve; ``UnreachableError`` where the port is taken."""
        application = web.Application(client_max_size=INCOMING_BYTES_MAX)
        application.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=CLOSE_S_MAX)
        await self._runner.setup()
        try:
            listener = _listener(self.port)
        except OSError as error:
            await self._runner.cleanup()
            raise UnreachableError(f"{HOST}:{self.port}", error.strerror or str(error)) from error
        self.port = listener.getsockname()[1]
        await web.SockSite(self._runner, listener).start()
        self._ticker = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Say goodbye to every client and let go of the port."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        self.venue.shutdown(self.now_ns())
        self._flush()
        closings = []
        for connection_id, client in self._clients.items():
            if self.venue.pings(connection_id):
                closings.append(client.socket.close(code=1001))
            else:
                _abort(client.transport, b"")
        closings = [asyncio.wait_for(closing, CLOSE_S_MAX) for closing in closings]
        await asyncio.gather(*closings, *self._closers, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()

    def failure(self) -> BaseException | None:
        """Why the market stopped, if it did: a bug of the simulator's."""
        if self._ticker is None or not self._ticker.done() or self._ticker.cancelled():
            return None
        return self._ticker.exception()

    # -- the passing of time ---------------------------------------------------------------------------------------

    async def _run(self) -> None:
        next_ping_s = 0.0
        while True:
            self.venue.advance(self.now_ns())
            self._flush()
            now_s = self.now_ns() / 1e9
            if now_s >= next_ping_s:
                next_ping_s = now_s + 1
                await self._keep_alive(now_s)
            due_ns = self.venue.next_due_ns()
            wait_s = TICK_S_MAX if due_ns is None else (due_ns - self.now_ns()) / 1e9 / self.pace
            await asyncio.sleep(min(max(wait_s, TICK_S_MIN), TICK_S_MAX))

    def _flush(self) -> None:
        """Write what the venue has to say, one write per client; hang up where it says so."""
        frames = self.venue.drain()
        if frames:
            outgoing: dict[int, list[bytes]] = {}
            for connection_id, text in frames:
                payload = text.encode()
                outgoing.setdefault(connection_id, []).extend((frame_header(len(payload)), payload))
            for connection_id, parts in outgoing.items():
                self._write(connection_id, b"".join(parts))
            self.frames_sent += len(frames)
        for connection_id, part in self.venue.cuts():
            client = self._clients.get(connection_id)
            if client is not None:
                _abort(client.transport, part)
        for connection_id, code, reason in self.venue.hang_ups():
            client = self._clients.get(connection_id)
            if client is not None:
                self._hang_up(client, code, reason)

    def _write(self, connection_id: int, data: bytes) -> None:
        client = self._clients.get(connection_id)
        if client is None or client.transport.is_closing():
            return
        if client.transport.get_write_buffer_size() > BUFFER_BYTES_MAX:
            client.transport.abort()
            return
        client.transport.write(data)

    async def _keep_alive(self, now_s: float) -> None:
        for connection_id, client in list(self._clients.items()):
            if not self.venue.pings(connection_id):
                continue
            if now_s - client.heard_s > PONG_S_MAX + PING_S:
                self._hang_up(client, 1008, "Pong timeout")
            elif now_s - client.pinged_s >= PING_S and not client.socket.closed:
                client.pinged_s = now_s
                try:
                    await client.socket.ping(str(int(now_s * 1000)).encode())
                except ConnectionError:
                    client.transport.abort()

    def _hang_up(self, client: _Client, code: int, reason: str) -> None:
        task = asyncio.create_task(client.socket.close(code=code, message=reason.encode()))
        self._closers.add(task)
        task.add_done_callback(self._closers.discard)

    # -- clients ---------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._converse(request, "ws_api" if path.startswith("/ws-api") else "stream")
        body = await request.read()
        hold_ns = self.venue.rest_hold_ns(request.method, path, query, self.now_ns())
        if hold_ns:
            await self._sleep(hold_ns)
        answer = self.venue.rest(request.method, path, query, request.headers, body, self.now_ns())
        self._flush()
        if answer.delay_ns:
            await self._sleep(answer.delay_ns)
        if answer.cut_at is not None:
            return self._refuse(request, answer.wire()[: answer.cut_at])
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)

    def _refuse(self, request: web.Request, part: bytes = b"") -> web.Response:
        """Abort a request's connection after ``part`` of an answer; what is returned reaches nobody."""
        if request.transport is not None:
            _abort(request.transport, part)
        return web.Response(status=500)

    async def _converse(self, request: web.Request, kind: ConnectionKind) -> web.StreamResponse:
        admitted = self.venue.admit(kind, self.now_ns())
        if admitted != SWITCHING:
            return web.Response(status=admitted) if admitted else self._refuse(request)
        response = web.WebSocketResponse(
            autoping=False,
            autoclose=False,
            compress=False,
            max_msg_size=INCOMING_BYTES_MAX,
            timeout=CLOSE_S_MAX,
        )
        await response.prepare(request)
        transport = request.transport
        if transport is None:
            return response
        connection_id, now_s = next(self._numbers), self.now_ns() / 1e9
        self._clients[connection_id] = client = _Client(response, transport, now_s, now_s)
        try:
            self.venue.open(connection_id, kind, request.raw_path, self.now_ns())
            self._flush()
            await self._listen(connection_id, client)
        finally:
            del self._clients[connection_id]
            self.venue.close(connection_id)
        return response

    async def _listen(self, connection_id: int, client: _Client) -> None:
        while True:
            message = await client.socket.receive()
            if not self.venue.pings(connection_id) and message.type in _LEAVING:
                if client.transport.is_closing():
                    return
                await asyncio.sleep(TICK_S_MAX)  # half-open: a client that says goodbye hears nothing either
            elif message.type is WSMsgType.TEXT:
                self.venue.message(connection_id, message.data, self.now_ns())
            elif message.type is WSMsgType.PING:
                if self.venue.pings(connection_id):
                    await client.socket.pong(message.data)
                self.venue.pong(connection_id, self.now_ns())
            elif message.type is WSMsgType.PONG:
                client.heard_s = self.now_ns() / 1e9
                self.venue.pong(connection_id, self.now_ns())
            elif message.type is not WSMsgType.BINARY:
                await client.socket.close()
                return
            self._flush()


_LEAVING = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR)


def _abort(transport: asyncio.Transport, part: bytes) -> None:
    """Write the beginning of something, then break the connection off in the hard way."""
    if transport.is_closing():
        return
    if part:
        transport.write(part)
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()


def _listener(port: int) -> socket.socket:
    """A bound socket: a port that is taken is told apart from everything else that can fail."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
    except BaseException:
        listener.close()
        raise
    return listener
