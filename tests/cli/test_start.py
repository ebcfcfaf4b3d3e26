"""``livestack start``: what it refuses before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from livestack.cli.main import cli
from livestack.exceptions import ConfigurationError


def test_every_fault_is_listed_and_nothing_is_started(tmp_path: Path) -> None:
    """Key and allowed values of each fault at once; no data directory is made."""
    path = tmp_path / "bad.toml"
    path.write_text('[journal]\ndurability = "sometimes"\n[nonsense]\nx = 1\n[strategy]\npath = 5\n')
    with pytest.raises(ConfigurationError) as refused:
        CliRunner().invoke(
            cli, ["start", "-c", str(path), "--data-dir", str(tmp_path / "data")], catch_exceptions=False
        )
    keys = {key for key, _ in refused.value.faults}
    assert {"journal.durability", "nonsense", "strategy.path", "venues"} <= keys
    assert '"full"' in str(refused.value)
    assert 2 == refused.value.exit_code
    assert not (tmp_path / "data").exists()
