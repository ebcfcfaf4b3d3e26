"""The table of commands."""

from __future__ import annotations

from typing import get_args

import pytest

from livestack.control.commands import (
    COMMANDS,
    FILLS_MAX,
    NUMBER_MAX,
    SETTINGS_MAX,
    Role,
    Sender,
    command_of,
    fault,
    four_eyes_name,
    is_request_id,
)
from livestack.control_settings import FourEyes
from livestack.wire import control_pb2 as wire

QUERIES = ["ping", "status", "orders", "positions", "fills", "feeds", "venues", "risk", "metrics"]
QUERIES += ["config.get", "kill.receipt"]
OPERATORS = ["trading", "kill", "cancel", "cancel.all", "strategy", "checkpoint", "confirm"]
ADMINS = ["session.start", "session.stop", "kill.reset", "config.set", "config.roll_back"]

SETTING = wire.Setting(key="a", json_value="1")


def test_every_field_has_one_row() -> None:
    """Exactly the fields of ``Request.command``, and no name twice."""
    fields = [field.name for field in wire.Request.DESCRIPTOR.oneofs_by_name["command"].fields]
    assert sorted(fields) == sorted(COMMANDS)
    assert len(COMMANDS) == len({row.name for row in COMMANDS.values()})


def test_who_may_give_what() -> None:
    """As control-and-telemetry.md has it; what changes something needs more than a viewer."""
    expected = {
        **dict.fromkeys(QUERIES, (Role.VIEWER, False)),
        **dict.fromkeys(OPERATORS, (Role.OPERATOR, True)),
        **dict.fromkeys(ADMINS, (Role.ADMIN, True)),
    }
    assert expected == {row.name: (row.role, row.changes) for row in COMMANDS.values()}


def test_only_a_kill_is_never_too_old() -> None:
    """An old kill is better than none."""
    assert ["kill"] == [row.name for row in COMMANDS.values() if not row.expires]


def test_every_command_of_four_eyes_is_one() -> None:
    """Each name that the settings allow is that of some request."""
    requests = [
        wire.Request(trading=wire.SetTradingState(state=wire.ACTIVE)),
        wire.Request(strategy=wire.SetStrategy(enabled=True)),
        *(wire.Request(**{field: {}}) for field in COMMANDS if field not in ("trading", "strategy")),
    ]
    names = {four_eyes_name(one, COMMANDS[one.WhichOneof("command") or ""]) for one in requests}
    assert set() == set(get_args(FourEyes)) - names


@pytest.mark.parametrize(
    ("expected", "asked"),
    [
        ("trading", wire.Request(trading=wire.SetTradingState(state=wire.HALTED))),
        ("trading.enable", wire.Request(trading=wire.SetTradingState(state=wire.REDUCING))),
        ("strategy", wire.Request(strategy=wire.SetStrategy(enabled=False))),
    ],
)
def test_what_makes_it_safer_has_another_name(expected: str, asked: wire.Request) -> None:
    """A second pair of eyes for enabling does not hold up the opposite; REDUCING may be either."""
    assert expected == four_eyes_name(asked, COMMANDS[asked.WhichOneof("command") or ""])


@pytest.mark.parametrize(
    "fields",
    [
        {"fills": wire.GetFills(last=FILLS_MAX + 1)},
        {"configuration": wire.GetConfiguration(version=NUMBER_MAX + 1)},
        {"trading": wire.SetTradingState()},
        {"trading": {"state": 7}},
        {"kill": wire.Kill(venue="v" * 201)},
        {"kill": wire.Kill(instrument="a\nb")},
        {"kill": wire.Kill(instrument="a\u202eb")},
        {"cancel": wire.CancelOrder()},
        {"cancel": wire.CancelOrder(order_id=NUMBER_MAX + 1)},
        {"cancel_all": wire.CancelAll(venue="\x1b[2J")},
        {"configuration_set": wire.SetConfiguration()},
        {
            "configuration_set": wire.SetConfiguration(
                settings=[
                    wire.Setting(key=f"k{number}", json_value="1") for number in range(SETTINGS_MAX + 1)
                ]
            )
        },
        {"configuration_set": wire.SetConfiguration(settings=[SETTING, SETTING])},
        {"configuration_set": wire.SetConfiguration(settings=[wire.Setting(json_value="1")])},
        {"configuration_set": wire.SetConfiguration(settings=[wire.Setting(key="a" * 301, json_value="1")])},
        {"configuration_set": wire.SetConfiguration(settings=[wire.Setting(key="a")])},
        {
            "configuration_set": wire.SetConfiguration(
                settings=[wire.Setting(key="a", json_value="1" * 2_001)]
            )
        },
        {"configuration_roll_back": wire.RollBackConfiguration()},
        {"configuration_roll_back": wire.RollBackConfiguration(version=NUMBER_MAX + 1)},
        {"confirm": wire.Confirm()},
        {"confirm": wire.Confirm(request_id="a b")},
        {"ping": wire.Ping(), "expected_version": NUMBER_MAX + 1},
        *({"ping": wire.Ping(), "reason": f"a{one}b"} for one in "\x00\n\x1b\x7f\x9b\u2028\u202e\u2066"),
    ],
)
def test_a_value_that_cannot_be_is_named(fields: dict[str, object]) -> None:
    """Each with a sentence that says what it has to be."""
    asked = wire.Request(**fields)  # type: ignore[arg-type]
    row = command_of(asked)
    assert row is not None
    sentence = fault(asked, row)
    assert "ha" in sentence or "twice" in sentence


@pytest.mark.parametrize(
    "fields",
    [
        *({field: {}} for field in COMMANDS if COMMANDS[field].name in QUERIES),
        {"trading": wire.SetTradingState(state=wire.REDUCING)},
        {"kill": wire.Kill()},
        {"kill": wire.Kill(venue="binance_spot", instrument="binance_spot:BTCUSDT")},
        {"cancel": wire.CancelOrder(order_id=NUMBER_MAX)},
        {"configuration_set": wire.SetConfiguration(settings=[SETTING])},
        {"configuration_roll_back": wire.RollBackConfiguration(version=1)},
        {"confirm": wire.Confirm(request_id="A-z_9")},
        {"kill": wire.Kill(), "reason": "Grund:\xa0später"},
        {"kill": wire.Kill(), "reason": "停止\u3000\U0001f469\u200d\U0001f4bb"},
    ],
)
def test_a_value_that_can_be_is_none(fields: dict[str, object]) -> None:
    """Nothing is said of it."""
    asked = wire.Request(**fields)  # type: ignore[arg-type]
    row = command_of(asked)
    assert row is not None
    assert "" == fault(asked, row)


def test_a_request_without_a_command_has_no_row() -> None:
    """None."""
    assert command_of(wire.Request(protocol=1)) is None


@pytest.mark.parametrize(
    ("expected", "text"),
    [(True, "a"), (True, "A" * 64), (False, ""), (False, "a" * 65), (False, "ä"), (False, "a\n")],
)
def test_request_ids(expected: bool, text: str) -> None:
    """1 to 64 characters of a small alphabet."""
    assert expected == is_request_id(text)


def test_a_sender_is_recorded_with_who_confirmed() -> None:
    """Both names."""
    assert "a" == Sender("a", Role.ADMIN, "ipc").by
    assert "a, confirmed by b" == Sender("a", Role.ADMIN, "ipc", "b").by
