"""What is known of the node: how old it is, what of it is of another session, and the last minute."""

from __future__ import annotations

from typing import Any

import pytest

from livestack.cli.top_picture import WAITING_MAX, Inbox, News, Picture
from livestack.exceptions import LivestackError
from livestack.wire import control_pb2 as wire
from tests.cli import top_support
from tests.cli.top_support import BTC, ETH, VENUE, event, status


class Told:
    """A picture, and a node whose answers a test makes."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.picture = Picture(0.0)

    def __call__(self, at_s: float, *contents: Any) -> Picture:
        for content in contents:
            self.inbox.put(News(content, at_s))
        self.picture.take(self.inbox.take())
        return self.picture


@pytest.fixture
def told() -> Told:
    return Told()


def test_age_is_what_the_node_says_and_what_has_passed(told: Told) -> None:
    """None for what never came."""
    picture = told(10.0, status(age_ms=120))
    assert 120 == picture.age_ms(10.0)
    assert 2_120 == picture.age_ms(12.0)
    assert picture.age_ms(12.0, "orders") is None


def test_a_node_that_answers_is_not_stale(told: Told) -> None:
    """Nor one of which nothing has come for a moment."""
    picture = told(10.0, status())
    assert picture.staleness(12.9) is None


def test_silence(told: Told) -> None:
    """After some seconds, with the age of what is shown; over with the next answer."""
    told.inbox.put_trouble("it is stopped")
    stale = told(10.0, status(age_ms=500)).staleness(22.0)
    assert stale is not None
    assert ("THE NODE DOES NOT ANSWER", 12.5, "it is stopped") == stale
    told.inbox.put_trouble("")
    assert told(22.5, status()).staleness(23.0) is None


def test_a_node_that_answers_and_stands_still(told: Told) -> None:
    """Its answers are old: that is said, not that it is silent. One that has not begun has no age."""
    picture = told(10.0, status(age_ms=11_000), top_support.orders())
    assert "THE NODE STANDS STILL" == getattr(picture.staleness(10.0), "what", "")
    assert told(11.0, status(age_ms=11_000, seq=0)).staleness(11.0) is None


def test_half_an_answer(told: Told) -> None:
    """Orders come, the status does not."""
    told(10.0, status())
    stale = told(15.0, top_support.orders()).staleness(15.0)
    assert "THE NODE ANSWERS IN PART" == getattr(stale, "what", "")


def test_no_node_yet(told: Told) -> None:
    """It is looked for, and at once said why where that is known."""
    assert told.picture.staleness(2.0) is None
    assert "NO NODE ANSWERS" == getattr(told.picture.staleness(3.5), "what", "")
    told.inbox.put_trouble("no such socket")
    assert ("NO NODE ANSWERS", None, "no such socket") == told(1.0).staleness(1.0)


def test_another_session_begins_anew(told: Told) -> None:
    """Nothing of the one before is shown as if it were of this one; its Events stay, with a line between."""
    told(10.0, status(), top_support.orders(), top_support.positions(), top_support.metrics())
    told.picture.second(10.0)
    picture = told(11.0, status(session="another", started_at_ns=5, events=3))
    assert (None, None, {}, {}) == (picture.orders, picture.positions, picture.metrics, picture.last_minute)
    assert ["session"] == [one.kind for one in picture.happenings.lines]
    assert picture.counted_per_second("events") is None


def test_rates(told: Told) -> None:
    """From counters of the last seconds; never below nothing."""
    for second in range(20):
        told(float(second), status(events=1_000 + 100 * second + (second // 19) * 400))
    assert 180.0 == told.picture.counted_per_second("events")
    assert 0.0 == told.picture.counted_per_second("fills")


def test_the_last_minute(told: Told) -> None:
    """A value a second, sixty at most, and a gap where the node was silent."""
    for second in range(70):
        told(float(second), status(events=10 * second), top_support.metrics())
        told.picture.second(float(second))
    told.picture.second(80.0)
    shown = told.picture.minute("events")
    assert (60, 10.0, None) == (len(shown), shown[-2], shown[-1])
    assert 3_700_000.0 == told.picture.minute(f"order.{VENUE}.tick_to_order/p99")[0]
    assert () == told.picture.minute("unheard of")


def test_figures_of_metrics(told: Told) -> None:
    """Sums of series, all or some; None where there are none."""
    picture = told(1.0, top_support.metrics())
    assert 952.5 == picture.per_second("runtime.events")
    assert 40.5 == picture.per_second("runtime.events", "execution")
    assert 3 == picture.value("runtime.inbox")
    assert picture.per_second("nothing") is picture.value("nothing") is None


def test_metrics_that_are_off(told: Told) -> None:
    """The node says why; an answer later counts again."""
    told(1.0, top_support.metrics())
    told.inbox.put_metrics_trouble("telemetry is off")
    assert ("telemetry is off", {}) == (told(2.0).metrics_trouble, told.picture.metrics)
    assert "" == told(3.0, top_support.metrics()).metrics_trouble


def test_decimals_are_those_of_answers(told: Told) -> None:
    """Prices of the feed, quantities of orders, positions and fills."""
    picture = told(1.0, status(), top_support.orders())
    assert (2, 8) == picture.decimals()[BTC] == picture.decimals()[ETH]
    assert "币" in "".join(picture.decimals())


def test_the_inbox_is_bounded() -> None:
    """Of each answer only the newest waits; of Events the newest, and how many did not."""
    inbox = Inbox()
    for number in range(WAITING_MAX + 5):
        inbox.put_event(event("OrderAccepted", number))
        inbox.put(News(wire.Status(seq=number), float(number)))
    inbox.put_denied(LivestackError("not for you"))
    mail = inbox.take()
    assert (WAITING_MAX, 5, 1) == (len(mail.events), mail.lost, len(mail.news))
    assert "not for you" == mail.trouble == str(mail.denied)
    assert ((), (), 0, None, None, None) == inbox.take()
