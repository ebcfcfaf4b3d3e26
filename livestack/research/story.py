"""One order's whole story, from the journal alone: what the strategy saw, wanted, was allowed; what became of it.

The Events tell what happened. What no Event holds (the Intent, each rule's figure, the gate at which a command waited)
is had by running the Core over the part of the journal that matters again, from the snapshot before it. Memory does not
depend on the journal's length. Runs on the caller's thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from livestack.core import events
from livestack.core.configuration import Configuration
from livestack.core.describe import describe_event
from livestack.core.events import InstrumentDefined, Recorded
from livestack.core.execution_control import held
from livestack.core.intents import Intent, New
from livestack.core.orders import Order
from livestack.core.refold import Refold
from livestack.core.risk import locate
from livestack.core.runtime import SEMANTICS_VERSION, CoreRuntime
from livestack.core.state import State
from livestack.core.strategy import Strategy
from livestack.core.types import Origin, RequestSource, Side
from livestack.exceptions import JournalError
from livestack.journal.reader import JournalReader
from livestack.journal.restoring import restored
from livestack.journal.salvage import Gap, salvage
from livestack.journal.snapshots import snapshots
from livestack.research.judgement import Verdict, judge
from livestack.research.lookup import Wanted
from livestack.research.replay import configuration_of, strategy_of
from livestack.research.wording import Scales, duration, event_words, intent_words, word
from livestack.summary import rfc3339

STEPS_MAX = 10_000
"""Events of one order that are told; a strategy that tries for ever with one id has no more of a story."""

GATES = {
    "venue": "the venue's order entry was not connected",
    "inflight": "another request for the order was on its way",
    "unresolved": "an earlier request's outcome was not known",
    "revision": "the order had used up its requests",
    "rate": "the venue's rate limits left no room",
}


class Step(msgspec.Struct, frozen=True):
    """One step. ``after_ns`` is session time since the first one, ``text`` a sentence, ``details`` the facts."""

    seq: int
    ts: int
    at: str
    after_ns: int
    step: str
    text: str
    details: dict[str, Any]


class Seen(msgspec.Struct, frozen=True):
    """An Intent as Risk met it, and the State of that moment."""

    seq: int
    ts: int
    intent: Intent
    source: RequestSource
    instrument: str
    verdicts: list[Verdict]
    market: dict[str, Any]


class Waited(msgspec.Struct, frozen=True):
    """A command waited at ``gate`` from ``from_ts`` to ``ts``."""

    seq: int
    ts: int
    from_ts: int
    kind: str
    gate: str


class Watched(CoreRuntime):
    """A Core that keeps what Risk is asked about one order. It decides what any Core decides."""

    def __init__(self, configuration: Configuration, strategy: Strategy, state: State | None = None) -> None:
        self.order_id = -1
        self.only_seq = 0
        self.seen: list[Seen] = []
        super().__init__(configuration, strategy, state)

    def _submit(self, intent: Intent, source: RequestSource) -> None:
        control = self.state.control
        wanted = control.seq == self.only_seq if self.only_seq else True
        if wanted and intent.order_id == self.order_id and len(self.seen) < STEPS_MAX:
            where = locate(intent, self.state)
            instrument = where[1] if isinstance(where, tuple) else getattr(intent, "instrument", "")
            self.seen.append(
                Seen(
                    seq=control.seq,
                    ts=control.ts,
                    intent=intent,
                    source=source,
                    instrument=instrument,
                    verdicts=judge(intent, source, self.state),
                    market=market_of(self.state, instrument),
                )
            )
        super()._submit(intent, source)


def market_of(state: State, instrument: str) -> dict[str, Any]:
    """What a Strategy could see of ``instrument`` at this moment."""
    market = state.market.instruments.get(instrument)
    if market is None:
        return {"instrument": instrument}
    scales = Scales({instrument: market.definition})
    control, execution = state.control, state.execution
    return {
        "instrument": instrument,
        "bid": scales.price(instrument, market.bid),
        "bid_qty": scales.qty(instrument, market.bid_qty),
        "ask": scales.price(instrument, market.ask),
        "ask_qty": scales.qty(instrument, market.ask_qty),
        "last_price": scales.price(instrument, market.last_price),
        "feed": market.status.name,
        "book_valid": market.book.valid,
        "age_ns": control.ts - market.recv_ns,
        "phase": control.phase.name,
        "trading_state": control.trading_state(market.definition.venue, instrument).name,
        "position": scales.qty(instrument, execution.position(instrument).qty),
        "open_orders": len(list(execution.open_orders(instrument))),
    }


def tell(reader: JournalReader, wanted: Wanted) -> list[Step]:
    """The story of ``wanted`` in order."""
    sessions = reader.segments[0].parent.parent.parent
    records, definitions = _collect(reader, wanted)
    if not records:
        return []
    watch = _Watch(wanted, records[-1].seq)
    watch.run(sessions, reader, _cause(reader, records[0]))
    definitions |= watch.definitions
    scales = Scales(definitions)
    moments = [
        *((record.seq, 1, part) for record, part in _event_steps(records, scales)),
        *((seen.seq, 2, part) for seen in watch.seen for part in _intent_steps(seen, scales)),
        *((waited.seq, 3, _waited(waited)) for waited in watch.waits),
    ]
    if watch.problem:
        moments.append((0, 0, (records[0].seq, records[0].ts, "not run again", watch.problem, {})))
    if watch.order is not None:
        moments.append((2**63, 4, _final(watch.order, records[-1], scales)))
    moments.sort(key=lambda moment: moment[:2])
    first_ts = min(part[1] for _, _, part in moments)
    return [
        Step(seq, ts, rfc3339(ts), ts - first_ts, step, text, details)
        for _, _, (seq, ts, step, text, details) in moments
    ]


Part = tuple[int, int, str, str, dict[str, Any]]
"""seq, ts, name, sentence, details."""


def _collect(reader: JournalReader, wanted: Wanted) -> tuple[list[Recorded], dict[str, InstrumentDefined]]:
    records: list[Recorded] = []
    definitions: dict[str, InstrumentDefined] = {}
    for record in salvage(reader):
        if isinstance(record, Gap):
            continue
        if isinstance(record.event, InstrumentDefined):
            definitions[record.event.instrument] = record.event
        elif wanted.is_about(record) and len(records) < STEPS_MAX:
            records.append(record)
            if wanted.seq:
                break
    return records, definitions


def _cause(reader: JournalReader, record: Recorded) -> tuple[int, int]:
    """Position and time not later than those of the Intent that led to ``record``."""
    event, ts = record.event, record.ts
    if isinstance(event, events.IntentDispatched):
        ts = event.admitted_ts
    elif isinstance(event, events.IntentWithdrawn):
        ts -= configuration_of(reader.header).execution.max_queue_age
    return record.seq, ts


class _Watch:
    """Runs the Core over the part of a journal in which one order lived."""

    def __init__(self, wanted: Wanted, last_seq: int) -> None:
        self._wanted = wanted
        self._last_seq = last_seq
        self.seen: list[Seen] = []
        self.waits: list[Waited] = []
        self.order: Order | None = None
        self.definitions: dict[str, InstrumentDefined] = {}
        self.problem = ""
        self._gate: tuple[str, str, int] | None = None

    def run(self, sessions: Path, reader: JournalReader, cause: tuple[int, int]) -> None:
        """From the newest snapshot before ``cause`` to the order's last Event."""
        if reader.header.semantics_version != SEMANTICS_VERSION:
            self.problem = (
                "the session was written under other semantics of the Core: only its Events are told"
            )
            return
        fold = self._begin(sessions, reader, cause)
        if fold is None:
            self.problem = (
                "no snapshot before the order is usable and the journal begins later: only Events are told"
            )
            return
        runtime = fold.runtime
        assert isinstance(runtime, Watched)
        runtime.order_id = self._wanted.order_id or (0 if self._wanted.seq else -1)
        for item in self._records(reader, fold.last_seq + 1):
            if fold.events == 0 and item.origin is Origin.DERIVED:
                continue  # of the Event at the snapshot, whose State has it already
            if self._wanted.seq and item.origin is Origin.INPUT:
                runtime.only_seq = item.seq
                runtime.seen.clear()
            if not fold.take(item):
                self.problem = (
                    f"the Core decides otherwise than recorded at seq {item.seq}: nothing behind it was run"
                )
                break
            if item.origin is Origin.INPUT:
                self._look(runtime.state, item)
        self.seen = runtime.seen
        state = runtime.state
        self.order = None if self._wanted.seq else state.execution.order(self._wanted.order_id)
        self.definitions = {name: one.definition for name, one in state.market.instruments.items()}

    def _records(self, reader: JournalReader, from_seq: int) -> Iterator[Recorded]:
        try:
            yield from reader.records(from_seq, self._last_seq)
        except JournalError as error:
            self.problem = f"the journal cannot be read on from here: {error}"

    def _begin(self, sessions: Path, reader: JournalReader, cause: tuple[int, int]) -> Refold | None:
        header, (seq, ts) = reader.header, cause
        configuration = configuration_of(header)
        for snapshot in snapshots(sessions, header.session, seq - 1, SEMANTICS_VERSION):
            if snapshot.ts >= ts or snapshot.seq + 1 < header.first_seq:
                continue
            strategy = strategy_of(header, configuration)
            state = restored(snapshot, header, type(strategy.memory))
            if state is not None:
                fold = Refold(Watched(configuration, strategy, state))
                fold.last_seq = snapshot.seq
                return fold
        if header.first_seq != 1:
            return None
        return Refold(Watched(configuration, strategy_of(header, configuration)))

    def _look(self, state: State, record: Recorded) -> None:
        """At which gate the order's command waits now, if one does."""
        pending = state.execution.queue.pending.get(self._wanted.order_id)
        now = None
        if pending is not None:
            now = (word(pending.kind.name), held(pending, state) or "rate")
        if self._gate is not None and self._gate[:2] != now:
            kind, gate, from_ts = self._gate
            self.waits.append(Waited(record.seq, record.ts, from_ts, kind, gate))
            self._gate = None
        if now is not None and self._gate is None:
            self._gate = (*now, record.ts)


def _intent_steps(seen: Seen, scales: Scales) -> Iterator[Part]:
    market = seen.market
    if "bid" in market:
        text = (
            f"{seen.instrument} {market['bid']} / {market['ask']}, feed {word(market['feed'])}, book "
            f"{'valid' if market['book_valid'] else 'not valid'}, data {duration(market['age_ns'])} old; "
            f"position {market['position']}, {market['open_orders']} open orders, "
            f"trading {word(market['trading_state'])}"
        )
        yield seen.seq, seen.ts, "market", text, market
    details = {"source": seen.source.name, **_plain(seen.intent)}
    words = intent_words(seen.intent, seen.instrument, scales)
    yield seen.seq, seen.ts, "intent", f"the {word(seen.source.name)} wants {words}", details
    denying = [one for one in seen.verdicts if not one.allowed]
    said = f"denied by {denying[0].rule}: {denying[0].detail}" if denying else "allowed by every rule"
    if len(seen.verdicts) > 1:
        said += f" ({len(seen.verdicts)} asked)"
    elif not denying:
        said = seen.verdicts[0].detail
    yield seen.seq, seen.ts, "rules", said, {"verdicts": [msgspec.to_builtins(one) for one in seen.verdicts]}


def _plain(intent: Intent) -> dict[str, Any]:
    fields = {name: getattr(intent, name) for name in intent.__struct_fields__}
    kind = "New" if isinstance(intent, New) else type(intent).__name__
    return {"intent": kind, **{name: getattr(value, "name", value) for name, value in fields.items()}}


def _waited(waited: Waited) -> Part:
    lasted = waited.ts - waited.from_ts
    text = f"{waited.kind} waited {duration(lasted)}: {GATES[waited.gate]}"
    return waited.seq, waited.ts, "waited", text, {"gate": waited.gate, "waited_ns": lasted}


_NAMES = {
    events.IntentDenied: "denied",
    events.IntentWithdrawn: "withdrawn",
    events.IntentDispatched: "dispatch",
    events.OrderAdopted: "adopted",
    events.RequestSent: "sent",
    events.DispatchFailed: "not sent",
    events.OrderFill: "fill",
    events.AnomalyDetected: "anomaly",
    events.OperatorCommand: "command",
}


def _event_steps(records: list[Recorded], scales: Scales) -> Iterator[tuple[Recorded, Part]]:
    dispatched_ts = sent_ns = 0
    told: set[tuple[int, Side]] = set()
    for record in records:
        event, text = record.event, event_words(record.event, scales)
        details = describe_event(event) or {}
        if isinstance(event, events.IntentDispatched):
            dispatched_ts = record.ts
            details["queued_ns"] = record.ts - event.admitted_ts
        elif isinstance(event, events.RequestSent):
            sent_ns = event.send_ns
            details["to_gate_ns"] = event.gate_ns - dispatched_ts
            details["write_ns"] = event.send_ns - event.gate_ns
            text += f", {duration(event.send_ns - dispatched_ts)} after the decision" if dispatched_ts else ""
        elif isinstance(event, events.OrderFill) and (event.fill_id, event.side) in told:
            text += " (told again: it counts once)"
        elif sent_ns and getattr(event, "recv_ns", 0) >= sent_ns:
            details["after_sending_ns"] = event.recv_ns - sent_ns  # type: ignore[union-attr]
            text += f" ({duration(details['after_sending_ns'])} after the last request)"
        if isinstance(event, events.OrderFill):
            told.add((event.fill_id, event.side))
        yield record, (record.seq, record.ts, _NAMES.get(type(event), "answer"), text, details)


def _final(order: Order, last: Recorded, scales: Scales) -> Part:
    name = order.instrument
    text = f"{word(order.status.name)}, {scales.qty(name, order.filled_qty)} of {scales.qty(name, order.qty)} filled"
    if order.filled_qty:
        text += f" at {scales.price(name, order.filled_notional // order.filled_qty)} on average"
    if order.anomalous:
        text += "; the venue contradicted itself about it"
    details = msgspec.to_builtins(order)
    details["status"] = order.status.name
    return last.seq, last.ts, "state", text, details
