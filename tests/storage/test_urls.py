"""What a sink's URL says, and what is said of one that is wrong."""

from __future__ import annotations

import pytest

from livestack.storage.urls import FORMS, locate

KEYS_ELSEWHERE = (
    "must hold no keys of S3: they belong into the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or into a "
    "secret_file"
)
NOT_POSTGRESQL = (
    "is not a URL such as postgresql://USER:PASSWORD@HOST:5432/DATABASE; in a password @ is written %40, / is %2F, "
    "% is %25, ? is %3F and # is %23"
)
WRONG_PORT = "must have a port from 1 to 65535 behind the host: postgresql://USER@HOST:5432/DATABASE"
ONE_URL = f"must be one URL without control characters and without blanks around it: {FORMS}"

WRONG = {
    "": ONE_URL,
    " delta+file:///records": ONE_URL,
    "delta+file:///records\n": ONE_URL,
    "delta+file:///a\x00b": ONE_URL,
    "records": f"needs a scheme in front; the forms are {FORMS}",
    "/var/records": f"needs a scheme in front, as delta+file:///var/records; the forms are {FORMS}",
    "s3://bucket/x": 'has the scheme "s3"; did you mean delta+s3://BUCKET/PREFIX?',
    "file:///x": 'has the scheme "file"; did you mean delta+file:///DIRECTORY?',
    "delta+flie:///x": 'has an unknown scheme "delta+flie"; did you mean delta+file?',
    "postgre://h/db": 'has an unknown scheme "postgre"; did you mean postgresql?',
    "sqlite:///x": 'has an unknown scheme "sqlite"; known: delta+file, delta+s3, postgresql',
    "delta+file:/records": f'needs // behind "delta+file:"; the forms are {FORMS}',
    "delta+file://records/here": (
        "must have an absolute path, with three slashes: delta+file:///records/here if that is it"
    ),
    "delta+file:///": "needs a directory, as in delta+file:///var/lib/livestack/records",
    "delta+file:///a/../b": "must name the directory without ..",
    "delta+file:///a%0Ab": "must name a directory without control characters",
    "delta+file:///a?x=1": (
        "must have no options: there are none for a directory; a ? in its name is written %3F"
    ),
    "delta+file:///a#b": "must have no # in it; one that belongs to a name is written %23",
    "delta+s3:///prefix": "needs a bucket, with two slashes in front of it: delta+s3://BUCKET/PREFIX",
    "delta+s3://b": (
        "must have a bucket's name of 3 to 63 letters, digits, points and dashes: delta+s3://BUCKET/PREFIX"
    ),
    "delta+s3://[x": f"is not a URL; the forms are {FORMS}",
    "delta+s3://localhost:9000/bucket": (
        "must begin with the bucket; the server goes behind it: "
        "delta+s3://BUCKET/PREFIX?endpoint=http://localhost:9000"
    ),
    "delta+s3://bucket/a//b": "must have a prefix without empty parts, . and ..: delta+s3://BUCKET/PREFIX",
    "delta+s3://bucket/a%0Ab": "must have a prefix without control characters",
    "delta+s3://AKIA:hunter2@bucket/x": KEYS_ELSEWHERE,
    "delta+s3://bucket/x?secret_access_key=hunter2": KEYS_ELSEWHERE,
    "delta+s3://bucket/x?AWS_SESSION_TOKEN=hunter2": KEYS_ELSEWHERE,
    "delta+s3://bucket/x?endpoint=http://a:hunter2@host": KEYS_ELSEWHERE,
    "delta+s3://bucket/x?regoin=eu": 'has the option "regoin", which is not known; did you mean region?',
    "delta+s3://bucket/x?colour=red": 'has the option "colour", which is not known; known: endpoint, region',
    "delta+s3://bucket/x?region=a1&region=b1": "has the option region twice",
    "delta+s3://bucket/x?region=": "must have a region such as eu-central-1",
    "delta+s3://bucket/x?endpoint=host:9000": (
        "must have an endpoint of the form http://HOST:PORT or https://HOST, without a path"
    ),
    "delta+s3://bucket/x?endpoint=http://host/bucket": (
        "must have an endpoint of the form http://HOST:PORT or https://HOST, without a path"
    ),
    "postgresql:db": NOT_POSTGRESQL,
    "postgresql://me:hunter2@x@host/db": NOT_POSTGRESQL,
    "postgresql://me:hunter2/x@host/db": NOT_POSTGRESQL,
    "postgresql://me:5/hunter2@host/db": NOT_POSTGRESQL,
    "postgresql://me:hunter2%@host/db": NOT_POSTGRESQL,
    "postgresql://me:hun?ter2=@host/db?x=1": NOT_POSTGRESQL,
    "postgresql://me:hunter2@x:y@host/db": NOT_POSTGRESQL,
    "postgresql://me@127.0.0.1:abc/db": WRONG_PORT,
    "postgresql://me@host:123456/db": WRONG_PORT,
    "postgresql://me@host:65536/db": WRONG_PORT,
    "postgresql://me@host:0/db": WRONG_PORT,
    "postgresql://me:hunter2/db": WRONG_PORT,
    "postgresql://me@ho!st/db": (
        "must have a host's name or address, or ?host=/DIRECTORY of a socket: postgresql://USER@HOST:5432/DATABASE"
    ),
    "postgresql://me@host": "needs a database: postgresql://USER@HOST:5432/DATABASE",
    "postgresql://me@host/db?sslmod=require": (
        'has the option "sslmod", which is not known; did you mean sslmode?'
    ),
}

RIGHT = {
    "delta+file:///var/lib/my%20records/": ("Delta Lake in /var/lib/my records", "/var/lib/my records"),
    "DELTA+FILE:///x": ("Delta Lake in /x", "/x"),
    "delta+s3://bucket": ("Delta Lake in s3://bucket", "s3://bucket"),
    "delta+s3://bucket/a/b/?region=eu-central-1": ("Delta Lake in s3://bucket/a/b", "s3://bucket/a/b"),
    "delta+s3://bucket/a?endpoint=http://localhost:9000/": (
        "Delta Lake in s3://bucket/a at http://localhost:9000",
        "s3://bucket/a",
    ),
    "postgresql://me:hunter2@host/db": ("PostgreSQL at host, port 5432, database db", ""),
    "postgres://me@first:1,second:2/db": ("PostgreSQL at first,second, port 1,2, database db", ""),
    "postgresql://me:hun%40ter2%2F@host:6000/db?sslmode=require": (
        "PostgreSQL at host, port 6000, database db",
        "",
    ),
    "postgresql:///db?host=/var/run/postgresql": (
        "PostgreSQL at /var/run/postgresql, port 5432, database db",
        "",
    ),
}


@pytest.mark.parametrize("url", WRONG)
def test_wrong_url(url: str) -> None:
    """Each wrong URL is told in a sentence that says what would be right, and shows no password."""
    with pytest.raises(ValueError, match=r".") as caught:
        locate(url)
    assert WRONG[url] == str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", RIGHT)
def test_right_url(url: str) -> None:
    """A right one has an address for people without its password, and a root for Delta."""
    location = locate(url)
    assert RIGHT[url] == (location.address, location.root)
    assert "hunter2" not in repr(location)


def test_s3_options() -> None:
    """Region and endpoint are taken from the query; an endpoint's last slash is nothing."""
    location = locate("delta+s3://bucket/x?region=eu-west-1&endpoint=https://s3.example.com/")
    assert ("eu-west-1", "https://s3.example.com") == (location.region, location.endpoint)


def test_password_in_url_is_noticed() -> None:
    """Whoever keeps URLs in a file can ask whether one holds a password."""
    assert locate("postgresql://me:hunter2@host/db").has_password
    assert not locate("postgresql://me@host/db").has_password
