"""An interpreter with NautilusTrader in a virtual environment of its own, made once, in the repository's root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = "1.231.0"
DIRECTORY = ROOT / ".venv-nautilus"
INSTALL_TIMEOUT_S = 600


def interpreter() -> tuple[str, str]:
    """Path of the interpreter, or '' and why there is none."""
    python = DIRECTORY / "bin" / "python"
    if _has_nautilus(python):
        return str(python), ""
    base = _base()
    steps = (
        [base, "-m", "venv", "--clear", str(DIRECTORY)],
        [str(python), "-m", "pip", "install", "--quiet", f"nautilus_trader=={VERSION}"],
    )
    for step in steps:
        try:
            done = subprocess.run(step, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            return "", f"{' '.join(step[:4])}: {type(error).__name__}"
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip()]
            return "", said[-1] if said else f"{' '.join(step[:4])} failed"
    return (str(python), "") if _has_nautilus(python) else ("", "it was installed but does not import")


def _base() -> str:
    """A Python 3.13 that starts, for which there are wheels; else the one that runs this."""
    candidates = [shutil.which("python3.13") or ""]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates += [str(path) for path in sorted(versions.glob("3.13*/bin/python3.13"))]
    return next((one for one in candidates if one and _runs(one, "")), sys.executable)


def _has_nautilus(python: Path) -> bool:
    check = f"import nautilus_trader; assert nautilus_trader.__version__ == {VERSION!r}"
    return python.exists() and _runs(str(python), check)


def _runs(python: str, program: str) -> bool:
    """Whether it really starts: a name on the path may be a shim without anything behind it."""
    try:
        return subprocess.run([python, "-c", program], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
