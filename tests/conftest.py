"""What holds for every test: generated examples without a time limit, and nothing of the caller's environment."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("suite", deadline=None, print_blob=True)
settings.register_profile("long", deadline=None, print_blob=True, max_examples=5_000)
settings.load_profile("suite")  # another one: pytest --hypothesis-profile long


@pytest.fixture(autouse=True)
def no_data_directory_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that writes names its directory."""
    monkeypatch.delenv("LIVESTACK_DATA_DIR", raising=False)
