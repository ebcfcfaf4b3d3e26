"""From settings and URLs to places of storage: every fault a sentence, no secret in any text."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from livestack.exceptions import ConfigurationError, SinkRefusedError, SinkUnavailableError, UsageError
from livestack.records_settings import RecordsSettings, SinkSettings
from livestack.storage import place as places
from livestack.storage.place import SinkPlace, check_place, place_of_url, sink_places
from tests.storage.s3_support import ObjectStore
from tests.storage.test_urls import NOT_POSTGRESQL

PASSWORD = "hunter2"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": PASSWORD}


def settings_of(**sinks: SinkSettings) -> RecordsSettings:
    return RecordsSettings(sinks=sinks)


def faults_of(settings: RecordsSettings, environment: dict[str, str]) -> list[tuple[str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        sink_places(settings, Path("/data"), environment)
    assert PASSWORD not in str(caught.value)
    return caught.value.faults


def secret_file(folder: Path, text: str, mode: int = 0o600) -> str:
    path = folder / "secrets.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("sinks", [{"local": SinkSettings()}, {}], ids=["named", "none"])
def test_default_place(sinks: dict[str, SinkSettings]) -> None:
    """Without a URL records go below the data directory, whatever signs its name has."""
    (found,) = sink_places(RecordsSettings(sinks=sinks), Path("/my data#1"), {})
    assert ("local", "Delta Lake in /my data#1/records") == (found.name, found.address)


def test_relative_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data directory that is relative is one of where the node was started."""
    monkeypatch.chdir(tmp_path)
    (found,) = sink_places(RecordsSettings(), Path("data"), {})
    assert f"Delta Lake in {tmp_path}/data/records" == found.address


def test_several_places(tmp_path: Path) -> None:
    """Each sink has its place: by URL, by variable, with a file of secrets."""
    found = sink_places(
        settings_of(
            local=SinkSettings(),
            lake=SinkSettings(url="delta+s3://bucket/prefix"),
            base=SinkSettings(url_env="RECORDS"),
            other=SinkSettings(
                url="postgresql://me@elsewhere/db",
                secret_file=secret_file(tmp_path, f'password = "{PASSWORD}"'),
            ),
        ),
        Path("/data"),
        {**KEYS, "RECORDS": f"postgresql://me:{PASSWORD}@host/db"},
    )
    assert [
        "Delta Lake in /data/records",
        "Delta Lake in s3://bucket/prefix",
        "PostgreSQL at host, port 5432, database db",
        "PostgreSQL at elsewhere, port 5432, database db",
    ] == [one.address for one in found]
    assert PASSWORD not in repr(found)
    assert PASSWORD not in str(found[2])
    assert found == msgspec.json.decode(msgspec.json.encode(found), type=list[SinkPlace])


def test_every_fault_at_once() -> None:
    """All faults of all sinks are told together, each under its key."""
    found = faults_of(
        settings_of(
            a=SinkSettings(url_env="NOT_SET"),
            b=SinkSettings(url_env="WRONG"),
            c=SinkSettings(url="delta+s3://bucket/x"),
            d=SinkSettings(url=f"postgresql://me:{PASSWORD}@host/db"),
            e=SinkSettings(secret_file="/nowhere"),
            f=SinkSettings(url="postgresql://me@host/other", secret_file="/nowhere"),
            g=SinkSettings(url="delta+file:///x"),
            h=SinkSettings(url="delta+file:///x/"),
        ),
        {"WRONG": f"postgresql://me:{PASSWORD}@a@b/db", "AWS_ACCESS_KEY_ID": "AKIA"},
    )
    assert [
        ("records.sinks.a.url_env", "refers to the environment variable NOT_SET, which is not set"),
        (
            "records.sinks.b.url_env",
            f"the URL in the environment variable WRONG {NOT_POSTGRESQL}",
        ),
        (
            "records.sinks.c.url",
            "needs the environment variable AWS_SECRET_ACCESS_KEY too, which is not set",
        ),
        (
            "records.sinks.d.url",
            "the URL holds a password; put it into a secret_file, or the whole URL into url_env",
        ),
        (
            "records.sinks.e.secret_file",
            "is of no use: a directory needs no secrets; leave it out",
        ),
        ("records.sinks.f.secret_file", "/nowhere cannot be read: No such file or directory"),
        ("records.sinks.h", "is the same place as records.sinks.g; one is enough"),
    ] == found


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        ('password = "hunter2"', 0o640, "PATH can be used by others; make it yours alone: chmod 600 PATH"),
        ("hunter2", 0o600, 'PATH is not TOML; it must have lines such as password = "..."'),
        ('pasword = "hunter2"', 0o600, 'PATH: "pasword" is not a known key; did you mean password?'),
        ("password = 5", 0o600, "PATH: password must be text in quotes, and not empty"),
        ('password = ""', 0o600, "PATH: password must be text in quotes, and not empty"),
        ("# later", 0o600, "PATH: password is missing"),
        ("", 0o600, "PATH must hold 1 to 16384 bytes, it holds 0"),
    ],
)
def test_wrong_file_of_secrets(tmp_path: Path, text: str, mode: int, sentence: str) -> None:
    """A file of secrets that others can read, or that does not hold what is needed, is told without its content."""
    path = secret_file(tmp_path, text, mode)
    sink = SinkSettings(url="postgresql://me@host/db", secret_file=path)
    assert [("records.sinks.x.secret_file", sentence.replace("PATH", path))] == faults_of(
        settings_of(x=sink), {}
    )


def test_half_of_the_keys_in_the_file(tmp_path: Path) -> None:
    """S3 needs both keys in one place."""
    path = secret_file(tmp_path, 'access_key_id = "AKIA"')
    sink = SinkSettings(url="delta+s3://bucket/x", secret_file=path)
    assert [("records.sinks.x.secret_file", f"{path}: secret_access_key is missing")] == faults_of(
        settings_of(x=sink), KEYS
    )


def test_options_of_s3(tmp_path: Path) -> None:
    """Keys come from the file where there is one, else from the environment."""
    environment = {**KEYS, "AWS_SESSION_TOKEN": "token", "AWS_DEFAULT_REGION": "eu-west-1"}
    one = place_of_url("delta+s3://bucket/x?endpoint=http://host:9000", "x")
    assert {
        **environment,
        "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://host:9000",
    }.items() - {("AWS_DEFAULT_REGION", "eu-west-1")} == options_of(one, environment).items()
    path = secret_file(tmp_path, 'access_key_id = "other"\nsecret_access_key = "more"')
    other = place_of_url("delta+s3://bucket/x?region=eu-central-1", "x", secret_file=path)
    assert {
        "AWS_ACCESS_KEY_ID": "other",
        "AWS_SECRET_ACCESS_KEY": "more",
        "AWS_REGION": "eu-central-1",
    } == options_of(other, environment)
    assert {"AWS_REGION": "us-east-1"} == options_of(place_of_url("delta+s3://bucket/x", "x"), {})


def options_of(place: SinkPlace, environment: dict[str, str]) -> dict[str, str]:
    return places._options(place, places.locate(place.url), environment)


def test_secrets_are_read_anew(tmp_path: Path) -> None:
    """With each connection the file is read again; one that went wrong refuses, without a secret."""
    path = secret_file(tmp_path, f'password = "{PASSWORD}"')
    place = place_of_url("postgresql://me:old@host/db", "x", secret_file=path)
    location = places.locate(place.url)
    assert PASSWORD in places._conninfo(place, location)
    secret_file(tmp_path, 'password = "next"')
    assert "next" in places._conninfo(place, location)
    secret_file(tmp_path, f'pass = "{PASSWORD}"')
    with pytest.raises(SinkRefusedError) as caught:
        places._conninfo(place, location)
    assert (
        f'PostgreSQL at host, port 5432, database db: secret_file: {path}: "pass" is not a known key; did you mean '
        "password?"
    ) == str(caught.value)


def test_wrong_url_names_who_gave_it() -> None:
    """A wrong URL is told under the name of the option that it came from."""
    with pytest.raises(UsageError) as usage:
        place_of_url("s3://bucket", "x")
    assert '--sink: the URL has the scheme "s3"; did you mean delta+s3://BUCKET/PREFIX?' == str(usage.value)


def test_check_of_object_storage(object_store: ObjectStore) -> None:
    """A place that a URL and variables name can be used; a bucket that is not there is refused, without the keys."""
    environment = {
        "AWS_ACCESS_KEY_ID": object_store.access_key_id,
        "AWS_SECRET_ACCESS_KEY": object_store.secret,
    }
    options = f"?region={object_store.region}&endpoint={object_store.endpoint}"
    assert check_place(place_of_url(f"delta+{object_store.root}{options}", "x"), environment) is None
    error = check_place(place_of_url(f"delta+s3://no-such-bucket/x{options}", "x"), environment)
    assert isinstance(error, SinkRefusedError)
    assert object_store.secret not in str(error)
    assert [] == object_store.keys()


def test_check_of_a_directory(tmp_path: Path) -> None:
    """One that can be made is fine, and is not made by looking at it."""
    assert check_place(place_of_url(f"delta+file://{tmp_path}/records", "x"), {}) is None
    assert [] == list(tmp_path.iterdir())


def test_check_of_a_server_that_is_away(tmp_path: Path) -> None:
    """It is told by its address, without the password of the file; a file that went wrong refuses."""
    path = secret_file(tmp_path, f'password = "{PASSWORD}"')
    place = place_of_url("postgresql://me@127.0.0.1:1/db", "x", secret_file=path)
    error = check_place(place, {})
    assert isinstance(error, SinkUnavailableError)
    assert "PostgreSQL at 127.0.0.1, port 1, database db" in str(error)
    assert PASSWORD not in str(error)
    secret_file(tmp_path, f'password = "{PASSWORD}"', 0o644)
    error = check_place(place, {})
    assert isinstance(error, SinkRefusedError)
    assert "chmod 600" in str(error)
