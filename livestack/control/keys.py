"""Files of keys: made and read here alone, each for its owner and nobody else.

``keys/server.key`` is the node's pair, ``keys/NAME.key`` all that one client needs (its pair, the node's public key),
``keys/clients.toml`` the list of who may come in (:mod:`livestack.control.allow_list` reads it). Secrets are made with
the system's random numbers and written into new files of mode 0600; one that others may read is refused. Main thread.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import zmq
from zmq.utils import z85

from livestack.control.commands import Role
from livestack.exceptions import HeldError, UsageError

SERVER_NAME = "server.key"
SERVER_PUBLIC_NAME = "server.pub"
CLIENTS_NAME = "clients.toml"
LOCAL_NAME = "local"
"""How a sender on a socket of the data directory is known; no key may have this name."""

FILE_BYTES_MAX = 1_000_000
"""Room for some thousand clients."""

PUBLISHED = frozenset(
    {
        "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
        "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7",
    }
)
"""Public keys of the pairs in libzmq's manual: everybody has their secrets."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_RESERVED = frozenset({LOCAL_NAME, "server", "clients", "unlisted"})
_HEAD = "# Who may use the control sockets over tcp. Made by: livestack keys\n"


class KeyPair(msgspec.Struct, frozen=True):
    """Z85 texts."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r})"


class Client(msgspec.Struct, frozen=True):
    """A line of the allow-list. ``expires_ns``: wall clock, since 1970; None: never."""

    name: str
    role: Role
    public_key: str
    expires_ns: int | None = None


def new_client(directory: Path, name: str, role: Role, expires_ns: int | None = None) -> tuple[Client, Path]:
    """Make a key for ``name``, put it on the list, and make the node's own on first use."""
    _check_name(name)
    with _changing(directory):
        clients = read_clients(directory)
        path = directory / f"{name}.key"
        if any(one.name == name for one in clients) or path.exists():
            raise UsageError(f"there is a key of {name}; revoke it first (livestack keys revoke {name})")
        server = _server_of(directory)
        pair = _generate()
        client = Client(name, role, pair.public, expires_ns)
        write_secret(
            path,
            f'# Key of {name}. Whoever has this file can act as {name}.\nname = "{name}"\n'
            f'public_key = "{pair.public}"\nsecret_key = "{pair.secret}"\nserver_key = "{server.public}"\n',
        )
        try:
            _write_clients(directory, [*clients, client])
        except BaseException:
            path.unlink(missing_ok=True)  # on nobody's list: it could never be used
            raise
    return client, path


def revoke(directory: Path, name: str) -> int:
    """Take every key of ``name`` off the list, and its file away. How many were on the list."""
    _check_name(name)
    with _changing(directory):
        clients = read_clients(directory)
        left = [one for one in clients if one.name != name]
        path = directory / f"{name}.key"
        if len(left) == len(clients) and not path.exists():
            known = ", ".join(sorted({one.name for one in clients})) or "none"
            raise UsageError(f"there is no key of {name}; there are: {known}")
        if len(left) < len(clients):
            _write_clients(directory, left)
        path.unlink(missing_ok=True)
    return len(clients) - len(left)


def _check_name(name: str) -> None:
    """It becomes the name of a file, and stands in the audit."""
    if _NAME.fullmatch(name) is None or name in _RESERVED:
        raise UsageError(
            f"a key has a name of 1 to 64 of A-Z a-z 0-9 . _ - that is none of {', '.join(sorted(_RESERVED))}; "
            f'not "{name}"'
        )


def read_clients(directory: Path) -> list[Client]:
    """The allow-list; empty where there is none yet. A damaged one is a ``UsageError``."""
    path = directory / CLIENTS_NAME
    return parse_clients(read_private(path), str(path)) if path.exists() else []


def parse_clients(text: str, source: str) -> list[Client]:
    """``text`` is used as a whole or not at all."""
    clients = []
    for public, values in _toml(text, source).items():
        try:
            clients.append(_client(public, values))
        except (TypeError, ValueError, KeyError) as error:
            raise UsageError(f"{source}: the key {public[:8]}... cannot be used: {error}") from error
    return clients


def load_server(directory: Path) -> KeyPair:
    """The node's own pair."""
    path = directory / SERVER_NAME
    if not path.exists():
        raise UsageError(
            f"{path} is missing: livestack keys new NAME --role ROLE makes it with the first client's key"
        )
    _check_directory(directory)
    return _pair(_toml(read_private(path), str(path)), str(path))


def load_client_keys(path: Path) -> tuple[bytes, bytes, bytes]:
    """A client's key file, wherever it lies: its public key, its secret, the node's public key."""
    if not path.exists():
        raise UsageError(f"{path} is missing: livestack keys new NAME --role ROLE makes a key, at the node")
    values = _toml(read_private(path), str(path))
    pair, server = _pair(values, str(path)), values.get("server_key")
    if not isinstance(server, str):
        raise UsageError(f"{path} has to have a server_key")
    check_public(server, str(path))
    return pair.public.encode(), pair.secret.encode(), server.encode()


def check_public(key: str, source: str) -> None:
    """A Z85 public key that not everybody has the secret of, or a ``UsageError``."""
    try:
        raw = z85.decode(key.encode("ascii")) if len(key) == 40 else b""
    except Exception:  # noqa: BLE001 - a codec has many ways to say that it is none
        raw = b""
    if len(raw) != 32 or not any(raw):
        raise UsageError(f"{source}: {key[:8]}... has to be a key of 40 characters in Z85")
    if key in PUBLISHED:
        raise UsageError(f"{source}: {key[:8]}... is a published test key; everybody has its secret")


def read_private(path: Path) -> str:
    """The text of a file that is ours and that nobody else may open."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise HeldError(str(path), error.strerror or str(error)) from error
    try:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise HeldError(str(path), "it has to be a file")
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise HeldError(str(path), "nobody but its owner may have rights to it (chmod 600)")
        content = b""
        while len(content) <= FILE_BYTES_MAX and (more := os.read(number, FILE_BYTES_MAX)):
            content += more
    finally:
        os.close(number)
    if len(content) > FILE_BYTES_MAX:
        raise HeldError(str(path), f"it has to be smaller than {FILE_BYTES_MAX} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} has to be text in UTF-8") from error


def write_secret(path: Path, text: str) -> None:
    """Into a new file of mode 0600, and down to the disk."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(number, "wb") as file:
        os.fchmod(number, 0o600)  # a umask may have taken too much
        file.write(text.encode())
        file.flush()
        os.fsync(number)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _check_directory(directory: Path) -> None:
    found = directory.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise HeldError(str(directory), "nobody but its owner may have rights to it (chmod 700)")


@contextmanager
def _changing(directory: Path) -> Iterator[None]:
    """One at a time, in a directory that is there and ours alone."""
    for one in (directory.parent, directory):
        one.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_directory(directory)
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def _server_of(directory: Path) -> KeyPair:
    if (directory / SERVER_NAME).exists():
        return load_server(directory)
    pair = _generate()
    (directory / SERVER_PUBLIC_NAME).unlink(missing_ok=True)
    write_secret(directory / SERVER_PUBLIC_NAME, f"{pair.public}\n")
    write_secret(
        directory / SERVER_NAME,
        f'# Key of this node. Whoever has this file can act as the node.\npublic_key = "{pair.public}"\n'
        f'secret_key = "{pair.secret}"\n',
    )
    return pair


def _write_clients(directory: Path, clients: list[Client]) -> None:
    """Beside it, then over it: a reader finds the old list or the new one."""
    parts = [_HEAD]
    for one in clients:
        parts.append(f'\n["{one.public_key}"]\nname = "{one.name}"\nrole = "{one.role.name.lower()}"\n')
        if one.expires_ns is not None:
            moment = datetime.fromtimestamp(one.expires_ns // 1_000_000_000, UTC)
            parts.append(f"expires = {moment:%Y-%m-%dT%H:%M:%SZ}\n")
    beside = directory / f".{CLIENTS_NAME}.new"
    beside.unlink(missing_ok=True)
    write_secret(beside, "".join(parts))
    beside.replace(directory / CLIENTS_NAME)
    _sync(directory)


def _generate() -> KeyPair:
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode("ascii"), secret.decode("ascii"))


def _toml(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source} has to be TOML: {error}".replace("\n", " ")) from error


def _pair(values: dict[str, Any], source: str) -> KeyPair:
    public, secret = values.get("public_key"), values.get("secret_key")
    if not isinstance(public, str) or not isinstance(secret, str):
        raise UsageError(f"{source} has to have a public_key and a secret_key")
    check_public(public, source)
    try:
        belongs = zmq.curve_public(secret.encode("ascii")).decode("ascii") == public
    except (UnicodeEncodeError, zmq.ZMQError, ValueError):
        belongs = False
    if not belongs:
        raise UsageError(f"{source}: its secret_key has to be that of its public_key")
    return KeyPair(public, secret)


def _client(public: str, values: Any) -> Client:
    if not isinstance(values, dict) or not {"name", "role"} <= values.keys() <= {"name", "role", "expires"}:
        raise ValueError("it has to have a name and a role, may have expires, and nothing else")
    name, role, expires = values["name"], values["role"], values.get("expires")
    if not isinstance(name, str) or _NAME.fullmatch(name) is None or name in _RESERVED:
        raise ValueError("its name cannot be one")
    if role not in {one.name.lower() for one in Role}:
        raise ValueError("its role has to be viewer, operator or admin")
    if expires is not None and (not isinstance(expires, datetime) or expires.tzinfo is None):
        raise ValueError("expires has to be a time with a zone, such as 2030-01-31T00:00:00Z")
    try:
        check_public(public, "it")
    except UsageError as error:
        raise ValueError(str(error)) from error
    expires_ns = None if expires is None else int(expires.timestamp()) * 1_000_000_000
    return Client(name, Role[role.upper()], public, expires_ns)
