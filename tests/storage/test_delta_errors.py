"""What errors of the store mean: come back later, or somebody has to act; and that no secret is in their words."""

from __future__ import annotations

import errno
import os

import pytest

from livestack.exceptions import SinkRefusedError, SinkUnavailableError
from livestack.storage.delta_errors import explained, redacted, shortened

NESTED = (
    "Kernel error -> Generic S3 error\n          \x1b[31m\u21b3\x1b[0m Error performing GET http://h/b/x in 3ms"
    " - Server returned non-2xx status code\n   \x1b[31m\u21b3\x1b[0m {}\n"
)


def answer(status: str, code: str, message: str) -> OSError:
    return OSError(
        NESTED.format(f"{status}\n <Error><Code>{code}</Code><Message>{message}</Message></Error>")
    )


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (answer("404 Not Found", "NoSuchBucket", "The specified bucket does not exist"), "make the bucket"),
        (
            answer("403 Forbidden", "InvalidAccessKeyId", "The key does not exist."),
            "check access key and secret",
        ),
        (answer("403 Forbidden", "SignatureDoesNotMatch", "no"), "check access key and secret"),
        (answer("403 Forbidden", "AccessDenied", "Access Denied"), "the right to read and write there"),
        (answer("403 Forbidden", "RequestTimeTooSkewed", "no"), "set this machine's clock"),
        (answer("400 Bad Request", "ExpiredToken", "no"), "session token that is still valid"),
        (answer("301 Moved", "PermanentRedirect", "elsewhere"), "own region"),
        (OSError("HTTP error\n \u21b3 builder error\n \u21b3 URL scheme is not allowed\n"), "https"),
        (OSError("Failed to load credentials from any provider in the chain"), "give it an access key"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_somebody_has_to_change_is_refused(error: Exception, advice: str) -> None:
    """With a word on what to do."""
    found = explained("here", error, {})
    assert SinkRefusedError is type(found)
    assert advice in found.advice


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
        answer("503 Service Unavailable", "SlowDown", "Please reduce your request rate."),
        answer("500 Internal Server Error", "InternalError", "We encountered an error."),
        OSError(
            NESTED.format(
                "client error (Connect)\n \u21b3 tcp connect error\n \u21b3 Connection refused (os error 111)"
            )
        ),
        OSError(NESTED.format("dns error\n \u21b3 failed to lookup address information\n")),
        OSError(NESTED.format("error sending request\n \u21b3 operation timed out\n")),
        OSError(),
    ],
    ids=str,
)
def test_what_may_pass_by_itself_is_unavailable(error: Exception) -> None:
    """Disk, network, a server that has too much to do."""
    assert SinkUnavailableError is type(explained("here", error, {}))


def test_a_name_is_not_taken_for_an_answer() -> None:
    """Only the words of the store count, not those of an address."""
    error = OSError("Error performing GET http://host/credentials/403/AccessDenied: operation timed out")
    assert SinkUnavailableError is type(explained("here", error, {}))


def test_the_cause_is_one_short_sentence() -> None:
    """The store's own words if there are any, else the innermost cause and of what."""
    assert "AccessDenied: Access Denied" == shortened(str(answer("403", "AccessDenied", "Access Denied.")))
    assert "Generic S3 error: operation timed out" == shortened(NESTED.format("operation timed out"))
    assert "one two" == shortened("one\n   two")
    assert 310 > len(shortened("x" * 1_000))


def test_no_secret_gets_through() -> None:
    """Values of all options but the harmless ones are taken out, the longest first."""
    options = {
        "aws_secret_access_key": "hunter22",
        "aws_session_token": "hunter22/more",
        "aws_access_key_id": "AKIA1",
        "aws_endpoint": "http://host",
    }
    text = "http://host said hunter22/more to AKIA1 with hunter22"
    assert "http://host said *** to *** with ***" == redacted(text, options)
    assert "hunter22" not in str(explained("here", OSError(text), options))
