"""HTTP over ``requests``: one worker thread with a queue in front, every request answered exactly once.

Imports this package only. ``submit`` and ``close`` come from any thread; replies are given on the worker thread (those
refused at the end on the closing one). Whatever goes wrong is an answer with status 0, never an exception.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable

import requests

from livestack.transports.base import HttpRequest, HttpResponse
from livestack.transports.clock import Clock

BODY_BYTES_MAX = 64 << 20
"""The whole exchangeInfo of a large venue is below 20 MiB; more is not an answer to anything we ask."""

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
"""Longest silence inside an answer."""

TOTAL_TIMEOUT_S = 30.0
"""An answer that drips is given up after this."""

CLOSE_TIMEOUT_S = 1.0
"""How long ``close`` waits for a request that is under way; the thread is a daemon and ends by itself."""

_READ_BYTES = 1 << 16
_QUERY = re.compile(r"\?\S*")

Reply = Callable[[HttpResponse], None]


class RequestsTransport:
    """Performs requests one after the other, over kept-alive connections. ``name`` is the worker thread's."""

    def __init__(
        self,
        clock: Clock,
        *,
        name: str = "http",
        timeouts_s: tuple[float, float] = (CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
        total_timeout_s: float = TOTAL_TIMEOUT_S,
        body_bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        self._clock = clock
        self._timeouts_s = timeouts_s
        self._total_timeout_ns = int(total_timeout_s * 1e9)
        self._body_bytes_max = body_bytes_max
        self._queue: queue.SimpleQueue[tuple[HttpRequest, Reply] | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc: the same way as the WebSockets take
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, request: HttpRequest, reply: Reply) -> None:
        """Queue ``request``; ``reply`` gets its answer, in the order of submission."""
        with self._closing:
            if not self._closed:
                self._queue.put((request, reply))
                return
        reply(self._failed("closed", self._clock.now_ns()))

    def close(self) -> None:
        """End the worker; what is still queued is answered with status 0. Idempotent."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        with self._session:
            while (item := self._queue.get()) is not None:
                request, reply = item
                reply(
                    self._failed("closed", self._clock.now_ns()) if self._closed else self._perform(request)
                )

    def _perform(self, request: HttpRequest) -> HttpResponse:
        begun_ns = self._clock.now_ns()
        try:
            with self._session.request(
                request.method,
                request.url,
                headers=dict(request.headers),
                timeout=self._timeouts_s,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = self._body(response, begun_ns)
                headers = tuple((name.lower(), value) for name, value in response.headers.items())
                return HttpResponse(response.status_code, headers, body, "", begun_ns, self._clock.now_ns())
        except Exception as error:  # noqa: BLE001 - whatever a peer can provoke in there: the outcome is unknown
            return self._failed(_cause(error, request), begun_ns)

    def _body(self, response: requests.Response, begun_ns: int) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while chunk := response.raw.read1(_READ_BYTES, decode_content=True):
            chunks.append(chunk)
            size += len(chunk)
            if size > self._body_bytes_max:
                raise ValueError(f"body of more than {self._body_bytes_max} bytes")
            if self._clock.now_ns() - begun_ns > self._total_timeout_ns:
                raise TimeoutError("the answer drips")
        return b"".join(chunks)

    def _failed(self, error: str, begun_ns: int) -> HttpResponse:
        return HttpResponse(0, (), b"", error, begun_ns, self._clock.now_ns())


def _cause(error: BaseException, request: HttpRequest) -> str:
    """What really went wrong, below what the libraries wrapped around it: what is on top holds the whole address."""
    deepest = error
    while True:
        if isinstance(deepest, OSError) and deepest.errno is not None and deepest.strerror:
            return deepest.strerror
        reason = next((getattr(argument, "reason", None) for argument in deepest.args), None)
        below = reason if isinstance(reason, BaseException) else deepest.__cause__ or deepest.__context__
        if below is None:
            return f"{type(error).__name__}: {_without(str(deepest), request)}"
        deepest = below


def _without(text: str, request: HttpRequest) -> str:
    """``text`` without any query, which may be signed, and without what the headers say, which may be a key."""
    for _, value in request.headers:
        if value.strip():
            text = text.replace(value.strip(), "***")
    return _QUERY.sub("?...", text)
