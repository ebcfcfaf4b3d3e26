"""Where an API key is kept, and how it is found: environment variables, a file of mode 0600, the system's keyring.

What was found is held in a type that no log or ``repr`` shows. Imports core; reads files and asks the keyring; main
thread, before anything starts.
"""

from __future__ import annotations

import os
import queue
import stat
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from livestack.core.validation import Faults, join_key
from livestack.exceptions import ConfigurationError
from livestack.secret import Secret

SECRET_BYTES_MAX = 16 * 1024
"""The longest PEM private key in use is a fifth of this; more is the wrong file."""

KEYRING_WAIT_S = 60.0
"""A keyring that is locked may ask somebody for a password; nobody may be there."""


class VenueKey(msgspec.Struct, frozen=True):
    """An API key as it was found at start; ``kind`` is ``hmac`` or ``ed25519``."""

    api_key: str
    kind: str
    secret: Secret


class KeyPlace(NamedTuple):
    """Where one API key is kept; ``prefix`` begins the names of its fields. One of the last three is not None."""

    prefix: str
    kind: str
    api_key_env: str
    secret_env: str | None
    secret_file: str | None
    secret_keyring: str | None


def read_credentials(venue: str, place: KeyPlace, environment: Mapping[str, str]) -> VenueKey:
    """The API key of ``venue`` at ``place``; ``ConfigurationError`` says what is missing."""
    faults: Faults = []
    key = find_key(join_key("venues", venue), place, environment, faults)
    if key is None:
        raise ConfigurationError(faults, f"credentials of {venue}")
    return key


def find_key(key: str, place: KeyPlace, environment: Mapping[str, str], faults: Faults) -> VenueKey | None:
    """The API key at ``place``; None where something was added to ``faults``. ``key``: of the venue's table."""
    before = len(faults)
    field = f"{key}.{place.prefix}"
    api_key = read_variable(f"{field}api_key_env", place.api_key_env, environment, faults)
    if place.secret_file is not None:
        secret = read_secret_file(f"{field}secret_file", Path(place.secret_file).expanduser(), faults)
    elif place.secret_keyring is not None:
        secret = _of_keyring(f"{field}secret_keyring", place.secret_keyring, faults)
    else:
        secret = Secret(read_variable(f"{field}secret_env", place.secret_env or "", environment, faults))
    return VenueKey(api_key, place.kind, secret) if len(faults) == before else None


def read_variable(key: str, name: str, environment: Mapping[str, str], faults: Faults) -> str:
    """The variable ``name``, without space around it; where it is not set, ``''`` and a fault of ``key``."""
    value = environment.get(name, "").strip()
    if not value:
        faults.append((key, f"refers to the environment variable {name}, which is not set"))
    return value


def is_private(mode: int, owner: int, group: int, reader: int) -> bool:
    """Whether nobody but its owner may use a file; or it is root's, who has lent it to another ``reader``.

    That is how systemd hands a credential over: root's own, with the service's user in the access control list, which
    shows as a right of the group to read.
    """
    if not mode & 0o077:
        return True
    return reader != 0 and owner == group == 0 and not mode & 0o037


def read_secret_file(key: str, path: Path, faults: Faults) -> Secret:
    """The text of ``path``, if it is a file of at most SECRET_BYTES_MAX that nobody but its owner can read.

    What is wrong with it is added to ``faults``, of ``key``.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                faults.append((key, f"{path} is not a file"))
            elif not is_private(status.st_mode, status.st_uid, status.st_gid, os.geteuid()):
                faults.append((key, f"{path} can be used by others; make it yours alone: chmod 600 {path}"))
            elif not 0 < status.st_size <= SECRET_BYTES_MAX:
                faults.append(
                    (key, f"{path} must hold 1 to {SECRET_BYTES_MAX} bytes, it holds {status.st_size}")
                )
            else:
                return Secret(file.read().decode("utf-8").strip())
    except OSError as error:
        faults.append((key, f"{path} cannot be read: {error.strerror}"))
    except UnicodeDecodeError:
        faults.append((key, f"{path} is not text"))
    return Secret("")


def _of_keyring(key: str, entry: str, faults: Faults) -> Secret:
    """The password of ``entry``, which is ``SERVICE/NAME``, in the keyring of whoever runs this."""
    service, _, name = entry.rpartition("/")
    if not service or not name:
        faults.append((key, f'must be "SERVICE/NAME", as in `keyring set SERVICE NAME`, not "{entry}"'))
        return Secret("")
    try:
        import keyring  # noqa: PLC0415 - an extra, which only those need who keep a secret there
    except ImportError:
        faults.append((key, "needs the keyring library: pip install 'livestack[keyring]'"))
        return Secret("")
    secret, fault = _answer_in_time(lambda: keyring.get_password(service, name))
    if not fault and secret is None:
        fault = f"names an entry that the keyring does not have; make it: keyring set {service} {name}"
    elif not fault and secret is not None and not 0 < len(secret.reveal().strip()) <= SECRET_BYTES_MAX:
        fault = (
            f"names an entry that must hold 1 to {SECRET_BYTES_MAX} characters: keyring set {service} {name}"
        )
    if fault or secret is None:
        faults.append((key, fault))
        return Secret("")
    return Secret(secret.reveal().strip())


def _answer_in_time(ask: Callable[[], str | None]) -> tuple[Secret | None, str]:
    """What the keyring says, and what is wrong with it ('': nothing). Its thread may stay behind, in a dialogue."""
    answers: queue.SimpleQueue[tuple[Secret | None, str]] = queue.SimpleQueue()

    def run() -> None:
        try:
            text = ask()
            answers.put((None if text is None else Secret(text), ""))
        except Exception as error:  # noqa: BLE001 - every backend fails in its own way; the start says so
            answers.put((None, _keyring_fault(error)))

    threading.Thread(target=run, name="keyring", daemon=True).start()
    try:
        return answers.get(timeout=KEYRING_WAIT_S)
    except queue.Empty:
        return None, f"names a keyring that did not answer within {KEYRING_WAIT_S:g} s; unlock it first"


def _keyring_fault(error: Exception) -> str:
    """``error`` of a backend as a sentence. Only the library's own errors are quoted: others may hold anything."""
    from keyring import errors  # noqa: PLC0415 - an extra, as above

    match error:
        case errors.NoKeyringError():
            return "needs a keyring, and this system has none that can be used; `keyring diagnose` shows more"
        case errors.KeyringLocked():
            return "names a keyring that is locked; unlock it and start again"
        case errors.KeyringError() | errors.InitError():
            return (
                f"names a keyring that cannot be read: {' '.join(str(error).split()) or type(error).__name__}"
            )
        case _:
            return f"names a keyring that cannot be read: {type(error).__name__}"
