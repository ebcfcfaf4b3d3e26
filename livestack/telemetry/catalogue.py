"""The catalogue of metrics: one declaration for each, from which everything else is made.

What is sent, ``livestack metrics list``, the tables of the documentation, Graphite's rules and Grafana's dashboard are
all made from :data:`METRICS`; a test receives every one of them from a running node. Pure; imports nothing.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec


class Kind(Enum):
    """``COUNTER``: how many so far. ``GAUGE``: how it is now. ``TIMING``: how long, or how large, each one was."""

    COUNTER = "counter"
    GAUGE = "gauge"
    TIMING = "timing"


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """``name``: group and name. A series of it puts the values of ``labels`` behind the group: ``feed.sim.messages``.

    ``unit``: of its value; timings are kept in nanoseconds and told in ``ms``, those that are sizes in their unit.
    ``source``: where it is counted. ``meaning``: a sentence. ``alert``: when somebody should be told; '' never.
    """

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...] = ()
    source: str
    meaning: str
    alert: str = ""

    def series(self, labels: tuple[str, ...]) -> str:
        """The plain name of one series: ``labels`` as they are to be written, none of them empty or with a dot."""
        group, _, rest = self.name.partition(".")
        return ".".join((group, *labels, rest))


def _counter(name: str, unit: str, labels: str, source: str, meaning: str, alert: str = "") -> Metric:
    return _metric(name, Kind.COUNTER, unit, labels, source, meaning, alert)


def _gauge(name: str, unit: str, labels: str, source: str, meaning: str, alert: str = "") -> Metric:
    return _metric(name, Kind.GAUGE, unit, labels, source, meaning, alert)


def _timing(name: str, unit: str, labels: str, source: str, meaning: str, alert: str = "") -> Metric:
    return _metric(name, Kind.TIMING, unit, labels, source, meaning, alert)


def _metric(name: str, kind: Kind, unit: str, labels: str, source: str, meaning: str, alert: str) -> Metric:
    return Metric(
        name=name,
        kind=kind,
        unit=unit,
        labels=tuple(labels.split()),
        source=source,
        meaning=meaning,
        alert=alert,
    )


# -- Intake ----------------------------------------------------------------------------------------------------------

FEED_STATE: Final = _gauge(
    "feed.state", "state", "venue", "State",
    "1 disconnected, 2 connecting, 3 synchronising, 4 live, 5 degraded", "other than 4 for 10 s",
)  # fmt: skip
FEED_MESSAGES: Final = _counter(
    "feed.messages", "messages", "venue", "feed's readers", "Frames that arrived", "none for 10 s"
)
FEED_BYTES: Final = _counter("feed.bytes", "bytes", "venue", "feed's readers", "Size of these frames")
FEED_DECODE: Final = _timing(
    "feed.decode", "ms", "venue", "feed's readers",
    "From a frame's arrival to its Events in the inbox; one frame of five stands for all, slow ones for "
    "themselves",
)  # fmt: skip
FEED_LAG: Final = _timing(
    "feed.lag", "ms", "venue", "feed's readers",
    "From the venue's own time of a market Event to its arrival, by the venue's clock once that was "
    "measured, by ours before; one frame of five stands for all", "p90 above 500 ms: prices are old",
)  # fmt: skip
FEED_AGE: Final = _gauge(
    "feed.age", "ms", "venue", "State", "Since the last market Event of any instrument", "above 10 000"
)
FEED_GAPS: Final = _counter(
    "feed.gaps", "gaps", "venue", "feed's readers",
    "Times a book became invalid, or an instrument's data", "more than 3 in a minute",
)  # fmt: skip
FEED_RESYNCS: Final = _counter(
    "feed.resyncs", "books", "venue", "feed's readers", "Times one became valid (again)"
)
FEED_REFUSED: Final = _counter(
    "feed.refused", "Events", "venue", "feed's readers", "Events that a full inbox did not take", "any"
)
FEED_RECONNECTS: Final = _counter(
    "feed.reconnects", "connections", "venue", "feed actor",
    "Connections that were open and closed", "more than 3 in a minute",
)  # fmt: skip
FEED_FAULTS: Final = _counter(
    "feed.faults", "messages", "venue kind", "feed's adapter", "What the venue sent and should not have"
)

# -- Core Runtime ----------------------------------------------------------------------------------------------------

RUNTIME_EVENTS: Final = _counter(
    "runtime.events", "Events", "category", "harness",
    "By category: market, execution, control, time, derived",
)  # fmt: skip
RUNTIME_SEQ: Final = _gauge("runtime.seq", "seq", "", "harness", "Position of the newest Event")
RUNTIME_UNCOMMITTED: Final = _gauge(
    "runtime.uncommitted", "Events", "", "harness and recorder",
    "Sequenced and not durable yet", "above 10 000: the disk does not keep up",
)  # fmt: skip
RUNTIME_INBOX: Final = _gauge(
    "runtime.inbox", "Events", "lane", "harness's mailbox",
    "Waiting, by lane: control, execution, time, market", "market above 10 000",
)  # fmt: skip
RUNTIME_INBOX_AGE: Final = _gauge(
    "runtime.inbox_age", "ms", "lane", "harness's mailbox",
    "Since the arrival of what waits longest, in the lanes market and execution", "above 1 000",
)  # fmt: skip
RUNTIME_STEP: Final = _timing(
    "runtime.step", "ms", "", "harness",
    "One step of the Core, its Strategy included; up to a hundred a second are timed and stand for all, "
    "slow ones for themselves", "max above 100 ms",
)  # fmt: skip
RUNTIME_STRATEGY: Final = _timing(
    "runtime.strategy", "ms", "", "harness",
    "One call of the Strategy, in the steps that are timed", "max above 50 ms",
)  # fmt: skip
RUNTIME_INTENTS: Final = _counter(
    "runtime.intents", "Intents", "", "State", "What the Strategy and operators wanted"
)
RUNTIME_DENIALS: Final = _counter(
    "runtime.denials", "Intents", "rule", "harness",
    "Denied by Risk, by rule", "any of session loss or position",
)  # fmt: skip
RUNTIME_SUPERSEDED: Final = _counter(
    "runtime.superseded", "Intents", "", "State", "Made pointless by a later one before they left"
)
RUNTIME_QUEUED: Final = _gauge(
    "runtime.queued", "Intents", "", "State",
    "Admitted and not dispatched yet: withheld by rate, gate or inflight", "above 0 for a minute",
)  # fmt: skip
RUNTIME_DISPATCHES: Final = _counter("runtime.dispatches", "requests", "", "State", "Decided to be sent")
RUNTIME_ANOMALIES: Final = _counter(
    "runtime.anomalies", "anomalies", "kind", "harness", "What contradicted State, by kind", "any"
)

# -- Venues ----------------------------------------------------------------------------------------------------------

VENUE_STATE: Final = _gauge(
    "venue.state", "state", "venue", "State", "Order entry, as feed.state", "other than 4 for 10 s"
)
VENUE_REQUESTS: Final = _counter(
    "venue.requests", "requests", "venue kind", "connector",
    "Written to the venue: new, replace, cancel, and host for what asks, or cancels without an Intent",
)  # fmt: skip
VENUE_NOT_SENT: Final = _counter(
    "venue.not_sent", "requests", "venue reason", "connector",
    "Dispatches that certainly did not leave: gate, connection, age, encoding, restart",
    "any in normal operation",
)  # fmt: skip
VENUE_FILLS: Final = _counter(
    "venue.fills", "fills", "venue", "connector", "Fills that the venue told, repetitions among them"
)
VENUE_REJECTS: Final = _counter(
    "venue.rejects", "requests", "venue code", "connector",
    "Refused by the venue, by its code", "more than 5 in a minute",
)  # fmt: skip
VENUE_RATE_LEFT: Final = _gauge(
    "venue.rate_left", "percent", "venue limit", "State",
    "What the rate limits leave, by kind and interval", "below 10",
)  # fmt: skip
VENUE_RECONNECTS: Final = _counter(
    "venue.reconnects", "connections", "venue", "connector",
    "Connections that were open and closed", "more than 3 in a minute",
)  # fmt: skip
VENUE_DIFFERENCES: Final = _counter(
    "venue.differences", "differences", "venue", "connector",
    "Incidents reconciliation_difference that opened", "any",
)  # fmt: skip
VENUE_OPEN: Final = _gauge(
    "venue.open_orders", "orders", "venue", "State", "Open at the venue as far as is known"
)
VENUE_UNKNOWN: Final = _gauge(
    "venue.unknown_orders", "orders", "venue", "State", "Orders of unknown fate", "above 0 for 10 s"
)
VENUE_INFLIGHT_AGE: Final = _gauge(
    "venue.inflight_age", "ms", "venue", "State",
    "Since the oldest request without an answer was decided", "above 5 000",
)  # fmt: skip
VENUE_CLOCK_OFFSET: Final = _gauge(
    "venue.clock_offset", "us", "venue", "State", "The venue's clock minus ours", "beyond 500 000 either way"
)
VENUE_FAULTS: Final = _counter(
    "venue.faults", "messages", "venue kind", "connector's adapter", "What the venue sent and should not have"
)

# -- Persistence -----------------------------------------------------------------------------------------------------

JOURNAL_COMMIT: Final = _timing(
    "journal.commit", "ms", "", "recorder",
    "One commit, until it is durable", "p90 above 50 ms, max above 1 s",
)  # fmt: skip
JOURNAL_BATCH: Final = _timing("journal.batch", "records", "", "recorder", "Records in a commit")
JOURNAL_RECORDS: Final = _counter("journal.records", "records", "", "recorder", "Made durable")
JOURNAL_BYTES: Final = _counter("journal.bytes", "bytes", "", "recorder", "Their size")
JOURNAL_FREE: Final = _gauge(
    "journal.free", "bytes", "", "recorder", "Room on the journal's disk", "below twice journal.headroom"
)
JOURNAL_FAILURES: Final = _counter(
    "journal.failures", "commits", "", "recorder", "Commits that the disk refused", "any"
)
RECORDS_BEHIND: Final = _gauge(
    "records.behind", "Events", "sink", "shipper", "What the sink does not have yet"
)
RECORDS_LAG: Final = _gauge(
    "records.lag", "ms", "sink", "shipper",
    "Age of the oldest Event that it does not have", "above records.lag_max",
)  # fmt: skip
RECORDS_THROUGH: Final = _gauge(
    "records.through", "seq", "sink", "shipper", "Up to here the sink has everything"
)
RECORDS_STATE: Final = _gauge(
    "records.state", "state", "sink", "shipper",
    "0 ok, 1 starting, 2 behind, 3 down, 4 refused", "3 for a minute; 4",
)  # fmt: skip
RECORDS_ERRORS: Final = _counter(
    "records.errors", "errors", "sink", "shipper", "Failed batches, each of them retried"
)
RECORDS_DEAD_LETTERS: Final = _counter(
    "records.dead_letters", "records", "sink", "shipper", "Records that the sink will never take", "any"
)

# -- Operation -------------------------------------------------------------------------------------------------------

SESSION_PHASE: Final = _gauge(
    "session.phase", "state", "", "State", "1 starting, 2 running, 3 stopping, 4 stopped"
)
SESSION_TRADING: Final = _gauge(
    "session.trading", "state", "", "State",
    "1 active, 2 reducing, 3 halted", "3 without an operator's command",
)  # fmt: skip
SESSION_KILLED: Final = _gauge(
    "session.killed", "scopes", "", "State", "Scopes of the engaged kill-switch", "any"
)
SESSION_CONFIGURATION: Final = _gauge(
    "session.configuration", "version", "", "State", "Version of the Configuration in force"
)
SESSION_STRATEGY: Final = _gauge("session.strategy", "0 or 1", "", "State", "Whether the Strategy acts", "0")
POSITION_QTY: Final = _gauge("position.qty", "base units", "instrument", "State", "Signed position")
POSITION_REALISED: Final = _gauge("position.realised", "quote units", "instrument", "State", "Realised P&L")
POSITION_UNREALISED: Final = _gauge(
    "position.unrealised", "quote units", "instrument", "State",
    "Unrealised P&L at the price at which it could be closed",
)  # fmt: skip
POSITION_EXPOSURE: Final = _gauge(
    "position.exposure", "quote units", "instrument", "State", "Size of the position at that price"
)
INCIDENTS_OPEN: Final = _gauge(
    "incident.open", "incidents", "name", "harness", "Open incidents by name", "any"
)
INCIDENTS_OPENED: Final = _counter("incident.opened", "incidents", "name", "harness", "Incidents that opened")
CONTROL_REQUESTS: Final = _counter(
    "control.requests", "requests", "command", "control server", "Requests that were let in, by command"
)
CONTROL_REFUSED: Final = _counter(
    "control.refused", "requests", "code", "control server",
    "Requests that were not, by code", "more than 10 in a minute",
)  # fmt: skip
CONTROL_OPERATOR_AGE: Final = _gauge(
    "control.operator_age", "ms", "", "control server",
    "Since an operator was heard", "above half of control.dead_man",
)  # fmt: skip
CONTROL_VIEW: Final = _timing(
    "control.view", "ms", "", "harness", "Taking the picture that operators are shown, between two steps"
)
PROCESS_CPU: Final = _counter(
    "process.cpu", "ms", "", "process", "Processor time", "above 90 % of one core for a minute"
)
PROCESS_RSS: Final = _gauge("process.rss", "bytes", "", "process", "Resident memory", "growing for an hour")
PROCESS_THREADS: Final = _gauge("process.threads", "threads", "", "process", "Threads that live")
PROCESS_FILES: Final = _gauge(
    "process.files", "files", "", "process", "Open file descriptors", "above 80 % of the limit"
)
PROCESS_GC_PAUSE: Final = _timing(
    "process.gc_pause", "ms", "generation", "garbage collector",
    "One collection, all Python threads held", "max above 20 ms",
)  # fmt: skip
PROCESS_SWITCH: Final = _timing(
    "process.switch", "ms", "", "probe thread",
    "How late a thread that wants nothing but the interpreter gets it", "p90 above 20 ms",
)  # fmt: skip
THREAD_CPU: Final = _counter("thread.cpu", "ms", "thread", "kernel", "Processor time of a thread")
THREAD_WAIT: Final = _counter(
    "thread.wait", "ms", "thread", "kernel",
    "Time in which it could run and had no processor", "above 100 ms a second: the machine is overloaded",
)  # fmt: skip
LOG_LINES: Final = _counter("log.lines", "lines", "level", "logs", "Written", "any at error")
LOG_SUPPRESSED: Final = _counter(
    "log.suppressed", "lines", "", "logs", "Repetitions that were counted, not written"
)
LOG_LOST: Final = _counter("log.lost", "lines", "", "logs", "Lines that nobody could take", "any")

# -- End to end ------------------------------------------------------------------------------------------------------

ORDER_TICK: Final = _timing(
    "order.tick_to_order", "ms", "venue", "connector",
    "From the arrival of the market data that a request answers to its last byte written; none for what was "
    "withheld", "p90 above 10 ms",
)  # fmt: skip
ORDER_DECODE: Final = _timing(
    "order.decode", "ms", "venue", "connector", "Of it: until its Events are in the inbox"
)
ORDER_INBOX: Final = _timing(
    "order.inbox", "ms", "venue", "connector", "Of it: in the inbox, and before it where that is not known"
)
ORDER_STEP: Final = _timing("order.step", "ms", "venue", "connector", "Of it: in the Core")
ORDER_COMMIT: Final = _timing(
    "order.commit", "ms", "venue", "connector", "Of it: until the decision is durable and released"
)
ORDER_SEND: Final = _timing(
    "order.send", "ms", "venue", "connector", "Of it: encoding, signing, gate and write"
)
ORDER_ACK: Final = _timing(
    "order.ack", "ms", "venue", "connector",
    "From the last byte of a request to the venue's first answer", "p90 above 500 ms",
)  # fmt: skip

# -- Telemetry itself ------------------------------------------------------------------------------------------------

TELEMETRY_SENT: Final = _counter(
    "telemetry.sent", "datagrams", "", "telemetry actor", "Handed to the network"
)
TELEMETRY_BYTES: Final = _counter("telemetry.bytes", "bytes", "", "telemetry actor", "Their size")
TELEMETRY_LOST: Final = _counter(
    "telemetry.lost", "values", "reason", "telemetry actor",
    "Not sent: unresolved, refused, full, unreachable, too_long, error; or not read: probe",
    "any: dashboards lack it",
)  # fmt: skip
TELEMETRY_READ: Final = _timing(
    "telemetry.read", "ms", "", "telemetry actor", "Reading and sending everything once", "max above 500 ms"
)

METRICS: Final[tuple[Metric, ...]] = tuple(one for one in list(vars().values()) if isinstance(one, Metric))
"""All of them, in this page's order."""

BY_NAME: Final[dict[str, Metric]] = {metric.name: metric for metric in METRICS}
