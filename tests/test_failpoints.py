"""Failpoints as a child process has them: what each verb does, at which pass, and that a wrong name is an error."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.failpoints import FailpointError, arm_from_text, disarm_all, failpoint

POINT = "harness.before_step"


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    disarm_all()


def test_at_one_pass_or_from_it_on() -> None:
    """``@2`` is the second pass alone, ``@2+`` every one from it on; another error for a thread's death."""
    arm_from_text(f"{POINT}=raise@2,harness.after_step=exit@2+")
    failpoint(POINT)
    with pytest.raises(FailpointError, match=POINT):
        failpoint(POINT)
    failpoint(POINT)
    failpoint("harness.after_step")
    for _ in range(3):
        with pytest.raises(SystemExit):
            failpoint("harness.after_step")


def test_block_waits_for_the_writer_of_its_pipe(tmp_path: Path) -> None:
    """That the pipe opens says that the point is reached; its closing lets the thread go."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    arm_from_text(f"{POINT}=block:{pipe}")
    thread = threading.Thread(target=failpoint, args=(POINT,))
    thread.start()
    with pipe.open("wb"):
        assert thread.is_alive()
    thread.join()


@pytest.mark.parametrize("text", ["harness.no_such_point=raise", f"{POINT}=sleep"])
def test_what_is_not_known_is_an_error(text: str) -> None:
    """A renamed point must not leave a test that passes for nothing."""
    with pytest.raises(ValueError, match=r"no failpoint named|is not one of"):
        arm_from_text(text)
