"""Settings of the control surface, the watchdog and the guard: defaults that are safe, and nothing half."""

from __future__ import annotations

import pytest

from livestack.control_settings import ControlSettings, GuardSettings, WatchdogSettings

TCP = {
    name: f"tcp://127.0.0.1:{port}"
    for port, name in enumerate(("listen", "listen_kill", "listen_publish"), 7501)
}


def test_nothing_listens_on_a_network_by_default() -> None:
    """Sockets in the data directory alone; no second pair of eyes; no guard on paper."""
    control = ControlSettings()
    assert ("", "", "", ()) == (
        control.listen,
        control.listen_kill,
        control.listen_publish,
        control.four_eyes,
    )
    assert not GuardSettings().enabled


def test_addresses_go_together() -> None:
    """A node whose kill lane cannot be reached from where its orders come is not one to run."""
    assert TCP["listen"] == ControlSettings(**TCP).listen
    for name in TCP:
        with pytest.raises(ValueError, match="go together"):
            ControlSettings(**{**TCP, name: ""})


def test_four_eyes_need_two_keys() -> None:
    """All who use the sockets in the data directory are one sender, so nobody could ever confirm."""
    both = ControlSettings(four_eyes=("kill.reset",), **TCP)
    assert ("kill.reset",) == both.four_eyes
    with pytest.raises(ValueError, match="four_eyes needs listen"):
        ControlSettings(four_eyes=("kill.reset",))


@pytest.mark.parametrize(
    "address", ["127.0.0.1:7501", "ipc:///tmp/x", "tcp://host", "tcp://host:port", "tcp://a b:1"]
)
def test_an_address_is_tcp_host_and_port(address: str) -> None:
    """The sentence shows what was given."""
    with pytest.raises(ValueError, match=r"tcp://HOST:PORT"):
        ControlSettings(**{**TCP, "listen": address})


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        (lambda value: ControlSettings(publish_every_ns=value), 49_999_999),
        (lambda value: ControlSettings(publish_every_ns=value), 10_000_000_001),
        (lambda value: ControlSettings(confirm_within_ns=value), 999_999_999),
        (lambda value: ControlSettings(dead_man_ns=value), 4_999_999_999),
        (lambda value: ControlSettings(dead_man_ns=value), 86_400_000_000_001),
        (lambda value: WatchdogSettings(stall_ns=value), 49_999_999),
        (lambda value: WatchdogSettings(stall_ns=value), 60_000_000_001),
        (lambda value: GuardSettings(limit_ns=value), 199_999_999),
        (lambda value: GuardSettings(limit_ns=value), 300_000_000_001),
    ],
)
def test_durations_have_bounds(settings, value: int) -> None:
    """Each names its own."""
    with pytest.raises(ValueError, match="must be from"):
        settings(value)
