"""Dominance: every row of the table, and that the Queue holds at most one command per Order ID."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestack.core.intents import Cancel, Intent, New, Replace
from livestack.core.pending import DOMINANCE, Dominance, Form, Queue, kind_of
from livestack.core.types import RequestKind, RequestSource, Side

NEW, REPLACE, CANCEL = RequestKind.NEW, RequestKind.REPLACE, RequestKind.CANCEL

# The design's table; AMENDED_NEW is a New that took over a Replace's terms and ranks as one.
ROWS = [
    (Form.NONE, NEW, Dominance.INCOMING),
    (Form.NONE, REPLACE, Dominance.INCOMING),
    (Form.NONE, CANCEL, Dominance.INCOMING),
    (Form.NEW, NEW, Dominance.INCOMING),
    (Form.NEW, REPLACE, Dominance.MERGED),
    (Form.NEW, CANCEL, Dominance.NEITHER),
    (Form.AMENDED_NEW, NEW, Dominance.PENDING),
    (Form.AMENDED_NEW, REPLACE, Dominance.MERGED),
    (Form.AMENDED_NEW, CANCEL, Dominance.NEITHER),
    (Form.REPLACE, NEW, Dominance.PENDING),
    (Form.REPLACE, REPLACE, Dominance.INCOMING),
    (Form.REPLACE, CANCEL, Dominance.INCOMING),
    (Form.CANCEL, NEW, Dominance.PENDING),
    (Form.CANCEL, REPLACE, Dominance.PENDING),
    (Form.CANCEL, CANCEL, Dominance.INCOMING),
]


def new(price: int = 1) -> New:
    return New(order_id=1, instrument="v:S", side=Side.BUY, qty=5, price=price)


def replace(price: int = 2) -> Replace:
    return Replace(order_id=1, qty=6, price=price)


LEADING: dict[Form, list[Intent]] = {
    Form.NONE: [],
    Form.NEW: [new()],
    Form.AMENDED_NEW: [new(), replace()],
    Form.REPLACE: [replace()],
    Form.CANCEL: [Cancel(order_id=1)],
}
INCOMING: dict[RequestKind, Intent] = {NEW: new(7), REPLACE: replace(7), CANCEL: Cancel(order_id=1)}


def admit(queue: Queue, intent: Intent) -> Dominance:
    return queue.admit(intent, "v", "v:S", RequestSource.STRATEGY, 1, 0)


def test_table_is_complete() -> None:
    """Every pair has exactly one row."""
    assert list(itertools.product(Form, (NEW, REPLACE, CANCEL))) == [(form, kind) for form, kind, _ in ROWS]


@pytest.mark.parametrize(("form", "kind", "expected"), ROWS)
def test_every_row(form: Form, kind: RequestKind, expected: Dominance) -> None:
    """What is effective afterwards is what the table says, and goes out as what it should."""
    queue = Queue()
    for intent in LEADING[form]:
        admit(queue, intent)
    before = queue.pending.get(1)
    assert expected is admit(queue, INCOMING[kind]) is DOMINANCE[form][kind]
    after = queue.pending.get(1)
    if expected is Dominance.NEITHER:
        assert after is None
    elif expected is Dominance.PENDING:
        assert before is after
    else:
        assert after is not None
        merged = expected is Dominance.MERGED
        assert (NEW if merged else kind) is after.kind
        if merged:
            assert after.terms is not None
            assert (6, 7, Form.AMENDED_NEW) == (after.terms.qty, after.terms.price, after.form)


@given(st.lists(st.sampled_from([new(), replace(), Cancel(order_id=1)]), max_size=20))
def test_every_intent_has_one_outcome(intents: list[Intent]) -> None:
    """Whatever comes: admitted = superseded + pending, and at most one command is effective."""
    queue = Queue()
    for intent in intents:
        admit(queue, intent)
        assert queue.admitted == queue.superseded + len(queue.pending)
        assert len(queue.pending) <= 1
    assert len(intents) == queue.admitted


def test_kind_of_an_intent() -> None:
    """Each Intent asks for one request."""
    assert [NEW, REPLACE, CANCEL] == [kind_of(intent) for intent in (new(), replace(), Cancel(order_id=1))]
