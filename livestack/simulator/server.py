"""Hosts a simulated venue on one local port: REST, market streams and the WebSocket API. I/O; one asyncio thread.

Everything that the venue means is in the pure ``BinanceSpotVenue``; here are only sockets and the clock. aiohttp speaks
HTTP and takes WebSocket connections; outgoing text frames are written here, many to a socket write, because at 20 000
frames a second one write (and one coroutine) per frame is most of the cost.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from livestack.exceptions import UnreachableError
from livestack.simulator.binance_spot.venue import BinanceSpotVenue, ConnectionKind

HOST = "127.0.0.1"
TICK_S_MIN = 0.001  # messages that fall into the same millisecond leave in one write
TICK_S_MAX = 0.1  # how long a signal or a quiet market may wait for the loop
PING_S = 20  # the venue's own rhythm
PONG_S_MAX = 60
BUFFER_BYTES_MAX = 32 << 20  # about ten seconds of 20 000 messages/s; a client further behind is hung up on
INCOMING_BYTES_MAX = 64 << 10  # no request is anywhere near that
CLOSE_S_MAX = 2  # for clients that do not answer a closing handshake


@dataclass(slots=True)
class _Client:
    """One WebSocket and when it was last pinged and heard of, in monotonic seconds."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport
    pinged_s: float
    heard_s: float


class VenueServer:
    """Runs ``venue`` on ``port`` (0: any free one). All methods on the event loop's thread."""

    def __init__(self, venue: BinanceSpotVenue, port: int = 0) -> None:
        self.venue = venue
        self.port = port
        self.frames_sent = 0
        self._clients: dict[int, _Client] = {}
        self._numbers = itertools.count(1)
        self._runner: web.AppRunner | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._closers: set[asyncio.Task[Any]] = set()
        self._origin_ns = max(time.time_ns(), venue.exchange.now_ns) - time.monotonic_ns()

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
        return self._origin_ns + time.monotonic_ns()

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
        closings = [client.socket.close(code=1001) for client in self._clients.values()]
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
            now_s = time.monotonic()
            if now_s >= next_ping_s:
                next_ping_s = now_s + 1
                await self._keep_alive(now_s)
            due_ns = self.venue.next_due_ns()
            wait_s = TICK_S_MAX if due_ns is None else (due_ns - self.now_ns()) / 1e9
            await asyncio.sleep(min(max(wait_s, TICK_S_MIN), TICK_S_MAX))

    def _flush(self) -> None:
        """Write what the venue has to say, one write per client; hang up where it says so."""
        frames = self.venue.drain()
        if frames:
            outgoing: dict[int, list[bytes]] = {}
            for connection_id, text in frames:
                payload = text.encode()
                outgoing.setdefault(connection_id, []).extend((_header(len(payload)), payload))
            for connection_id, parts in outgoing.items():
                self._write(connection_id, b"".join(parts))
            self.frames_sent += len(frames)
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
        for client in list(self._clients.values()):
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
        status, headers, body = self.venue.rest(
            request.method, path, query, request.headers, await request.read(), self.now_ns()
        )
        self._flush()
        return web.Response(status=status, headers=headers, body=body)

    async def _converse(self, request: web.Request, kind: ConnectionKind) -> web.StreamResponse:
        response = web.WebSocketResponse(
            autoping=False, compress=False, max_msg_size=INCOMING_BYTES_MAX, timeout=CLOSE_S_MAX
        )
        await response.prepare(request)
        transport = request.transport
        if transport is None:
            return response
        connection_id, now_s = next(self._numbers), time.monotonic()
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
            if message.type is WSMsgType.TEXT:
                self.venue.message(connection_id, message.data, self.now_ns())
            elif message.type is WSMsgType.PING:
                await client.socket.pong(message.data)
                self.venue.pong(connection_id, self.now_ns())
            elif message.type is WSMsgType.PONG:
                client.heard_s = time.monotonic()
                self.venue.pong(connection_id, self.now_ns())
            elif message.type is not WSMsgType.BINARY:
                return
            self._flush()


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


def _header(length: int) -> bytes:
    """The head of an unmasked, unfragmented text frame (RFC 6455, section 5.2)."""
    if length < 126:
        return bytes((0x81, length))
    if length < 1 << 16:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")
