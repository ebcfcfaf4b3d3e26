"""The ``[lease]`` table: defaults, units, and what is refused with its key."""

from __future__ import annotations

import pytest

from livestack.core.validation import Faults, convert
from livestack.lease_settings import LeaseSettings


def test_defaults_are_those_of_the_documents() -> None:
    """This machine alone, in its own directory, ten seconds of grace."""
    settings = LeaseSettings()
    assert convert({}, LeaseSettings, "lease", []) == settings
    assert (None, None, 10_000_000_000) == (settings.directory, settings.postgres_url_env, settings.grace_ns)


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({"grace": "2s"}, "grace must be from 3s to 10m"),
        ({"grace": "11m"}, "grace must be from 3s to 10m"),
        ({"grace": 5}, "duration"),
        ({"directory": ""}, "must not be empty"),
        ({"postgres_url_env": ""}, "must not be empty"),
        ({"postgres_url": "x"}, "postgres_url_env"),
    ],
)
def test_one_fault(table: dict[str, object], sentence: str) -> None:
    """What cannot be is told under its key."""
    faults: Faults = []
    assert convert(table, LeaseSettings, "lease", faults) is None
    assert [True] == [key.startswith("lease") and sentence in text for key, text in faults]
