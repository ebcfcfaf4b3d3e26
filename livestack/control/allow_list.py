"""The list of client keys as it is on disk at this moment: revoking needs no restart.

Read again whenever its file has changed. A list that cannot be read, or holds one line that makes no sense, lets nobody
in, and says why. Used from every server's thread; a lock makes one of them read.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from livestack.control.keys import CLIENTS_NAME, Client, parse_clients, read_private
from livestack.exceptions import LivestackError

if TYPE_CHECKING:
    from livestack.transports.clock import Clock

_Signature = tuple[int, int, int, int]


class AllowList:
    """``trouble`` says why nobody gets in, and is empty where all is well."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._path = directory / CLIENTS_NAME
        self._clock = clock
        self._lock = threading.Lock()
        self._signature: _Signature | None = None
        self._clients: dict[str, Client] = {}
        self.trouble = "the list of clients has not been read"

    def find(self, public_key: str) -> Client | None:
        """Who has this key (Z85), if it may be used now."""
        client = self._fresh().get(public_key)
        return client if client is not None and not self._is_over(client) else None

    def expired(self, public_key: str) -> str:
        """Whose key this is, where it is listed and its time is over; else empty."""
        client = self._fresh().get(public_key)
        return client.name if client is not None and self._is_over(client) else ""

    def usable(self) -> frozenset[str]:
        """Every key that may be used now."""
        return frozenset(key for key, client in self._fresh().items() if not self._is_over(client))

    def refusal(self, public_key: str) -> str:
        """Why :meth:`find` found nothing."""
        if self.trouble:
            return "the node cannot read its list of clients, so it lets nobody in over tcp"
        name = self.expired(public_key)
        if name:
            return f"the key of {name} has expired"
        return "this key is not, or no longer, on the node's list of clients"

    def _is_over(self, client: Client) -> bool:
        return client.expires_ns is not None and self._clock.wall_ns() >= client.expires_ns

    def _fresh(self) -> dict[str, Client]:
        with self._lock:
            try:
                found = os.lstat(self._path)
                signature = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
                if signature != self._signature:
                    self._read(signature)
            except OSError as error:
                self._nobody(f"{self._path}: {error.strerror or error}")
            return self._clients

    def _read(self, signature: _Signature) -> None:
        """The signature is older than what is read: a change meanwhile is seen the next time."""
        try:
            clients = {
                one.public_key: one for one in parse_clients(read_private(self._path), str(self._path))
            }
        except LivestackError as error:
            self._nobody(str(error), signature)
            return
        self._clients, self._signature, self.trouble = clients, signature, ""

    def _nobody(self, trouble: str, signature: _Signature | None = None) -> None:
        if trouble != self.trouble:
            structlog.get_logger("control").error("clients_unreadable", trouble=trouble)
        self._clients, self._signature, self.trouble = {}, signature, trouble
