"""A venue adapter's :class:`Fetch` as a transport's request, and the transport's answer as the adapter's. Pure."""

from __future__ import annotations

from livestack.transports.base import HttpRequest, HttpResponse
from livestack.venues.adapter import Fetch, Fetched


def as_http(rest_url: str, fetch: Fetch) -> HttpRequest:
    """``fetch`` as a request below ``rest_url``."""
    query = f"?{fetch.query}" if fetch.query else ""
    return HttpRequest(fetch.method, f"{rest_url}{fetch.path}{query}", fetch.headers)


def as_fetched(fetch_id: int, response: HttpResponse) -> Fetched:
    """A transport's answer as the adapter's."""
    return Fetched(
        fetch_id,
        response.status,
        response.headers,
        response.body,
        response.error,
        response.begun_ns,
        response.recv_ns,
    )
