"""What went wrong with a command on a running node: its sentence, its exit code, and the object that tools get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from livestack.cli.on_disk import look
from livestack.exceptions import (
    LivestackError,
    NodeUnreachableError,
    OutcomeUnknownError,
    RefusedError,
    UnreachableError,
    UsageError,
)

NOTHING_KILLED = "NOTHING WAS KILLED:"


class CommandError(LivestackError):
    """A failure in the words of the command that failed. ``outcome``, ``code`` and ``message`` are those of ``--json``;
    ``message`` is what the node said, or the sentence."""

    def __init__(
        self, outcome: str, code: str, sentence: str, exit_code: int, request_id: str = "", message: str = ""
    ) -> None:
        super().__init__(outcome, code, sentence, exit_code, request_id, message)
        self.message = message or sentence
        self.outcome = outcome
        self.code = code
        self.sentence = sentence
        self.exit_code = exit_code
        self.request_id = request_id

    def __str__(self) -> str:
        return self.sentence


def in_words(error: LivestackError, data_dir: Path | None) -> CommandError:
    """``error`` for people and tools. ``data_dir``: the node's, where it is here; it tells what became of the node."""
    match error:
        case CommandError():
            return error
        case RefusedError(code="BUSY"):
            sentence = f"not now: {error.sentence or 'the node is busy'}"
            return CommandError(
                "refused", "busy", sentence, UnreachableError.exit_code, error.request_id, error.sentence
            )
        case RefusedError():
            return CommandError(
                "refused", error.code.lower(), str(error), error.exit_code, error.request_id, error.sentence
            )
        case OutcomeUnknownError():
            sentence = f"{error}; the same command with --request-id {error.request_id} asks again"
            return CommandError("unknown", "timed_out", sentence, error.exit_code, error.request_id)
        case NodeUnreachableError():
            if data_dir is not None:
                error = NodeUnreachableError(error.address, error.cause, look(data_dir).advice())
            return CommandError("unreachable", "unreachable", str(error), error.exit_code)
        case UsageError():
            return CommandError("refused", "usage", str(error), error.exit_code)
        case _:
            return CommandError("failed", "failed", str(error), error.exit_code)


def nothing_killed(error: LivestackError, data_dir: Path | None) -> CommandError:
    """Whoever wanted a kill has to see at the first glance that there was none."""
    told = in_words(error, data_dir)
    sentence = f"{NOTHING_KILLED} {told.sentence}"
    return CommandError(told.outcome, told.code, sentence, told.exit_code, told.request_id)


def for_tools(error: CommandError) -> dict[str, Any]:
    """The keys of a command that changes something."""
    return {
        "outcome": error.outcome,
        "seq": None,
        "code": error.code,
        "message": error.message,
        "request_id": error.request_id,
    }
