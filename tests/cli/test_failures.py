"""Failures of commands on a node: exit codes, words, and the object for tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from livestack.cli.failures import for_tools, in_words, nothing_killed
from livestack.exceptions import (
    LivestackError,
    NodeUnreachableError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RefusedError,
    UsageError,
)


@pytest.mark.parametrize(
    ("error", "outcome", "code", "exit_code"),
    [
        (RefusedError("BUSY", "starting", "i"), "refused", "busy", 3),
        (RefusedError("INVALID", "no", "i"), "refused", "invalid", 2),
        (PermissionDeniedError("PERMISSION_DENIED", "no"), "refused", "permission_denied", 7),
        (OutcomeUnknownError("kill", "a", "i", 5), "unknown", "timed_out", 3),
        (NodeUnreachableError("a", "gone"), "unreachable", "unreachable", 3),
        (UsageError("no"), "refused", "usage", 2),
        (LivestackError("no"), "failed", "failed", 4),
    ],
)
def test_each_failure_has_its_words(error: LivestackError, outcome: str, code: str, exit_code: int) -> None:
    """Stable ones."""
    told = in_words(error, None)
    assert (outcome, code, exit_code) == (told.outcome, told.code, told.exit_code)
    assert {"outcome", "seq", "code", "message", "request_id"} == for_tools(told).keys()
    assert str(nothing_killed(error, None)).startswith("NOTHING WAS KILLED: ")
    assert told is in_words(told, None)


def test_tools_get_the_nodes_own_words() -> None:
    """People are told that they are a refusal."""
    told = in_words(RefusedError("INVALID", "no", "i"), None)
    assert ("no", "i") == (for_tools(told)["message"], for_tools(told)["request_id"])
    assert "refused (invalid): no" == str(told)


def test_where_no_node_is_the_directory_tells_why(tmp_path: Path) -> None:
    """A node elsewhere keeps its advice."""
    error = NodeUnreachableError("a", "gone", "do this")
    assert str(in_words(error, None)).endswith("gone; do this")
    assert str(in_words(error, tmp_path / "no")).endswith("is --data-dir right?")
