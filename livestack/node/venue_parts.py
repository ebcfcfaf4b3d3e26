"""What is asked of a venue before there is a session: its instruments. Main thread."""

from __future__ import annotations

import queue
from collections.abc import Mapping

from livestack.actors.feed import as_fetched
from livestack.exceptions import UnreachableError, UsageError
from livestack.node.adapters import ADAPTERS
from livestack.node.composition import Seams, VenueParts
from livestack.transports.base import HttpRequest, HttpResponse, HttpTransport
from livestack.venue_settings import VenueSettings, read_credentials
from livestack.venues.adapter import Credentials

INSTRUMENTS_TIMEOUT_S = 30.0
"""A venue that does not describe its instruments by then is not reachable."""


def venue_parts(
    venue: str, settings: VenueSettings, seams: Seams, environment: Mapping[str, str]
) -> VenueParts:
    """Ask ``venue`` for its instruments; UnreachableError with address and cause where it does not answer."""
    key = read_credentials(venue, settings, environment)
    credentials = Credentials(key.api_key, key.kind, key.secret.reveal())
    module = ADAPTERS[settings.adapter](settings)
    fetch = module.instruments_fetch(settings.symbols)
    url = f"{settings.rest_url}{fetch.path}?{fetch.query}"
    http = seams.http(f"start {venue}")
    try:
        response = _ask(http, HttpRequest(fetch.method, url, fetch.headers))
    finally:
        http.close()
    if response is None:
        raise UnreachableError(f"venue {venue} at {settings.rest_url}", "no answer in time")
    if response.status not in (200, 400):  # 400 is an answer: it says what is wrong with the question
        cause = response.error or f"HTTP status {response.status}"
        raise UnreachableError(f"venue {venue} at {settings.rest_url}", cause)
    try:
        instruments = module.parse_instruments(venue, settings.symbols, as_fetched(fetch.fetch_id, response))
    except ValueError as error:
        raise UsageError(f"venues.{venue}.symbols: {error}") from error
    return VenueParts(module, settings, credentials, tuple(instruments))


def _ask(http: HttpTransport, request: HttpRequest) -> HttpResponse | None:
    answers: queue.SimpleQueue[HttpResponse] = queue.SimpleQueue()
    http.submit(request, answers.put)
    try:
        return answers.get(timeout=INSTRUMENTS_TIMEOUT_S)
    except queue.Empty:
        return None
