"""What the words of Delta Lake and of an object store mean to the shipper: come back later, or call somebody.

Pure. Any thread. No word of a storage option that may be secret gets through.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from livestack.exceptions import SinkError, SinkRefusedError, SinkUnavailableError

_TEXT_MAX: Final = 300
_SECRET_MIN: Final = 4
"""A shorter option is no secret, and taking it out would make any text unreadable."""

_ESCAPES: Final = re.compile(r"\x1b\[[0-9;]*m")
_ANSWER: Final = re.compile(r"<Code>(?P<code>[^<]*)</Code>(?:\s*<Message>(?P<message>[^<]*)</Message>)?")
_ADDRESS: Final = re.compile(r"https?://\S+|for path \S+")
_HARMLESS: Final = re.compile(
    r"endpoint|region|allow_http|timeout|retr|backoff|conditional|style|limit", re.I
)


class _Meaning(NamedTuple):
    pattern: re.Pattern[str]
    advice: str


def _meaning(pattern: str, advice: str) -> _Meaning:
    return _Meaning(re.compile(pattern, re.IGNORECASE), advice)


_REFUSALS: Final = (
    _meaning(r"NoSuchBucket|specified bucket does not exist", "make the bucket, or name another one"),
    _meaning(r"InvalidBucketName", "name a bucket by the rules of the store"),
    _meaning(r"RequestTimeTooSkewed", "set this machine's clock"),
    _meaning(r"ExpiredToken|token.{0,20}expired", "give it a session token that is still valid"),
    _meaning(
        r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|401 Unauthorized|Unauthenticated",
        "check access key and secret",
    ),
    _meaning(
        r"PermanentRedirect|AuthorizationHeaderMalformed|301 Moved|IllegalLocationConstraint",
        "name the bucket's own region in the URL",
    ),
    _meaning(
        r"AccessDenied|AccountProblem|AllAccessDisabled|403 Forbidden",
        "give the key the right to read and write there",
    ),
    _meaning(r"URL scheme is not allowed", "use an https endpoint"),
    _meaning(
        r"(reader|writer).{0,20}(version|feature)|unsupported.{0,20}feature|DeltaProtocolError",
        "use a newer livestack, or another place",
    ),
)
"""A person has to change something. Whatever is not here passes by itself, or may: full disk, network, 5xx."""

_MISSING_CREDENTIALS: Final = _meaning(
    r"credential|InstanceMetadata|metadata service|169\.254\.", "give it an access key and a secret"
)


def explained(address: str, error: BaseException, options: Mapping[str, str]) -> SinkError:
    """``error`` of Delta Lake, the store or the disk at ``address``, in one sentence and without secrets."""
    whole = _ADDRESS.sub("", f"{type(error).__name__}: {error}")
    cause = redacted(shortened(str(error) or type(error).__name__), options)
    for meaning in _REFUSALS:
        if meaning.pattern.search(whole):
            return SinkRefusedError(address, cause, meaning.advice)
    if _MISSING_CREDENTIALS.pattern.search(whole):
        return SinkRefusedError(address, cause, _MISSING_CREDENTIALS.advice)
    return SinkUnavailableError(address, cause)


def shortened(text: str) -> str:
    """The innermost cause: the store's own code and message, else the last of the nested sentences."""
    text = _ESCAPES.sub("", text)
    if answer := _ANSWER.search(text):
        code, message = answer["code"], answer["message"]
        return f"{code}: {message.rstrip('. ')}" if message else code
    parts = [" ".join(part.split()) for part in re.split(r"\n\s*↳|↳", text)]
    parts = [part for part in parts if part]
    if len(parts) > 1 and len(parts[-1]) < 40:
        # Two of them: "operation timed out" alone does not say of what.
        return _cut(f"{parts[0].partition(' -> ')[2] or parts[0]}: {parts[-1]}")
    return _cut(parts[-1] if parts else "no reason given")


def _cut(text: str) -> str:
    """The innermost cause stands at the end."""
    return text if len(text) <= _TEXT_MAX else f"{text[: _TEXT_MAX // 3]} ... {text[-_TEXT_MAX * 2 // 3 :]}"


def redacted(text: str, options: Mapping[str, str]) -> str:
    """``text`` without the values of ``options`` that may be secret, which is all that are not known to be harmless."""
    secrets = [value for name, value in options.items() if not _HARMLESS.search(name)]
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SECRET_MIN:
            text = text.replace(secret, "***")
    return text
