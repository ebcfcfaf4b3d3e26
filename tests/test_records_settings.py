"""The ``[records]`` table: defaults, units, and what is refused with its key."""

from __future__ import annotations

import pytest

from livestack.core.validation import Faults, convert
from livestack.records_settings import DEFAULT_SINK, RecordsSettings, SinkSettings


def test_defaults_are_those_of_the_documents() -> None:
    """Tables beside the journal, half a minute behind at the most, ten seconds at the end."""
    settings = RecordsSettings()
    assert convert({}, RecordsSettings, "records", []) == settings
    assert (True, False) == (settings.enabled, settings.start_without)
    assert {DEFAULT_SINK: SinkSettings()} == settings.sinks
    assert (30_000_000_000, 10_000_000_000) == (settings.lag_max_ns, settings.stop_timeout_ns)


def test_sinks_that_are_named_take_the_place_of_the_default_one() -> None:
    """Who wants the local tables beside others names them."""
    settings = convert({"sinks": {"server": {"url_env": "URL"}}}, RecordsSettings, "records", [])
    assert settings is not None
    assert {"server": SinkSettings(url_env="URL")} == settings.sinks


@pytest.mark.parametrize(
    ("table", "key", "sentence"),
    [
        ({"lag_max": "9s"}, "records", "lag_max must be from 10s to 24h"),
        ({"lag_max": "25h"}, "records", "lag_max must be from 10s to 24h"),
        ({"lag_max": 5}, "records.lag_max", "duration"),
        ({"stop_timeout": "11m"}, "records", "stop_timeout must be from 0s to 10m"),
        ({"enabled": "no"}, "records.enabled", "true or false"),
        ({"sinks": {"Bad Name": {}}}, "records", "up to 32 of a-z, 0-9, _ and -"),
        ({"sinks": {"a" * 33: {}}}, "records", "up to 32"),
        ({"sinks": {"../up": {}}}, "records", "begins with no sign"),
        ({"sinks": {"x": {"url": ""}}}, "records.sinks.x", "must not be empty"),
        ({"sinks": {"x": {"secret_file": ""}}}, "records.sinks.x", "must not be empty"),
        ({"sinks": {"x": {"url": "a", "url_env": "B"}}}, "records.sinks.x", "exclude each other"),
        ({"sinks": {"x": {"password": "a"}}}, "records.sinks.x.password", "known: url, url_env, secret_file"),
        ({"sink": {}}, "records.sink", "did you mean sinks?"),
    ],
)
def test_one_fault(table: dict[str, object], key: str, sentence: str) -> None:
    """What cannot be is told under its key."""
    faults: Faults = []
    assert convert(table, RecordsSettings, "records", faults) is None
    assert [key] == [found for found, _ in faults], faults
    assert sentence in faults[0][1], faults
