"""Where an API key is kept: the environment, a file of mode 0600, the keyring; what is told where it is not."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import keyring
import pytest
from keyring import errors
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring

from livestack import credentials
from livestack.credentials import SECRET_BYTES_MAX, is_private, read_credentials
from livestack.exceptions import ConfigurationError
from tests.test_settings import KEYS, MINIMAL, faults_of, load_text
from tests.test_venue_settings import GUARD_KEYS, GUARDED, venue_of


def venue_with(secret: str) -> str:
    return MINIMAL.replace('secret_env = "SECRET"', secret)


# -- Secrets -------------------------------------------------------------------------------------------------------


def test_secret_of_the_environment(tmp_path: Path) -> None:
    """Key and secret come from the variables that the settings name."""
    settings, _ = load_text(tmp_path, MINIMAL)
    key = read_credentials("binance_spot", settings.venues["binance_spot"].key_place, KEYS)
    assert (key.api_key, key.kind, key.secret.reveal()) == ("the-api-key", "hmac", "the-secret")


def test_secret_of_a_file(tmp_path: Path) -> None:
    """A file of mode 0600 is read without the line's end."""
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    secret.chmod(0o600)
    settings, _ = load_text(tmp_path, venue_with(f'secret_file = "{secret}"'))
    key = read_credentials("binance_spot", settings.venues["binance_spot"].key_place, KEYS)
    assert key.secret.reveal() == "from-a-file"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_secret_file_that_others_can_use(tmp_path: Path, mode: int) -> None:
    """Any right of group or others refuses the file and says what to do."""
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(mode)
    faults = faults_of(tmp_path, venue_with(f'secret_file = "{secret}"'))
    assert f"chmod 600 {secret}" in faults["venues.binance_spot.secret_file"]


@pytest.mark.parametrize(
    ("mode", "owner", "group", "reader", "private"),
    [
        (0o600, 1000, 1000, 1000, True),
        (0o400, 1000, 1000, 1000, True),
        (0o440, 0, 0, 1000, True),
        (0o440, 0, 0, 0, False),
        (0o440, 0, 1000, 1000, False),
        (0o440, 1000, 0, 1000, False),
        (0o460, 0, 0, 1000, False),
        (0o444, 0, 0, 1000, False),
    ],
)
def test_a_file_that_root_has_lent(mode: int, owner: int, group: int, reader: int, private: bool) -> None:
    """What systemd hands over is root's and readable by one more user, which shows as a right of root's group."""
    assert private == is_private(mode, owner, group, reader)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "it holds 0"), (b"x" * (SECRET_BYTES_MAX + 1), "bytes, it holds"), (b"\xff\xfe", "is not text")],
)
def test_secret_file_of_wrong_content(tmp_path: Path, content: bytes, sentence: str) -> None:
    """An empty, huge or binary file is the wrong file."""
    secret = tmp_path / "secret"
    secret.write_bytes(content)
    secret.chmod(0o600)
    faults = faults_of(tmp_path, venue_with(f'secret_file = "{secret}"'))
    assert sentence in faults["venues.binance_spot.secret_file"]


def test_secret_file_that_is_none(tmp_path: Path) -> None:
    """An absent file, or a directory, is told with its path."""
    for path in (tmp_path / "absent", tmp_path):
        faults = faults_of(tmp_path, venue_with(f'secret_file = "{path}"'))
        assert str(path) in faults["venues.binance_spot.secret_file"]


def test_credentials_that_are_gone(tmp_path: Path) -> None:
    """What was there at load and is gone later is told, both halves at once."""
    settings, _ = load_text(tmp_path, MINIMAL)
    with pytest.raises(ConfigurationError) as caught:
        read_credentials("binance_spot", settings.venues["binance_spot"].key_place, {"KEY": " "})
    assert [key for key, _ in caught.value.faults] == [
        "venues.binance_spot.api_key_env",
        "venues.binance_spot.secret_env",
    ]


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    """Not by the settings, which know only where it is, nor by the key."""
    settings, _ = load_text(tmp_path, MINIMAL)
    key = read_credentials("binance_spot", settings.venues["binance_spot"].key_place, KEYS)
    assert "the-secret" not in repr(settings) + repr(key) + str(key)


# -- The guard's key -----------------------------------------------------------------------------------------------


def test_a_guard_without_a_key_uses_the_venues(tmp_path: Path) -> None:
    """Kind, key and secret."""
    venue = venue_of(tmp_path, MINIMAL, KEYS)
    key = read_credentials("binance_spot", venue.guard_key_place, KEYS)
    assert ("the-api-key", "hmac", "the-secret") == (key.api_key, key.kind, key.secret.reveal())


def test_a_guard_with_a_key_uses_that(tmp_path: Path) -> None:
    """And nobody else does."""
    environment = {**KEYS, **GUARD_KEYS}
    venue = venue_of(tmp_path, GUARDED, environment)
    key = read_credentials("binance_spot", venue.guard_key_place, environment)
    assert ("the-guards-key", "hmac", "the-guards-secret") == (key.api_key, key.kind, key.secret.reveal())
    assert "the-secret" == read_credentials("binance_spot", venue.key_place, environment).secret.reveal()


def test_a_guards_key_may_be_of_another_kind(tmp_path: Path) -> None:
    """From a file of mode 0600, as the venue's own."""
    secret = tmp_path / "guard.pem"
    secret.write_text("a-private-key\n")
    secret.chmod(0o600)
    text = GUARDED.replace(
        'guard_secret_env = "GUARD_SECRET"',
        f'guard_secret_file = "{secret}"\nguard_key_kind = "ed25519"',
    )
    environment = {**KEYS, **GUARD_KEYS}
    venue = venue_of(tmp_path, text, environment)
    key = read_credentials("binance_spot", venue.guard_key_place, environment)
    assert ("ed25519", "a-private-key") == (key.kind, key.secret.reveal())
    assert "hmac" == read_credentials("binance_spot", venue.key_place, environment).kind
    secret.chmod(0o640)
    faults = faults_of(tmp_path, text, environment)
    assert ["venues.binance_spot.guard_secret_file"] == list(faults)
    assert f"chmod 600 {secret}" in faults["venues.binance_spot.guard_secret_file"]


def test_a_node_misses_every_part_of_both_keys(tmp_path: Path) -> None:
    """It does not start with a guard that could do nothing: one fault for each variable."""
    assert {
        f"venues.binance_spot.{key}": f"refers to the environment variable {name}, which is not set"
        for key, name in [
            ("api_key_env", "KEY"),
            ("secret_env", "SECRET"),
            ("guard_api_key_env", "GUARD_KEY"),
            ("guard_secret_env", "GUARD_SECRET"),
        ]
    } == faults_of(tmp_path, GUARDED, {})
    assert ["venues.binance_spot.guard_secret_env"] == list(
        faults_of(tmp_path, GUARDED, {**KEYS, "GUARD_KEY": "k"})
    )


def test_a_guards_key_that_is_gone(tmp_path: Path) -> None:
    """What was there at load and is gone later is told under the guard's keys."""
    venue = venue_of(tmp_path, GUARDED, {**KEYS, **GUARD_KEYS})
    with pytest.raises(ConfigurationError) as caught:
        read_credentials("binance_spot", venue.guard_key_place, KEYS)
    assert ["venues.binance_spot.guard_api_key_env", "venues.binance_spot.guard_secret_env"] == [
        key for key, _ in caught.value.faults
    ]


# -- The keyring ---------------------------------------------------------------------------------------------------

KEPT = venue_with('secret_keyring = "livestack/binance/main"')


class FakeKeyring(KeyringBackend):
    """Holds what a test says; or fails, or waits, where a test says so."""

    priority = 1

    def __init__(self, entries: dict[tuple[str, str], str], failure: Exception | None = None) -> None:
        super().__init__()
        self.entries = entries
        self.failure = failure
        self.answers = threading.Event()
        self.answers.set()

    def get_password(self, service: str, username: str) -> str | None:
        self.answers.wait()
        if self.failure is not None:
            raise self.failure
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password


def use(monkeypatch: pytest.MonkeyPatch, backend: KeyringBackend) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", backend)


def test_secret_of_the_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SERVICE/NAME, where the service may have slashes of its own; without the line's end."""
    use(monkeypatch, FakeKeyring({("livestack/binance", "main"): "from-the-keyring\n"}))
    venue = venue_of(tmp_path, KEPT, KEYS)
    key = read_credentials("binance_spot", venue.key_place, KEYS)
    assert ("the-api-key", "from-the-keyring") == (key.api_key, key.secret.reveal())


def test_a_guards_key_of_the_keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a venue's key that is kept elsewhere."""
    use(monkeypatch, FakeKeyring({("livestack", "guard"): "the-guards-own"}))
    text = GUARDED.replace('guard_secret_env = "GUARD_SECRET"', 'guard_secret_keyring = "livestack/guard"')
    environment = {**KEYS, "GUARD_KEY": "the-guards-key"}
    venue = venue_of(tmp_path, text, environment)
    assert "the-guards-own" == read_credentials("v", venue.guard_key_place, environment).secret.reveal()
    assert "the-secret" == read_credentials("v", venue.key_place, environment).secret.reveal()


@pytest.mark.parametrize(
    ("backend", "sentence"),
    [
        (FakeKeyring({}), "does not have; make it: keyring set livestack/binance main"),
        (FakeKeyring({("livestack/binance", "main"): " \n"}), "must hold 1 to 16384 characters"),
        (FakeKeyring({("livestack/binance", "main"): "x" * 16_385}), "must hold 1 to 16384 characters"),
        (FakeKeyring({}, errors.KeyringLocked("dismissed")), "is locked; unlock it"),
        (FakeKeyring({}, errors.InitError("no collection")), "cannot be read: no collection"),
        (FakeKeyring({}, errors.KeyringError("bus\nis gone")), "cannot be read: bus is gone"),
        (FakeKeyring({}, OSError(5, "quoted-by-nobody")), "cannot be read: OSError"),
        (NoKeyring(), "this system has none that can be used"),
    ],
    ids=["absent", "empty", "huge", "locked", "uninitialised", "failing", "unknown", "none"],
)
def test_a_keyring_that_does_not_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: KeyringBackend, sentence: str
) -> None:
    """One fault of its key, which says what to do."""
    use(monkeypatch, backend)
    faults = faults_of(tmp_path, KEPT)
    assert ["venues.binance_spot.secret_keyring"] == list(faults)
    assert sentence in faults["venues.binance_spot.secret_keyring"]
    assert "quoted-by-nobody" not in repr(faults)


@pytest.mark.parametrize("entry", ["", "livestack", "/name", "livestack/"])
def test_what_is_no_entry(tmp_path: Path, entry: str) -> None:
    """Both halves have to be there."""
    faults = faults_of(tmp_path, venue_with(f'secret_keyring = "{entry}"'))
    assert 'must be "SERVICE/NAME"' in faults["venues.binance_spot.secret_keyring"]


def test_a_keyring_that_waits_for_somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dialogue that nobody answers does not hold a start up for ever."""
    backend = FakeKeyring({})
    backend.answers.clear()
    use(monkeypatch, backend)
    monkeypatch.setattr(credentials, "KEYRING_WAIT_S", 0.01)
    faults = faults_of(tmp_path, KEPT)
    assert "did not answer within 0.01 s; unlock it first" in faults["venues.binance_spot.secret_keyring"]
    backend.answers.set()


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra, and the fault names it."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    faults = faults_of(tmp_path, KEPT)
    assert "pip install 'livestack[keyring]'" in faults["venues.binance_spot.secret_keyring"]
