"""A node's control sockets with canned answers behind them: what a client and the command line talk to in tests.

It does not check what the real server checks; it says what a test tells it to say, or nothing.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import zmq

from livestack.control.endpoints import Endpoints, prepare
from livestack.wire import control_pb2 as wire

WAIT_S = 30
LOOK_MS = 5

Say = Callable[[str, wire.Request], wire.Reply | None]

STATUS = wire.Status(
    session="20260102-030405-demo",
    node="demo",
    phase="running",
    trading_state="active",
    config_version=1,
    config_digest="ab" * 32,
    seq=1234,
    age_ms=120,
    feeds=[
        wire.Feed(
            venue="binance_spot",
            status="live",
            instruments=[
                wire.FeedInstrument(
                    instrument="binance_spot:BTCUSDT",
                    status="trading",
                    book_valid=True,
                    bid="60000.10",
                    ask="60000.20",
                    last="60000.10",
                    age_ms=12,
                )
            ],
        )
    ],
    venues=[
        wire.Venue(
            venue="binance_spot",
            status="live",
            open_orders=1,
            balances=[wire.Balance(asset="USDT", free="1000.50", locked="0.00")],
            clock_offset_us=-250,
        )
    ],
    strategy_enabled=True,
    open_orders=1,
    started_at_ns=1_767_323_045_000_000_000,
    guard="watching",
    events=1234,
    dispatches=10,
    fills=2,
    denied=3,
)
ORDER = wire.Order(
    order_id=7,
    client_id="demo-7",
    venue_order_id="991",
    venue="binance_spot",
    instrument="binance_spot:BTCUSDT",
    side="buy",
    type="limit",
    status="accepted",
    price="60000.10",
    qty="0.0100",
    filled_qty="0.0000",
)
FILL = wire.Fill(
    seq=99,
    ts_ns=1_767_323_046_250_000_000,
    order_id=7,
    venue="binance_spot",
    instrument="binance_spot:BTCUSDT",
    side="buy",
    price="60000.10",
    qty="0.0050",
    fee="0.00",
    fee_asset="USDT",
    liquidity="maker",
    fill_id="1",
)
POSITION = wire.Position(
    instrument="binance_spot:BTCUSDT",
    qty="0.0050",
    average_price="60000.10",
    realised_pnl="0.10",
    unrealised_pnl="",
    currency="USDT",
    fees=[wire.Amount(asset="BTC", amount="0.00001")],
)
KILLED = wire.Killed(
    durable=True, gate_closed_at_ns=1_767_323_047_000_000_001, last_new_sent_at_ns=1_767_323_046_999_999_999
)


def answer(_lane: str, request: wire.Request) -> wire.Reply:
    """What a node that is well says."""
    reply = wire.Reply(protocol=1, request_id=request.request_id, outcome=wire.DONE)
    match request.WhichOneof("command"):
        case "ping":
            reply.pong.CopyFrom(wire.Pong(node="demo", version="0", who="local", role="admin"))
        case "status":
            reply.status.CopyFrom(STATUS)
        case "orders":
            reply.orders.CopyFrom(wire.Orders(age_ms=5, orders=[ORDER], total=1))
        case "positions":
            reply.positions.CopyFrom(wire.Positions(age_ms=5, positions=[POSITION]))
        case "fills":
            reply.fills.CopyFrom(wire.Fills(age_ms=5, fills=[FILL]))
        case "feeds":
            reply.feeds.CopyFrom(wire.Feeds(age_ms=5, feeds=STATUS.feeds))
        case "venues":
            reply.venues.CopyFrom(wire.Venues(age_ms=5, venues=STATUS.venues))
        case "risk":
            limit = wire.RiskLimit(rule="max_position", scope="", limit="0.06", denied=3, last_detail="0.07")
            reply.risk.CopyFrom(wire.Risk(age_ms=5, limits=[limit]))
        case "metrics":
            metric = wire.Metric(name="runtime.events", value=1234)
            reply.metrics.CopyFrom(wire.Metrics(age_ms=5, metrics=[metric]))
        case "configuration":
            text = '{"risk": {"instrument": {"binance_spot:BTCUSDT": {"max_position": "0.06"}}}}'
            reply.configuration.CopyFrom(
                wire.Configuration(version=request.configuration.version or 3, digest="cd" * 32, json=text)
            )
            reply.configuration.versions.extend([1, 2])
        case "configuration_set" | "configuration_roll_back":
            reply.seq = 50
            reply.configuration_version.CopyFrom(wire.ConfigurationVersion(version=4, digest="ef" * 32))
        case "checkpoint":
            reply.seq = 51
            reply.digest.digest = "01" * 32
        case "kill":
            reply.killed.CopyFrom(KILLED)
            reply.killed.scope = request.kill.instrument or request.kill.venue
        case "kill_receipt":
            reply.kill_receipt.CopyFrom(receipt(flat=True))
        case _:
            reply.seq = 52
    return reply


def receipt(*, flat: bool) -> wire.KillReceipt:
    """The proof, or what there is of it."""
    found = wire.KillReceipt(
        engaged=True,
        durable=True,
        flat=flat,
        gate_closed_at_ns=KILLED.gate_closed_at_ns,
        last_new_sent_at_ns=KILLED.last_new_sent_at_ns,
        rounds=2,
        venues=[
            wire.VenueAnswer(
                venue="binance_spot",
                answered=True,
                asked_at_ns=KILLED.gate_closed_at_ns + 1_000_000,
                answered_at_ns=KILLED.gate_closed_at_ns + 2_000_000,
            )
        ],
        scopes=[wire.KillScope(trigger="operator", by="local", reason="a test")],
    )
    if not flat:
        found.venues[0].open_orders.append(ORDER)
        found.unknown_orders.append(ORDER)
    return found


def refuse(code: wire.ErrorCode, sentence: str) -> Say:
    """Refuses everything so."""
    return lambda _lane, request: wire.Reply(
        protocol=1, request_id=request.request_id, outcome=wire.REFUSED, code=code, message=sentence
    )


class FakeNode:
    """Bound from entry on, in a thread of its own. ``say`` gets lane and request; None: no answer."""

    def __init__(
        self, data_dir: Path, say: Say = answer, lanes: tuple[str, ...] = ("control", "kill")
    ) -> None:
        self.data_dir = data_dir
        self.say = say
        self.requests: list[tuple[str, wire.Request]] = []
        self.subscribed = threading.Event()
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.endpoints: Endpoints = prepare(data_dir)
        self._lanes = lanes
        self._to_publish: queue.SimpleQueue[list[bytes]] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._bound = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fake-node")

    def publish(self, topic: bytes, publication: wire.Publication) -> None:
        self._to_publish.put([topic, publication.SerializeToString()])

    def asked(self, lane: str | None = None) -> list[str]:
        """Names of the commands that came."""
        return [one.WhichOneof("command") or "" for where, one in self.requests if lane in (None, where)]

    def end(self) -> None:
        """From within ``say``: nothing is answered any more."""
        self._stopped.set()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(WAIT_S)

    def __enter__(self) -> FakeNode:
        self._thread.start()
        assert self._bound.wait(WAIT_S)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        lanes = {name: context.socket(zmq.ROUTER) for name in self._lanes}
        publisher = context.socket(zmq.XPUB)
        for name, socket in lanes.items():
            socket.bind(getattr(self.endpoints, name))
        publisher.bind(self.endpoints.publish)
        self._bound.set()
        try:
            while not self._stopped.is_set():
                for name, socket in lanes.items():
                    self._answer(name, socket)
                self._publish(publisher)
        finally:
            context.destroy(linger=0)

    def _answer(self, lane: str, socket: zmq.Socket[bytes]) -> None:
        while not self._stopped.is_set() and socket.poll(LOOK_MS):
            *envelope, payload = socket.recv_multipart()
            request = wire.Request.FromString(payload)
            self.requests.append((lane, request))
            reply = self.say(lane, request)
            if reply is not None:
                socket.send_multipart([*envelope, reply.SerializeToString()])

    def _publish(self, publisher: zmq.Socket[bytes]) -> None:
        while publisher.poll(0):
            if publisher.recv()[:1] == b"\x01":
                self.subscribed.set()
        if self.subscribed.is_set():
            while not self._to_publish.empty():
                publisher.send_multipart(self._to_publish.get())
