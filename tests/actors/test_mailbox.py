"""Mailboxes: order, lanes, bounds, and that nothing is lost between threads."""

from __future__ import annotations

import threading

import pytest
from pykka._envelope import Envelope

from livestack.actors.mailbox import HarnessMailbox, Mailbox
from livestack.core.events import ControlTime, QuoteTick, SessionStopping, VenueBackoff


def quote(update_id: int) -> QuoteTick:
    return QuoteTick(
        recv_ns=1, instrument="v:S", event_ns=0, update_id=update_id, bid=1, bid_qty=1, ask=2, ask_qty=1
    )


STOPPING = SessionStopping(by="test", reason="")
BACKOFF = VenueBackoff(recv_ns=1, venue="v", retry_after_ns=1, reason="")
TIME = ControlTime(scope="s", deadline_ns=1)


def test_takes_everything_that_gathered_oldest_first() -> None:
    """One take hands over all waiting messages, in the order of arrival."""
    mailbox = Mailbox()
    for number in range(5):
        mailbox.tell(number)
    envelope = mailbox.take()
    assert envelope is not None
    assert [0, 1, 2, 3, 4] == envelope.message
    assert mailbox.take() is None


def test_a_batch_is_bounded() -> None:
    """More than ``batch_max`` messages take several batches."""
    mailbox = Mailbox(batch_max=2)
    for number in range(3):
        mailbox.tell(number)
    assert [[0, 1], [2]] == [mailbox.get().message, mailbox.get().message]


def test_stop_overtakes_a_backlog() -> None:
    """Pykka's own envelopes come first, however much is waiting."""
    mailbox = Mailbox()
    mailbox.tell("backlog")
    stop: Envelope[str] = Envelope("stop")
    mailbox.put(stop)
    assert stop is mailbox.get()


def test_lanes_are_taken_control_execution_market() -> None:
    """Control overtakes execution overtakes market; within a lane arrival order holds."""
    mailbox = HarnessMailbox()
    assert mailbox.offer_market([quote(1), quote(2)])
    mailbox.tell_execution([BACKOFF])
    mailbox.tell_control([STOPPING])
    assert [STOPPING, BACKOFF, quote(1), quote(2)] == mailbox.get().message


def test_control_time_waits_for_control_and_execution() -> None:
    """An answer that is already there is seen before the time-out that would deny it."""
    mailbox = HarnessMailbox()
    mailbox.tell_time(TIME)
    mailbox.tell_execution([BACKOFF])
    mailbox.offer_market([quote(1)])
    assert [BACKOFF, quote(1)] == mailbox.get().message
    assert [TIME] == mailbox.get().message


def test_a_full_market_lane_refuses_all_or_none_and_takes_status() -> None:
    """Beyond the high-water mark nothing is half-accepted; the feed can still say why it is silent."""
    mailbox = HarnessMailbox(market_lane_max=3)
    assert mailbox.offer_market([quote(1), quote(2)])
    assert not mailbox.offer_market([quote(3), quote(4)])
    mailbox.tell_feed_status([STOPPING])
    assert [quote(1), quote(2), STOPPING] == mailbox.get().message


def test_a_paused_mailbox_leaves_market_data_and_takes_the_rest() -> None:
    """While too much waits for its commit, market data stays and execution goes on."""
    mailbox = HarnessMailbox()
    mailbox.paused = True
    mailbox.offer_market([quote(1)])
    assert mailbox.take() is None
    mailbox.tell_execution([BACKOFF])
    assert [BACKOFF] == mailbox.get().message
    mailbox.resume()
    assert [quote(1)] == mailbox.get().message


def test_the_harness_mailbox_takes_events_by_lane_only() -> None:
    """There is no way in without saying which lane."""
    with pytest.raises(TypeError, match="tell_control"):
        HarnessMailbox().tell("event")


def test_nothing_is_lost_or_reordered_between_threads() -> None:
    """Several senders race one taker: every message arrives, each sender's in order, and the taker never hangs."""
    mailbox = Mailbox(batch_max=7)
    count = 20_000

    def send(sender: int) -> None:
        for number in range(count):
            mailbox.tell((sender, number))

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(3)]
    for thread in senders:
        thread.start()
    seen: dict[int, list[int]] = {0: [], 1: [], 2: []}
    while sum(map(len, seen.values())) < 3 * count:
        for sender, number in mailbox.get().message:
            seen[sender].append(number)
    for thread in senders:
        thread.join()
    assert all(list(range(count)) == numbers for numbers in seen.values())
    assert mailbox.empty()
