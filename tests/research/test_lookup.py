"""Which order does somebody mean?"""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.core.events import (
    CancelOrder,
    IntentDispatched,
    OperatorCommand,
    OrderReport,
    Recorded,
)
from livestack.core.types import (
    OrderRequest,
    OrderStatus,
    OrderType,
    Origin,
    RequestKind,
    RequestSource,
    Side,
    TimeInForce,
)
from livestack.exceptions import UsageError
from livestack.journal.reader import JournalReader
from livestack.research.lookup import Wanted, at_seq, look_up
from tests.journal_support import writer
from tests.research.orders import denied, filled
from tests.research.sessions import INSTRUMENT


@pytest.mark.parametrize("text", ["1", "AAAAAAAAA-1-1", "V7"])
def test_by_each_of_its_names(tmp_path: Path, text: str) -> None:
    """Our number, the client id, the venue's id."""
    filled(tmp_path)
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert 1 == look_up(reader, text).order_id


def test_a_denied_intent_by_its_position(tmp_path: Path) -> None:
    """As a bare number where no order has it, or said so; only that one Intent."""
    denied(tmp_path)
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert Wanted(2, seq=8) == look_up(reader, "8")
        assert Wanted(2, seq=8) == at_seq(reader, 8)
        assert Wanted(2) == look_up(reader, "2")


@pytest.mark.parametrize("text", ["99", "12", "AAAAAAAAA-9-1", "nothing", "", "9" * 30, "²"])
def test_an_unknown_order_is_answered_with_what_to_do(tmp_path: Path, text: str) -> None:
    """Whatever was typed."""
    filled(tmp_path)
    with (
        JournalReader.open(tmp_path / "sessions", "s") as reader,
        pytest.raises(UsageError, match="give its Order ID, client id or venue order id, or --seq"),
    ):
        look_up(reader, text)


def test_a_position_without_an_order(tmp_path: Path) -> None:
    """What stands there is said, or that nothing does."""
    filled(tmp_path)
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        assert 1 == at_seq(reader, 7).order_id
        with pytest.raises(UsageError, match="seq 6 is a QuoteTick, which is about no order"):
            at_seq(reader, 6)
        with pytest.raises(UsageError, match="no readable Event at seq 999"):
            at_seq(reader, 999)


def test_an_order_that_somebody_else_made(tmp_path: Path) -> None:
    """By its foreign client id: what the venue reported of it, and our own requests about it."""
    report = OrderReport(
        recv_ns=0,
        venue="binance_spot",
        instrument=INSTRUMENT,
        client_id="web_1",
        order_id=0,
        venue_order_id="V9",
        event_ns=0,
        status=OrderStatus.ACCEPTED,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        tif=TimeInForce.GTC,
        price=1,
        qty=1,
        filled_qty=0,
        reason="",
    )
    request = OrderRequest(
        kind=RequestKind.CANCEL,
        venue="binance_spot",
        instrument=INSTRUMENT,
        order_id=4,
        revision=1,
        client_id="AAAAAAAAA-4-1",
        source=RequestSource.OPERATOR,
        target_client_id="web_1",
    )
    command = OperatorCommand(
        request_id="r", command=CancelOrder(order_id=4), who="me", why="", base_version=0
    )
    records = [
        Recorded(1, 1, Origin.INPUT, report),
        Recorded(2, 2, Origin.INPUT, command),
        Recorded(3, 2, Origin.DERIVED, IntentDispatched(request=request, admitted_ts=2)),
    ]
    journal = writer(tmp_path, "s")
    journal.commit(records)
    journal.close()
    with JournalReader.open(tmp_path / "sessions", "s") as reader:
        for text in ("web_1", "AAAAAAAAA-4-1", "4", "V9"):
            wanted = look_up(reader, text)
            assert wanted.is_about(records[2]) or text == "V9"
        assert all(look_up(reader, "web_1").is_about(one) for one in records)
        assert Wanted(0, "web_1") == at_seq(reader, 1)
