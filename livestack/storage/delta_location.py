"""Where a Delta table is: how it is loaded, what its errors mean, and whether livestack may make one there.

Imports deltalake and pyarrow. Runs on the thread of the sink.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa  # type: ignore[import-untyped]
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector  # type: ignore[import-untyped]

from livestack.exceptions import SinkRefusedError, SinkUnavailableError
from livestack.storage.delta_durability import LOG_DIRECTORY
from livestack.storage.delta_errors import explained

_ERRORS: Final = (DeltaError, OSError, ValueError, RuntimeError, pa.ArrowException)
"""What the library raises for what the world did."""


class Location(NamedTuple):
    """Where a table is: ``uri`` for the library, ``path`` if that is a local directory; ``address`` for people."""

    address: str
    uri: str
    path: Path | None
    options: Mapping[str, str]

    @contextlib.contextmanager
    def explains(self) -> Iterator[None]:
        """Errors of the library inside leave as errors of a sink; a lost race stays what it is."""
        try:
            yield
        except CommitFailedError:
            raise
        except Exception as error:
            # The query engine has errors that are no more than an Exception; what is not the world's is ours.
            if not isinstance(error, _ERRORS) and type(error) is not Exception:
                raise
            raise explained(self.address, error, self.options) from None

    def load(self) -> DeltaTable:
        """The table as it is now."""
        return DeltaTable(self.uri, storage_options=dict(self.options))

    def refuse_file(self) -> None:
        """Where a directory is to be there must not be a file, nor above it."""
        if self.path is None:
            return
        there = _existing(self.path)
        if not there.is_dir():
            raise SinkRefusedError(self.address, f"{there} is not a directory", "name a directory")

    def refuse_foreign_files(self, name: str) -> None:
        """Before the table ``name`` is made: where it will be there must be nothing."""
        found = False
        if self.path is not None:
            with contextlib.suppress(FileNotFoundError), os.scandir(self.path) as listed:
                found = any(one.name != LOG_DIRECTORY for one in listed)
        else:
            handler = DeltaStorageHandler(self.uri, dict(self.options))
            found = bool(handler.get_file_info_selector(FileSelector("", allow_not_found=True)))
        if found:
            raise SinkRefusedError(
                self.address,
                f"{name} holds files that are not a Delta table",
                "name an empty place, or move them away",
            )

    def check_writable(self) -> None:
        """Whether this user may write where the table is, or will be. On a local disk; a store tells nobody."""
        if self.path is None:
            return
        for path in dict.fromkeys((_existing(self.path), _existing(self.path / LOG_DIRECTORY))):
            if not os.access(path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
                raise SinkUnavailableError(self.address, f"{path} cannot be written to", "change its mode")


def _existing(path: Path) -> Path:
    """``path``, or the nearest above it that is there."""
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path
