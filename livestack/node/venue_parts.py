"""What is asked of a venue before there is a session: its instruments, and what our key may do. Main thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping

from livestack.actors.fetching import as_fetched, as_http
from livestack.credentials import read_credentials
from livestack.exceptions import UnreachableError, UsageError
from livestack.node.adapters import ADAPTERS
from livestack.node.composition import Seams, VenueParts
from livestack.node.key_rights import check_key
from livestack.transports.base import HttpResponse, HttpTransport
from livestack.venue_settings import VenueSettings
from livestack.venues.adapter import Credentials, Fetch, Fetched
from livestack.venues.budget import RequestBudget

ANSWER_TIMEOUT_S = 30.0
"""A venue that does not answer by then is not reachable."""


def venue_parts(
    venue: str, settings: VenueSettings, seams: Seams, environment: Mapping[str, str]
) -> VenueParts:
    """Ask ``venue`` for its instruments and for the rights of the key.

    UnreachableError with address and cause where it does not answer; UsageError where it knows a symbol not, or where
    the key is not one to trade with.
    """
    key = read_credentials(venue, settings.key_place, environment)
    credentials = Credentials(key.api_key, key.kind, key.secret.reveal())
    module = ADAPTERS[settings.adapter](settings)
    budget = RequestBudget(lock=threading.Lock())
    http = seams.http(f"start {venue}")
    try:
        answer = ask(http, settings.rest_url, module.instruments_fetch(settings.symbols))
        if answer.status not in (200, 400):  # 400 is an answer: it says what is wrong with the question
            cause = answer.error or f"HTTP status {answer.status}"
            raise UnreachableError(f"venue {venue} at {settings.rest_url}", cause)
        try:
            instruments = module.parse_instruments(venue, settings.symbols, answer)
        except ValueError as error:
            raise UsageError(f"venues.{venue}.symbols: {error}") from error
        limits = module.read_limits(venue, answer, budget)
        check_key(
            venue,
            settings,
            module,
            credentials,
            lambda fetch: ask(http, settings.rest_url, fetch),
            seams.clock.wall_ns,
        )
    finally:
        http.close()
    return VenueParts(module, settings, credentials, tuple(instruments), tuple(limits), budget)


def ask(http: HttpTransport, rest_url: str, fetch: Fetch) -> Fetched:
    """The venue's answer; without one in time, status 0."""
    answers: queue.SimpleQueue[HttpResponse] = queue.SimpleQueue()
    http.submit(as_http(rest_url, fetch), answers.put)
    try:
        response = answers.get(timeout=ANSWER_TIMEOUT_S)
    except queue.Empty:
        response = HttpResponse(0, (), b"", "no answer in time", 0, 0)
    return as_fetched(fetch.fetch_id, response)
