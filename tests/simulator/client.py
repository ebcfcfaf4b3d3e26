"""A client of the simulated venue for tests: signs on its own, reads frames, keeps a book by the official procedure.

It shares no code with the venue or with the adapters.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import random
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from livestack.simulator.binance_spot import ApiKey, BinanceSpotVenue, Capture, VenueSettings, make_keys
from livestack.simulator.binance_spot.faults import RestAnswer
from livestack.simulator.faults import rule

START_NS = 1_760_000_000_000_000_000
SECOND_NS = 1_000_000_000
CAPTURE = Path(__file__).resolve().parents[3] / "shared" / "data" / "binance_spot_2021-10-12"


def sign(key: ApiKey, payload: str) -> str:
    """The signature of ``payload`` as a client makes it."""
    if key.kind == "hmac":
        return hmac.new(key.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    private = load_pem_private_key(key.secret.encode(), None)
    assert isinstance(private, Ed25519PrivateKey)
    return base64.b64encode(private.sign(payload.encode())).decode()


class Client:
    """Talks to a ``BinanceSpotVenue`` without a socket, on virtual time. Connection 1 is its WebSocket API."""

    def __init__(
        self,
        settings: VenueSettings | None = None,
        *,
        seed: int = 7,
        capture: Capture | None = None,
        kind: str = "hmac",
    ) -> None:
        self.now_ns = START_NS
        self.venue = BinanceSpotVenue(make_keys(seed), random.Random(seed), START_NS, settings, capture)
        self.key = next(key for key in self.venue.keys if key.kind == kind)
        self.events: list[dict[str, Any]] = []
        self.frames: list[tuple[int, dict[str, Any]]] = []
        self._ids = 0
        self.venue.open(1, "ws_api", "/ws-api/v3", self.now_ns)

    def subscribe(self) -> None:
        """Have user events come into ``events``."""
        answer = self.ask("userDataStream.subscribe.signature")
        assert answer["status"] == 200, answer

    def signed(self, params: dict[str, Any]) -> dict[str, Any]:
        """``params`` with key, time and signature, as the WebSocket API wants them."""
        full = {**params, "apiKey": self.key.api_key, "timestamp": self.now_ns // 1_000_000}
        payload = "&".join(f"{name}={full[name]}" for name in sorted(full))
        return {**full, "signature": sign(self.key, payload)}

    def ask(self, method: str, *, signed: bool = True, **params: Any) -> dict[str, Any]:
        """One WebSocket API request and its answer."""
        self._ids += 1
        request = {"id": self._ids, "method": method, "params": self.signed(params) if signed else params}
        return self.send(json.dumps(request))

    def tell(self, method: str, *, signed: bool = True, **params: Any) -> list[dict[str, Any]]:
        """One WebSocket API request; the answers that are there at once, which may be none or two."""
        self._ids += 1
        request = {"id": self._ids, "method": method, "params": self.signed(params) if signed else params}
        self.venue.message(1, json.dumps(request), self.now_ns)
        return self.collect()

    def inject(self, kind: str, **keys: Any) -> None:
        """Put one fault in, by the keys that a file would have."""
        self.venue.inject([rule(kind, **keys)])

    def send(self, text: str) -> dict[str, Any]:
        self.venue.message(1, text, self.now_ns)
        return self.collect()[-1]

    def collect(self) -> list[dict[str, Any]]:
        """Answers since the last call; events and stream frames are put aside."""
        answers = []
        for connection, text in self.venue.drain():
            message = json.loads(text)
            if connection == 1 and "event" in message:
                self.events.append(message["event"])
            elif connection == 1:
                answers.append(message)
            else:
                self.frames.append((connection, message))
        return answers

    def place(self, **params: Any) -> dict[str, Any]:
        """``order.place``: the whole answer."""
        return self.ask("order.place", **{"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", **params})

    def limit(self, side: str, price: str, quantity: str, **params: Any) -> dict[str, Any]:
        return self.place(side=side, timeInForce="GTC", price=price, quantity=quantity, **params)

    def rest(
        self, method: str, path: str, *, signed: bool = False, body: str = "", **params: Any
    ) -> tuple[int, dict[str, str], Any]:
        """One REST request; ``params`` go into the query."""
        status, answer_headers, content = self.rest_answer(method, path, signed=signed, body=body, **params)
        return status, answer_headers, json.loads(content)

    def rest_answer(
        self, method: str, path: str, *, signed: bool = False, body: str = "", **params: Any
    ) -> RestAnswer:
        """The same, as the venue gives it. A path that begins with a slash is taken as it is."""
        query = urlencode(params)
        if signed:
            query = urlencode({**params, "timestamp": self.now_ns // 1_000_000})
            query += "&signature=" + urlencode({"": sign(self.key, query + body)})[1:]
        headers = {"x-mbx-apikey": self.key.api_key} if signed else {}
        whole = path if path.startswith("/") else f"/api/v3/{path}"
        return self.venue.rest(method, whole, query, headers, body.encode(), self.now_ns)

    def text(self, message: dict[str, Any]) -> str:
        """A frame's text."""
        return json.dumps(message)

    def advance(self, duration_ns: int) -> None:
        """Let time pass, stopping wherever something is due."""
        assert [] == self.wait(duration_ns)

    def wait(self, duration_ns: int) -> list[dict[str, Any]]:
        """Let time pass; the answers that come meanwhile."""
        answers = []
        end_ns = self.now_ns + duration_ns
        while (due_ns := self.venue.next_due_ns()) is not None and due_ns <= end_ns:
            self.now_ns = max(due_ns, self.now_ns)
            self.venue.advance(self.now_ns)
            answers += self.collect()
        self.now_ns = end_ns
        self.venue.advance(end_ns)
        return answers + self.collect()

    def reports(self) -> list[tuple[str, str]]:
        """(execution, status) of the executionReports so far."""
        return [(event["x"], event["X"]) for event in self.events if event["e"] == "executionReport"]

    def best(self, symbol: str = "BTCUSDT") -> tuple[str, str]:
        """Best bid and ask."""
        _, _, ticker = self.rest("GET", "ticker/bookTicker", symbol=symbol)
        return ticker["bidPrice"], ticker["askPrice"]


class Book:
    """One symbol's book by the venue's official procedure (venues.md 1.3), kept in the wire's own texts."""

    def __init__(self) -> None:
        self.buffered: list[dict[str, Any]] = []
        self.update_id: int | None = None
        self.sides: dict[str, dict[str, str]] = {"b": {}, "a": {}}
        self.applied = 0

    def snapshot(self, snapshot: dict[str, Any]) -> bool:
        """Take a snapshot over; False where it is older than the first buffered diff: fetch again."""
        if self.buffered and snapshot["lastUpdateId"] + 1 < self.buffered[0]["U"]:
            return False
        self.update_id = snapshot["lastUpdateId"]
        self.sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
        return True

    def diff(self, data: dict[str, Any]) -> bool:
        """Apply a diff; False where it was older than the book. A gap is an assertion error."""
        assert self.update_id is not None
        if data["u"] <= self.update_id:
            return False
        assert data["U"] <= self.update_id + 1, "gap"
        for side in ("b", "a"):
            for price, qty in data[side]:
                if float(qty):
                    self.sides[side][price] = qty
                else:
                    self.sides[side].pop(price, None)
        self.update_id = data["u"]
        self.applied += 1
        return True

    def best(self) -> tuple[str, str, str, str]:
        """Best bid, its quantity, best ask, its quantity."""
        bid = max(self.sides["b"], key=float)
        ask = min(self.sides["a"], key=float)
        assert float(bid) < float(ask), "crossed"
        return bid, self.sides["b"][bid], ask, self.sides["a"][ask]


def captured_frames() -> list[tuple[float, dict[str, Any]]]:
    """The captured combined stream, read by other means than the venue's."""
    lines = (CAPTURE / "BINANCE.ws.1.0").read_text().splitlines()[1:]
    return [(float(line.split(": ", 1)[0]), json.loads(line.split(": ", 1)[1])) for line in lines if line]


def captured_info() -> dict[str, Any]:
    text = gzip.decompress((CAPTURE / "BINANCE.0.gz").read_bytes()).decode().splitlines()[0]
    info: dict[str, Any] = json.loads(text[text.index("{") :])
    return info
