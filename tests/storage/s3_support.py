"""An S3-compatible server for tests, and a line to it that can be cut.

A server of its own on the loopback device, in a process of its own: some calls of the library let no other thread run.
With ``LIVESTACK_TEST_S3_URL`` (``delta+s3://bucket/prefix?endpoint=...``) and the usual ``AWS_*`` variables the same
tests use the server that is named there, each below a prefix of its own.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import selectors
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import requests
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import FileSelector, FileType

PROGRAM = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(*server.get_host_and_port(), flush=True)
sys.stdin.read()
server.stop()
"""

SECRET = "q7f/Not+For+Logs/0123456789abcdef"


class ObjectStore(NamedTuple):
    """A place in a bucket, and how to get in. ``own``: the server is ours and checks keys only when told to."""

    endpoint: str
    region: str
    access_key_id: str
    secret: str
    bucket: str
    prefix: str
    own: bool

    @property
    def root(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def options(self) -> dict[str, str]:
        """As a :class:`DeltaSink` is given them, with limits of time that a test can wait for."""
        return {
            "aws_endpoint": self.endpoint,
            "aws_region": self.region,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret,
            "timeout": "5s",
            "connect_timeout": "2s",
            "max_retries": "1",
            "retry_timeout": "5s",
        }

    def files(self) -> DeltaStorageHandler:
        """All objects of this place by their names."""
        return DeltaStorageHandler(self.root, {**self.options(), "allow_http": "true"})

    def keys(self, below: str = "") -> list[str]:
        """Names of all objects below ``below``."""
        selector = FileSelector(below, allow_not_found=True, recursive=True)
        return [
            one.path for one in self.files().get_file_info_selector(selector) if one.type == FileType.File
        ]

    def get(self, key: str) -> bytes:
        with self.files().open_input_file(key) as file:
            body: bytes = file.read()
        return body

    def copy_of(self, other: ObjectStore) -> None:
        """Take every object of ``other``, under the same name; on a server that is not ours, nothing."""
        for key in other.keys() if self.own else []:
            url = f"{self.endpoint}/{self.bucket}/{self.prefix}/{key}"
            requests.put(url, data=other.get(key), timeout=5).raise_for_status()

    @contextlib.contextmanager
    def checks_keys(self) -> Iterator[None]:
        """Inside, only keys that the server knows are let in."""
        if self.own:
            self._let_in("0")
        try:
            yield
        finally:
            if self.own:
                self._let_in("inf")

    def _let_in(self, requests_without_key: str) -> None:
        requests.post(f"{self.endpoint}/moto-api/reset-auth", data=requests_without_key.encode(), timeout=5)


@contextlib.contextmanager
def object_store_server() -> Iterator[str]:
    """Address of a server; "" where the environment names one."""
    if "LIVESTACK_TEST_S3_URL" in os.environ:
        yield ""
        return
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        host, port = process.stdout.readline().split()
        try:
            yield f"http://{host}:{port}"
        finally:
            process.stdin.close()
            process.wait(timeout=30)


def new_place(server: str) -> ObjectStore:
    """An empty place for one test: a bucket of its own, or a prefix of its own in the one that is given."""
    unique = f"test-{secrets.token_hex(6)}"
    if server:
        place = ObjectStore(server, "us-east-1", "known-to-nobody", SECRET, unique, "records", own=True)
        requests.put(f"{server}/{unique}", timeout=5).raise_for_status()
        return place
    url = urlsplit(os.environ["LIVESTACK_TEST_S3_URL"])
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    return ObjectStore(
        query["endpoint"],
        query.get("region", os.environ.get("AWS_REGION", "us-east-1")),
        os.environ["AWS_ACCESS_KEY_ID"],
        os.environ["AWS_SECRET_ACCESS_KEY"],
        url.netloc,
        f"{url.path.strip('/')}/{unique}".strip("/"),
        own=False,
    )


class Line:
    """A line to ``endpoint`` on a port of its own: it carries, is cut (refused), or takes all and says nothing."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        assert parts.hostname is not None
        self._target = (parts.hostname, parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = self._listener.getsockname()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._silent = False
        self._serve()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._address[1]}"

    def cut(self) -> None:
        """End what is open and refuse what comes."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
        self._threads.clear()

    def silence(self) -> None:
        """Take connections and what they say, answer nothing."""
        self.cut()
        self._silent = True
        self._listener = socket.create_server(self._address)
        self._serve()

    def restore(self) -> None:
        self._silent = False
        self._listener = socket.create_server(self._address)
        self._serve()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.cut()

    def _serve(self) -> None:
        self._start(self._accept, self._listener)

    def _start(self, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self._open.add(near)
            self._start(self._swallow if self._silent else self._carry, near)

    def _swallow(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            while near.recv(65536):
                pass
        self._open.discard(near)

    def _carry(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far, selectors.DefaultSelector() as selector:
            selector.register(near, selectors.EVENT_READ, far)
            selector.register(far, selectors.EVENT_READ, near)
            self._open.add(far)
            with contextlib.suppress(OSError):
                while all(self._pass_on(key.fileobj, key.data) for key, _ in selector.select()):
                    pass
        self._open -= {near, far}

    @staticmethod
    def _pass_on(source: Any, target: socket.socket) -> bool:
        data = source.recv(65536)
        if data:
            target.sendall(data)
        return bool(data)
