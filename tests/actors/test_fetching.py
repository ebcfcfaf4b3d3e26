"""A venue adapter's request as the transport's, and the answer back."""

from __future__ import annotations

from livestack.actors.fetching import as_fetched, as_http
from livestack.transports.base import HttpRequest, HttpResponse
from livestack.venues.adapter import Fetch, Fetched

HEADERS = (("X-Key", "k"),)


def test_a_fetch_goes_below_the_venues_address() -> None:
    """With its query, where it has one."""
    asked = Fetch(7, "GET", "/depth", "symbol=S", HEADERS, "snapshot")
    assert HttpRequest("GET", "http://venue/depth?symbol=S", HEADERS) == as_http("http://venue", asked)
    plain = Fetch(7, "GET", "/time", "", (), "time")
    assert HttpRequest("GET", "http://venue/time", ()) == as_http("http://venue", plain)


def test_an_answer_has_the_number_of_what_was_asked() -> None:
    """Everything else as it came."""
    response = HttpResponse(200, HEADERS, b"{}", "", 1, 2)
    assert Fetched(7, 200, HEADERS, b"{}", "", 1, 2) == as_fetched(7, response)
