"""A keyring that is a JSON file, for nodes that tests start: ``PYTHON_KEYRING_BACKEND`` names it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked

FILE = "LIVESTACK_TEST_KEYRING"


class KeptKeyring(KeyringBackend):
    """``{"SERVICE NAME": secret}`` in the file that the variable names; without the file it is locked."""

    priority = 1  # type: ignore[assignment]

    def get_password(self, service: str, username: str) -> str | None:
        path = Path(os.environ[FILE])
        if not path.exists():
            raise KeyringLocked("nobody is there to unlock it")
        entries: dict[str, str] = json.loads(path.read_text())
        return entries.get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        Path(os.environ[FILE]).write_text(json.dumps({f"{service} {username}": password}))
