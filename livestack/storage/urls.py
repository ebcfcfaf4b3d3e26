"""What a sink's URL says: which storage, where, with which options; and for a wrong one, what would be right.

Pure. No sentence holds a part of the URL that may be a password, whatever it was mistaken for. Any thread.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec

from livestack.core.validation import guess

DELTA_FILE: Final = "delta+file"
DELTA_S3: Final = "delta+s3"
POSTGRESQL: Final = "postgresql"

FORMS: Final = "delta+file:///DIRECTORY, delta+s3://BUCKET/PREFIX or postgresql://USER@HOST:5432/DATABASE"
"""What there is, for a sentence's end."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")
_PLAIN = re.compile(r"[^\x00-\x1f\x7f]+")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_ENDPOINT = re.compile(r"(https?)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\])(:\d{1,5})?/?")
_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9._:%-]+|/[A-Za-z0-9._/+-]+")
_PORT = re.compile(r"0*[1-9]\d{0,4}")
_PORT_MAX: Final = 65_535

_S3_OPTIONS = ("endpoint", "region")
_S3_SECRET = re.compile(r"key|secret|token|password|credential|profile", re.IGNORECASE)

_MEANT = {
    "file": "delta+file:///DIRECTORY",
    "delta": "delta+file:///DIRECTORY",
    "s3": "delta+s3://BUCKET/PREFIX",
    "s3a": "delta+s3://BUCKET/PREFIX",
    "delta+s3a": "delta+s3://BUCKET/PREFIX",
    "postgres+psycopg": "postgresql://USER@HOST:5432/DATABASE",
    "postgresql+psycopg": "postgresql://USER@HOST:5432/DATABASE",
    "postgresql+psycopg2": "postgresql://USER@HOST:5432/DATABASE",
}
"""Schemes of other programs for what we have."""

_BARE_SIGN = (
    "is not a URL such as postgresql://USER:PASSWORD@HOST:5432/DATABASE; in a password @ is written %40, / is %2F, "
    "% is %25, ? is %3F and # is %23"
)


class Location(msgspec.Struct, frozen=True):
    """Where a URL leads. ``address`` is for people and holds no secret; the rest may.

    ``root``: of Delta tables, a directory or ``s3://bucket/prefix``. ``region`` and ``endpoint`` ('': not said) of S3.
    ``parts``: of PostgreSQL, by libpq's names.
    """

    kind: str
    address: str
    root: str = ""
    region: str = ""
    endpoint: str = ""
    parts: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Location({self.address!r})"

    @property
    def has_password(self) -> bool:
        return any(self.parts.get(name) for name in ("password", "sslpassword"))


def locate(url: str) -> Location:
    """What ``url`` says; ``ValueError``: the rest of a sentence that begins with who named it."""
    if not _PLAIN.fullmatch(url) or url != url.strip():
        raise ValueError(f"must be one URL without control characters and without blanks around it: {FORMS}")
    found = _SCHEME.match(url)
    if found is None:
        path = f", as delta+file://{url}" if url.startswith("/") and "@" not in url else ""
        raise ValueError(f"needs a scheme in front{path}; the forms are {FORMS}")
    scheme = found[1].lower()
    if scheme in ("postgresql", "postgres"):
        return _postgresql(url)
    if scheme not in (DELTA_FILE, DELTA_S3):
        raise ValueError(_unknown(scheme))
    if found[2] is None:
        raise ValueError(f'needs // behind "{scheme}:"; the forms are {FORMS}')
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(f"is not a URL; the forms are {FORMS}") from None
    if "#" in url:
        raise ValueError("must have no # in it; one that belongs to a name is written %23")
    return _delta_file(parts) if scheme == DELTA_FILE else _delta_s3(parts)


def _unknown(scheme: str) -> str:
    meant = _MEANT.get(scheme, "")
    if meant:
        return f'has the scheme "{scheme}"; did you mean {meant}?'
    return f'has an unknown scheme "{scheme}"{guess(scheme, [DELTA_FILE, DELTA_S3, POSTGRESQL])}'


def _delta_file(parts: SplitResult) -> Location:
    if parts.netloc:
        where = parts.netloc if "@" not in parts.netloc else "DIRECTORY"
        raise ValueError(
            f"must have an absolute path, with three slashes: delta+file:///{where}{parts.path} if that is it"
        )
    if "?" in parts.geturl():
        raise ValueError(
            "must have no options: there are none for a directory; a ? in its name is written %3F"
        )
    path = unquote(parts.path)
    if not path.strip("/"):
        raise ValueError("needs a directory, as in delta+file:///var/lib/livestack/records")
    if not _PLAIN.fullmatch(path):
        raise ValueError("must name a directory without control characters")
    if ".." in path.split("/"):
        raise ValueError("must name the directory without ..")
    root = "/" + "/".join(filter(None, path.split("/")))
    return Location(DELTA_FILE, f"Delta Lake in {root}", root)


def _delta_s3(parts: SplitResult) -> Location:
    if "@" in parts.netloc:
        raise ValueError(_secret_in_url())
    if ":" in parts.netloc:
        raise ValueError(
            "must begin with the bucket; the server goes behind it: "
            f"delta+s3://BUCKET/PREFIX?endpoint=http://{parts.netloc}"
        )
    if not parts.netloc:
        raise ValueError("needs a bucket, with two slashes in front of it: delta+s3://BUCKET/PREFIX")
    if not _BUCKET.fullmatch(parts.netloc):
        raise ValueError(
            "must have a bucket's name of 3 to 63 letters, digits, points and dashes: delta+s3://BUCKET/PREFIX"
        )
    prefix = unquote(parts.path).strip("/")
    if not all(part not in ("", ".", "..") for part in prefix.split("/")) and prefix:
        raise ValueError("must have a prefix without empty parts, . and ..: delta+s3://BUCKET/PREFIX")
    if prefix and not _PLAIN.fullmatch(prefix):
        raise ValueError("must have a prefix without control characters")
    options = _s3_options(parts.query)
    root = f"s3://{parts.netloc}" + (f"/{prefix}" if prefix else "")
    endpoint = options.get("endpoint", "")
    where = f" at {endpoint}" if endpoint else ""
    return Location(DELTA_S3, f"Delta Lake in {root}{where}", root, options.get("region", ""), endpoint)


def _s3_options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _S3_OPTIONS and _S3_SECRET.search(name):
            raise ValueError(_secret_in_url())
        if name not in _S3_OPTIONS:
            raise ValueError(f'has the option "{name[:40]}", which {guess_option(name)}')
        if name in options:
            raise ValueError(f"has the option {name} twice")
        options[name] = value
    endpoint = options.get("endpoint")
    if endpoint is not None and "@" in endpoint:
        raise ValueError(_secret_in_url())
    if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):
        raise ValueError("must have an endpoint of the form http://HOST:PORT or https://HOST, without a path")
    if "region" in options and not _REGION.fullmatch(options["region"]):
        raise ValueError("must have a region such as eu-central-1")
    if endpoint is not None:
        options["endpoint"] = endpoint.rstrip("/")
    return options


def guess_option(name: str) -> str:
    """The rest of a sentence about an option that there is not."""
    return f"is not known{guess(name, list(_S3_OPTIONS))}"


def _secret_in_url() -> str:
    return (
        "must hold no keys of S3: they belong into the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) "
        "or into a secret_file"
    )


def _postgresql(url: str) -> Location:
    """The parts of ``url``, each of them what it seems to be: a password with a bare ``@`` or ``/`` becomes a host."""
    from psycopg import Error, conninfo  # noqa: PLC0415 - only who has such a sink loads libpq

    try:
        parts = {name: str(value) for name, value in conninfo.conninfo_to_dict(url).items()}
    except Error:
        raise ValueError(_unknown_option(url) or _BARE_SIGN) from None
    hosts, ports = parts.get("host", "localhost").split(","), parts.get("port", "5432").split(",")
    # A bare sign of a password moves the rest of it into one of these, with the @ behind it.
    displaced = any("@" in parts.get(name, "") for name in ("host", "port", "dbname"))
    if displaced or not re.match(r"postgres(ql)?://", url):
        raise ValueError(_BARE_SIGN)
    if not all(map(_HOST.fullmatch, hosts)):
        raise ValueError(
            "must have a host's name or address, or ?host=/DIRECTORY of a socket: postgresql://USER@HOST:5432/DATABASE"
        )
    if not all(_PORT.fullmatch(port) and int(port) <= _PORT_MAX for port in ports):
        raise ValueError(
            f"must have a port from 1 to {_PORT_MAX} behind the host: postgresql://USER@HOST:5432/DATABASE"
        )
    if "dbname" not in parts:
        raise ValueError("needs a database: postgresql://USER@HOST:5432/DATABASE")
    host, port = parts.get("host", "this machine"), parts.get("port", "5432")
    return Location(POSTGRESQL, f"PostgreSQL at {host}, port {port}, database {parts['dbname']}", parts=parts)


def _unknown_option(url: str) -> str:
    """What to say of an option that libpq does not know; '' where that is not what is wrong, or may be a password."""
    from psycopg.pq import Conninfo  # noqa: PLC0415 - as above

    before, _, query = url.partition("?")
    if "@" in query or "#" in url or not re.match(r"postgres(ql)?://", before):
        return ""
    known = [option.keyword.decode() for option in Conninfo.get_defaults()]
    for name, _ in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            return f'has the option "{name[:40]}", which is not known{guess(name, known)}'
    return ""
