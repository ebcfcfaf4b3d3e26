"""``livestack config``: keys as a person writes them, changed as a whole, and the way back."""

from __future__ import annotations

import pytest

from livestack.cli.config import json_value
from livestack.wire import control_pb2 as wire
from tests.cli.support import Shell
from tests.control.fake_node import FakeNode, answer, refuse

KEY = 'risk.instrument."binance_spot:BTCUSDT".max_position'


def given(node: FakeNode, name: str) -> wire.Request:
    """The one request of that name."""
    (found,) = (one for _, one in node.requests if name == one.WhichOneof("command"))
    return found


def test_what_is_shown_can_be_set(shell: Shell, node: FakeNode) -> None:
    """A line of the one is an argument of the other."""
    done = shell("config", "show")
    assert f'{KEY}="0.06"\n' == done.out
    assert "version 3 (cdcdcdcdcdcd); config roll-back can go to: 1, 2" in done.err
    shell("config", "set", done.out.strip(), "--reason", "r")
    (setting,) = given(node, "configuration_set").configuration_set.settings
    assert wire.Setting(key=KEY, json_value='"0.06"') == setting


def test_tools_get_the_whole_of_it(shell: Shell, node: FakeNode) -> None:
    """As an object; an earlier version too."""
    done = shell("config", "show", "--version", "2", "--json")
    assert {"outcome", "version", "digest"} < done.json.keys()
    assert (2, [1, 2]) == (done.json["version"], done.json["versions"])
    assert "0.06" == done.json["configuration"]["risk"]["instrument"]["binance_spot:BTCUSDT"]["max_position"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", "5"),
        ("true", "true"),
        ("null", "null"),
        ("0.05", '"0.05"'),
        ("5s", '"5s"'),
        ("1e3", '"1e3"'),
        ("NaN", '"NaN"'),
        ('"7"', '"7"'),
        ('{"USDT": "1000"}', '{"USDT": "1000"}'),
        ("", '""'),
        ("a b", '"a b"'),
        ("[" * 100_000, f'"{"[" * 100_000}"'),
    ],
)
def test_values_are_json_or_text(text: str, value: str) -> None:
    """A number with a fraction is text: that is how decimals are written, exactly."""
    assert value == json_value(text)


def test_a_fraction_within_is_text_too() -> None:
    """Nothing of what is sent was ever a float."""
    assert '{"USDT": "0.1"}' == json_value('{"USDT": 0.1}')


def test_all_keys_go_in_one_request(shell: Shell, node: FakeNode) -> None:
    """With the version that they were made against; the new one is told."""
    done = shell("config", "set", "a.b=1", 'c."x=y"=2', "--reason", "r", "--expected-version", "3", "--json")
    request = given(node, "configuration_set")
    assert [("a.b", "1"), ('c."x=y"', "2")] == [
        (one.key, one.json_value) for one in request.configuration_set.settings
    ]
    assert 3 == request.expected_version
    assert ("done", 4, "ef" * 32, 50) == tuple(
        done.json[key] for key in ("outcome", "version", "digest", "seq")
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("a.b",), "is not KEY=VALUE, such as"),
        (("a=1", "a=2"), "a is given twice"),
        ((), "Missing argument"),
    ],
)
def test_assignments_that_cannot_be(
    shell: Shell, node: FakeNode, arguments: tuple[str, ...], sentence: str
) -> None:
    """Nothing is asked."""
    done = shell("config", "set", *arguments, "--reason", "r")
    assert (2, []) == (done.code, node.requests)
    assert sentence in done.err


def test_the_way_back(shell: Shell, node: FakeNode) -> None:
    """By number."""
    done = shell("config", "roll-back", "2", "--reason", "r", "--json")
    assert 2 == given(node, "configuration_roll_back").configuration_roll_back.version
    assert 4 == done.json["version"]


def test_each_key_is_told_old_and_new(shell: Shell, node: FakeNode) -> None:
    """As the node had it before and has it now; what became looser is said."""

    def say(lane: str, request: wire.Request) -> wire.Reply:
        reply = answer(lane, request)
        if request.configuration.version == 4:
            reply.configuration.json = reply.configuration.json.replace("0.06", "0.6")
        return reply

    node.say = say
    assert f'{KEY}: "0.06" -> "0.6"  (looser)\n' in shell("config", "set", "a=1", "--reason", "r").out
    (change,) = shell("config", "set", "a=1", "--reason", "r", "--json").json["changes"]
    assert {"key": KEY, "old": "0.06", "new": "0.6", "note": "looser"} == change


def test_a_new_version_is_shown_a_moment_later(shell: Shell, node: FakeNode) -> None:
    """It is asked for again, until it is there."""
    asked = 0

    def say(lane: str, request: wire.Request) -> wire.Reply | None:
        nonlocal asked
        reply = answer(lane, request)
        if request.configuration.version == 4:
            asked += 1
            if asked < 3:
                return refuse(wire.NOT_FOUND, "there is no version 4")(lane, request)
            reply.configuration.json = "{}"
        return reply

    node.say = say
    assert f'{KEY}: "0.06" -> not set' in shell("config", "set", "a=1", "--reason", "r").out


def test_a_node_that_does_not_show_it_is_changed_all_the_same(shell: Shell, node: FakeNode) -> None:
    """Then there is nothing to compare."""

    def say(lane: str, request: wire.Request) -> wire.Reply | None:
        if request.WhichOneof("command") == "configuration":
            return refuse(wire.RATE_LIMITED, "slowly")(lane, request)
        return answer(lane, request)

    node.say = say
    done = shell("config", "set", "a=1", "--reason", "r", "--json")
    assert (0, "done", []) == (done.code, done.json["outcome"], done.json["changes"])


def test_nothing_is_known_of_a_version_that_waits(shell: Shell, node: FakeNode) -> None:
    """For a second key: null."""
    node.say = lambda _lane, request: wire.Reply(request_id=request.request_id, outcome=wire.AWAITING)
    done = shell("config", "set", "a=1", "--reason", "r", "--json")
    assert ("awaiting", None) == (done.json["outcome"], done.json["version"])
