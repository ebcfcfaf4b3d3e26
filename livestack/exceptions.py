"""Every exception that livestack raises on purpose: one tree, whose fault it is and what to do now.

Pure; imports nothing. Exceptions hold data and build their sentence in ``__str__``::

    LivestackError
    |-- InvariantViolation      our own bug: raised before anything changed, the host halts (exit 4)
    |-- UsageError              what the user gave cannot be used (exit 2)
    |   `-- ConfigurationError  every fault of a configuration at once, each with key and allowed values
    |-- RefusedError            a running node refused a command, and nothing has changed (exit 2)
    |   `-- PermissionDeniedError  the sender may not do this, or is not known at all (exit 7)
    |-- UnreachableError        a venue, sink or node does not answer (exit 3)
    |   `-- NodeUnreachableError   no node where it was looked for; says how to start one
    |-- OutcomeUnknownError     a command was sent, and nobody knows whether it was carried out (exit 3)
    |-- HeldError               the account or data directory is held by another node or unusable (exit 5)
    |-- TransportError          one connection failed; the outcome of what was being written is unknown
    |   `-- NotSentError        proven: not one byte of it was written
    |-- StoppedEarly            somebody ended the node before there was a session (exit 0)
    `-- JournalError            the journal cannot do what was asked
        |-- JournalOrderError   an append out of order: never skipped silently
        |-- JournalDamagedError stored bytes are not what was written
        |-- RecoveryError       a session cannot be taken up again as it is recorded
        |   `-- OtherSessionError  it began with another configuration or strategy
        `-- JournalFormatError  written by a newer format, or not a journal at all
"""

from __future__ import annotations


class LivestackError(Exception):
    """Root of the tree. ``exit_code`` is what the command line ends with when nothing handles it."""

    exit_code = 4


class InvariantViolation(LivestackError):
    """A bug of ours, found before State changed. The input is set aside and the host halts."""


class UsageError(LivestackError):
    """The user's input cannot be used; the sentence says what would be right."""

    exit_code = 2


class ConfigurationError(UsageError):
    """Every fault found in a configuration.

    ``faults`` are ``(key, sentence)`` pairs in file order; ``source`` names the file or command.
    """

    def __init__(self, faults: list[tuple[str, str]], source: str = "configuration") -> None:
        super().__init__(faults, source)
        self.faults = faults
        self.source = source

    def __str__(self) -> str:
        lines = [f"  {key}: {sentence}" if key else f"  {sentence}" for key, sentence in self.faults]
        count = f"{len(lines)} fault" + ("s" if len(lines) != 1 else "")
        return "\n".join([f"{self.source}: {count}, nothing was started", *lines])


class UnreachableError(LivestackError):
    """``address`` did not answer as expected; ``cause`` says how."""

    exit_code = 3

    def __init__(self, address: str, cause: str) -> None:
        super().__init__(address, cause)
        self.address = address
        self.cause = cause

    def __str__(self) -> str:
        return f"cannot reach {self.address}: {self.cause}"


class NodeUnreachableError(UnreachableError):
    """No node answers at ``address``; ``advice`` is what to do about it."""

    def __init__(self, address: str, cause: str, advice: str = "") -> None:
        super().__init__(address, cause)
        self.args = (address, cause, advice)
        self.advice = advice

    def __str__(self) -> str:
        sentence = f"cannot reach a node at {self.address}: {self.cause}"
        return f"{sentence}; {self.advice}" if self.advice else sentence


class RefusedError(LivestackError):
    """A running node refused: ``code`` is of the control surface's error codes, ``sentence`` what would be accepted.

    Nothing has changed. ``request_id`` names the request in the node's records.
    """

    exit_code = 2

    def __init__(self, code: str, sentence: str, request_id: str = "") -> None:
        super().__init__(code, sentence, request_id)
        self.code = code
        self.sentence = sentence
        self.request_id = request_id

    def __str__(self) -> str:
        return f"refused ({self.code.lower()}): {self.sentence or 'the node gives no reason'}"


class PermissionDeniedError(RefusedError):
    """The sender's role does not allow this, or the node does not know its key."""

    exit_code = 7


class OutcomeUnknownError(LivestackError):
    """``command`` was sent to ``address``, and no answer came within ``waited_s`` seconds: it may be carried out yet.

    The same request again, under the same ``request_id``, tells; it changes nothing a second time.
    """

    exit_code = 3

    def __init__(self, command: str, address: str, request_id: str, waited_s: float) -> None:
        super().__init__(command, address, request_id, waited_s)
        self.command = command
        self.address = address
        self.request_id = request_id
        self.waited_s = waited_s

    def __str__(self) -> str:
        return (
            f"{self.command} was sent to {self.address} and not answered within {self.waited_s:g} s: whether it was "
            f"carried out is not known (request {self.request_id})"
        )


class HeldError(LivestackError):
    """``what`` is held by ``holder`` or not usable."""

    exit_code = 5

    def __init__(self, what: str, holder: str) -> None:
        super().__init__(what, holder)
        self.what = what
        self.holder = holder

    def __str__(self) -> str:
        return f"{self.what} is not usable: {self.holder}"


class TransportError(LivestackError):
    """A connection failed. If something was being written, its outcome is *unknown*, not failed."""

    exit_code = 3


class NotSentError(TransportError):
    """Proven that nothing was written: the only transport failure that is a definite no."""


class StoppedEarly(LivestackError):
    """The node was ended before there was a session."""

    exit_code = 0


class JournalError(LivestackError):
    """The journal cannot do what was asked."""


class JournalOrderError(JournalError):
    """An append would leave a gap or overwrite. ``expected`` and ``got`` are ``seq`` numbers."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(expected, got)
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return f"journal append out of order: expected seq {self.expected}, got {self.got}"


class JournalDamagedError(JournalError):
    """Stored bytes are not what was written. ``path`` is the segment, ``seq`` the first bad record (0: unknown)."""

    exit_code = 6

    def __init__(self, path: str, seq: int, what: str) -> None:
        super().__init__(path, seq, what)
        self.path = path
        self.seq = seq
        self.what = what

    def __str__(self) -> str:
        where = f"{self.path} at seq {self.seq}" if self.seq else self.path
        return f"journal segment {where} is damaged: {self.what}"


class JournalFormatError(JournalError):
    """Not a journal of ours, or one written by a newer program."""

    exit_code = 5


class RecoveryError(JournalError):
    """``session`` cannot go on: from position ``seq`` (0: as a whole) its journal ``cause``."""

    def __init__(self, session: str, seq: int, cause: str) -> None:
        super().__init__(session, seq, cause)
        self.session = session
        self.seq = seq
        self.cause = cause

    def __str__(self) -> str:
        where = f" at seq {self.seq}" if self.seq else ""
        return f"session {self.session} cannot be resumed: its journal{where} {self.cause}"


class OtherSessionError(RecoveryError):
    """The session began with another Configuration, or another strategy source: it stays as it is."""


class SinkError(LivestackError):
    """The storage at ``address`` (no secrets) did not do what was asked; ``cause`` says why, ``advice`` what to do."""

    exit_code = 3

    def __init__(self, address: str, cause: str, advice: str = "") -> None:
        super().__init__(address, cause, advice)
        self.address = address
        self.cause = cause
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.address}: {self.cause}" + (f"; {self.advice}" if self.advice else "")


class SinkUnavailableError(SinkError):
    """It is not there, or too slow, or full, at this time: what was asked may have happened. Try again later."""


class SinkRefusedError(SinkError):
    """It is there and says no, until somebody changes something: password, rights, bucket, a foreign or newer table."""

    exit_code = 2
