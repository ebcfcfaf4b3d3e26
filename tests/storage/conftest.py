"""Places for tests of the Delta sink: a directory, and a place in an S3-compatible server that is started once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from livestack import failpoints

if TYPE_CHECKING:
    from tests.storage.delta_support import HandTime, Place
    from tests.storage.s3_support import ObjectStore


@pytest.fixture(scope="session")
def object_store_address() -> Iterator[str]:
    from tests.storage.s3_support import object_store_server  # noqa: PLC0415 - other tests need not load it

    with object_store_server() as address:
        yield address


@pytest.fixture
def object_store(object_store_address: str) -> ObjectStore:
    from tests.storage.s3_support import new_place  # noqa: PLC0415 - as above

    return new_place(object_store_address)


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    from tests.storage.delta_support import Place  # noqa: PLC0415 - as above

    if request.param == "disk":
        return Place(tmp_path / "records", None)
    return Place(None, request.getfixturevalue("object_store"))


@pytest.fixture(scope="session")
def store_with_tables(object_store_address: str) -> ObjectStore:
    """Every table, empty: to be copied. Making them takes seconds where each request is one to a server."""
    from tests.storage.delta_support import Place  # noqa: PLC0415 - as above
    from tests.storage.s3_support import new_place  # noqa: PLC0415 - as above

    store = new_place(object_store_address)
    Place(None, store).opened().close()
    return store


@pytest.fixture
def own_tables(object_store: ObjectStore, store_with_tables: ObjectStore) -> ObjectStore:
    """A place of object storage with every table in it, empty; where a server is given, whoever opens makes them."""
    object_store.copy_of(store_with_tables)
    return object_store


@pytest.fixture(params=["disk", "s3"])
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place with every table in it, empty: for tests of what comes behind that."""
    from tests.storage.delta_support import Place  # noqa: PLC0415 - as above

    if request.param == "s3":
        return Place(None, request.getfixturevalue("own_tables"))
    place = Place(tmp_path / "records", None)
    place.opened().close()
    return place


@pytest.fixture
def disk(tmp_path: Path) -> Place:
    from tests.storage.delta_support import Place  # noqa: PLC0415 - as above

    return Place(tmp_path / "records", None)


@pytest.fixture
def clock() -> HandTime:
    from tests.storage.delta_support import HandTime  # noqa: PLC0415 - as above

    return HandTime()


@pytest.fixture
def armed() -> Iterator[None]:
    """Failpoints that the test arms are disarmed after it."""
    yield
    failpoints.disarm_all()
