"""Order requests over the simulated REST: written at once, on their way like any other request, answered once."""

from __future__ import annotations

from collections.abc import Callable

from livestack.transports.base import HttpRequest, HttpResponse
from tests.simulation.network import SimulatedNetwork


class SimulatedRequests:
    """Implements :class:`~livestack.transports.base.RequestTransport`; what a write means is the network's affair."""

    def __init__(self, network: SimulatedNetwork) -> None:
        self._http = network.http("requests")
        self.written: list[HttpRequest] = []

    def keep(self, url: str) -> None:
        """There is always a connection."""

    def send(
        self, request: HttpRequest, reply: Callable[[HttpResponse], None], *, reduces: bool = False
    ) -> None:
        self.written.append(request)
        self._http.submit(request, reply)

    def shut(self) -> None:
        """Nothing is ever half written."""

    def close(self) -> None:
        """Nothing to end."""
