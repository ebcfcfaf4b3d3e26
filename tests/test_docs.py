"""Every command that the documents show is run, in the order in which a reader would."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from sphinx.cmd.build import build_main

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.rst", *sorted((ROOT / "docs").glob("*.rst"))]

INSTEAD = {
    "scripts/demo": "scripts/demo --for 4s",  # as it is shown it trades for half a minute
    "scripts/test": ":",  # is what runs this test
}


def commands_of(document: Path) -> list[str]:
    """Lines that begin with ``$`` in the console blocks of ``document``."""
    commands: list[str] = []
    inside = False
    for line in document.read_text(encoding="utf-8").splitlines():
        if line.startswith(".. code-block:: console"):
            inside = True
        elif line and not line.startswith(" "):
            inside = False
        elif inside and line.strip().startswith("$ "):
            commands.append(line.strip().removeprefix("$ "))
    return commands


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that looks like a clone in which the demo has run once."""
    directory = tmp_path_factory.mktemp("clone")
    for name in ("scripts", "etc"):
        (directory / name).symlink_to(ROOT / name)
    run(directory, "scripts/demo")
    return directory


def run(directory: Path, *commands: str) -> str:
    """Run ``commands`` as one shell session; its output."""
    script = "\n".join(["set -euo pipefail", *(INSTEAD.get(command, command) for command in commands)])
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(timeout=200)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what a document starts and an error left running
            process.wait()
        output.seek(0)
        text = output.read()
    assert code == 0, f"{script}\n{text}"
    return text


@pytest.mark.parametrize("document", [one for one in DOCUMENTS if commands_of(one)], ids=lambda one: one.stem)
def test_commands_run(workplace: Path, document: Path) -> None:
    """Each command exits 0; the demo, which every reader runs first, has been run once for all documents."""
    run(workplace, *(command for command in commands_of(document) if command != "scripts/demo"))


def test_the_demo_is_in_the_readme() -> None:
    """The two commands of the README are those that are run."""
    assert ["scripts/demo", "scripts/test"] == commands_of(ROOT / "README.rst")[:2]


def test_documents_build(tmp_path: Path) -> None:
    """Sphinx builds the documents without a warning."""
    assert 0 == build_main(["-W", "-q", "-b", "html", str(ROOT / "docs"), str(tmp_path)])
