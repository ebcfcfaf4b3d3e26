"""The least venue that a node trades on: it sends one quote, waits for the order that answers it, and notes how long.

It speaks just enough of Binance Spot for the adapter to become LIVE; every order is accepted and expires at once, so
that nothing stays open. Both the node and the one-thread baseline connect to it. The thread that receives an order also
sends the next quote, over blocking sockets: no hand-over of the venue's own is in the figures.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SYMBOL = "BTCUSDT"
PAUSE_S = 0.003
"""Between an answer and the next quote: longer than a commit, so that each order is measured alone."""

_EXCHANGE_INFO = {
    "timezone": "UTC",
    "serverTime": 0,
    "rateLimits": [],
    "exchangeFilters": [],
    "symbols": [
        {
            "symbol": SYMBOL,
            "status": "TRADING",
            "baseAsset": "BTC",
            "baseAssetPrecision": 8,
            "quoteAsset": "USDT",
            "quotePrecision": 8,
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
            "amendAllowed": True,
            "isSpotTradingAllowed": True,
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "0.01",
                    "maxPrice": "1000000.00",
                    "tickSize": "0.01",
                },
                {
                    "filterType": "LOT_SIZE",
                    "minQty": "0.00001",
                    "maxQty": "9000.00000",
                    "stepSize": "0.00001",
                },
                {
                    "filterType": "NOTIONAL",
                    "minNotional": "5.00",
                    "applyMinToMarket": True,
                    "maxNotional": "9000000.00",
                    "applyMaxToMarket": False,
                    "avgPriceMins": 5,
                },
            ],
        }
    ],
}


class BenchVenue:
    """Sends quotes until ``rounds`` were answered after ``warm_up`` more; then :attr:`done` is set."""

    def __init__(self, rounds: int, warm_up: int) -> None:
        self.rounds = rounds
        self.warm_up = warm_up
        self.latencies_ns: list[int] = []
        self.done = threading.Event()
        self._sent_ns = 0
        self._update = 1
        self._order_id = 0
        self._stream: socket.socket | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self) -> dict[str, str]:
        return {
            "VENUE_REST": f"http://127.0.0.1:{self.port}",
            "VENUE_STREAM": f"ws://127.0.0.1:{self.port}",
            "VENUE_WS_API": f"ws://127.0.0.1:{self.port}/ws-api/v3",
            "VENUE_KEY": "bench",
            "VENUE_SECRET": "bench",
        }

    def serve_stream(self, connection: socket.socket) -> None:
        """Acknowledge subscriptions; quotes are sent by the other connection's thread."""
        self._stream = connection
        streams: list[str] = []
        while (text := receive(connection)) is not None:
            if not text:
                continue
            asked = json.loads(text)
            if asked["method"] == "SUBSCRIBE":
                streams += asked["params"]
            listed = streams if asked["method"] == "LIST_SUBSCRIPTIONS" else None
            send(connection, json.dumps({"result": listed, "id": asked["id"]}))

    def serve_orders(self, connection: socket.socket) -> None:
        """Answer requests; once the client has been quiet for a while, begin to quote."""
        connection.settimeout(1.0)
        while not self.done.is_set():
            try:
                text = receive(connection)
            except TimeoutError:
                self._quote()
                continue
            if text is None:
                return
            arrived_ns = time.perf_counter_ns()
            if not text:
                continue
            asked = json.loads(text)
            is_order = asked["method"].endswith("order.place")
            if is_order:
                self._count(arrived_ns - self._sent_ns)
            send(connection, self._answer(asked))
            if is_order:
                time.sleep(PAUSE_S)
                self._quote()

    def _count(self, latency_ns: int) -> None:
        if self.warm_up > 0:
            self.warm_up -= 1
        else:
            self.latencies_ns.append(latency_ns)
        if len(self.latencies_ns) >= self.rounds:
            self.done.set()

    def _quote(self) -> None:
        if self._stream is None:
            return
        self._update += 1
        price = 50_000 + self._update % 50
        frame = (
            f'{{"stream":"btcusdt@bookTicker","data":{{"u":{self._update},"s":"{SYMBOL}","b":"{price}.00",'
            f'"B":"0.01000","a":"{price}.01","A":"0.01000"}}}}'
        )
        self._sent_ns = time.perf_counter_ns()
        send(self._stream, frame)

    def _answer(self, asked: dict[str, Any]) -> str:
        method = asked["method"].removeprefix("v3/")
        answers: dict[str, Callable[[], Any]] = {
            "time": lambda: {"serverTime": time.time_ns() // 1_000_000},
            "userDataStream.subscribe.signature": lambda: {"subscriptionId": 0},
            "session.subscriptions": lambda: [{"subscriptionId": 0}],
            "exchangeInfo": lambda: _EXCHANGE_INFO,
            "openOrders.status": list,
            "myTrades": list,
            "account.status": lambda: {
                "balances": [
                    {"asset": "BTC", "free": "1000.00000000", "locked": "0.00000000"},
                    {"asset": "USDT", "free": "100000000.00000000", "locked": "0.00000000"},
                ]
            },
            "order.place": lambda: self._expired(asked["params"]),
        }
        result = answers.get(method, dict)()
        return json.dumps({"id": asked["id"], "status": 200, "result": result, "rateLimits": []})

    def _expired(self, order: dict[str, Any]) -> dict[str, Any]:
        self._order_id += 1
        now_ms = time.time_ns() // 1_000_000
        return {
            "symbol": SYMBOL,
            "orderId": self._order_id,
            "orderListId": -1,
            "clientOrderId": order["newClientOrderId"],
            "transactTime": now_ms,
            "price": order["price"],
            "origQty": order["quantity"],
            "executedQty": "0.00000000",
            "origQuoteOrderQty": "0.00000000",
            "cummulativeQuoteQty": "0.00000000",
            "status": "EXPIRED",
            "timeInForce": "IOC",
            "type": "LIMIT",
            "side": "BUY",
            "workingTime": now_ms,
            "selfTradePreventionMode": "NONE",
            "fills": [],
        }


def _handler(venue: BenchVenue) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if self.headers.get("Upgrade", "").lower() == "websocket":
                self._upgrade()
                self.close_connection = True
                serve = venue.serve_stream if path.startswith("/stream") else venue.serve_orders
                try:
                    serve(self.connection)
                except OSError:
                    return
                return
            content = {
                "/api/v3/exchangeInfo": _EXCHANGE_INFO,
                "/api/v3/depth": _DEPTH,
                "/api/v3/time": {"serverTime": time.time_ns() // 1_000_000},
            }.get(path)
            body = json.dumps(content or {"msg": "not here"}).encode()
            self.send_response(200 if content else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _upgrade(self) -> None:
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header(
                "Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
            )
            self.end_headers()
            self.wfile.flush()
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def log_message(self, *_: Any) -> None:
            """Silent."""

    return Handler


_DEPTH = {"lastUpdateId": 1, "bids": [["49000.00", "1.00000"]], "asks": [["51000.00", "1.00000"]]}


def send(connection: socket.socket, text: str) -> None:
    """One unmasked text frame."""
    payload = text.encode()
    size = len(payload)
    head = bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")
    connection.sendall(head + payload)


def receive(connection: socket.socket) -> str | None:
    """The next frame's text ('' for a control frame), None at the end. Client frames are masked and below 64 KiB."""
    head = connection.recv(2)
    if len(head) < 2:
        return None
    size = head[1] & 0x7F
    if size == 126:
        size = int.from_bytes(_exactly(connection, 2), "big")
    rest = _exactly(connection, 4 + size)
    opcode = head[0] & 0x0F
    if opcode == 8:
        return None
    if opcode != 1:
        return ""
    mask = int.from_bytes((rest[:4] * (size // 4 + 1))[:size], "big")
    return (int.from_bytes(rest[4:], "big") ^ mask).to_bytes(size, "big").decode()


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += connection.recv(size - len(data)) or b""
    return data
