"""By the source: an order leaves in one place, and can be made in one place, whatever else a venue is asked for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from livestack.venues.binance_spot.routes import ORDERS, QUESTIONS
from tests.test_tidy import MODULES, PACKAGE, tree_of

ORDER_METHODS = {"order.place", "order.cancel", "order.cancelReplace", "order.amend.keepPriority"}
"""What the venue's WebSocket API calls a New, a Cancel and the two ways of a Replace."""

OTHER_ORDER_METHODS = ("order.test", "orderList.", "sor.order.")
"""Further methods of the venue that place orders: nobody uses them."""

ORDER_PATHS = ("/api/v3/order", "/api/v3/orderList", "/api/v3/sor")
"""REST paths at which orders can be placed; ``/api/v3/openOrders`` lists or cancels."""

ROUTES = "venues/binance_spot/routes.py"
"""Where the REST twin of each method stands, and what each weighs."""

SENDING = {
    "actors/connector.py": {"ConnectorActor._write"},
    "actors/feed_reader.py": {"FeedReader._perform"},
}
"""Where a venue's connection is written to: the gate's inside, and a public stream's subscriptions."""

KEEPING = {"actors/sockets.py"}
"""Who opens and closes connections for the connector, and writes nothing."""

HOST = ("actors", "node", "cli", "lease", "journal", "control", "strategies", "core", "research", "telemetry")


def modules(*packages: str) -> list[Path]:
    found = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] in packages]
    return [
        *found,
        *(path for path in MODULES if len(path.relative_to(PACKAGE).parts) == 1 and "" in packages),
    ]


def name_in(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Every outermost function with its class's name; what stands outside of them as ``''``."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                is_function = isinstance(inner, ast.FunctionDef)
                yield (f"{node.name}.{inner.name}" if is_function else node.name), inner  # type: ignore[attr-defined]
        else:
            yield "", node


def calls(tree: ast.Module, method: str) -> Iterator[tuple[str, ast.Call]]:
    """Calls of a method of that name, with the function around each."""
    for name, function in functions(tree):
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Attribute(attr=attribute)) if attribute == method:
                    yield name, node


def texts(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Every text that is no docstring, with the function around it."""
    for name, function in functions(tree):
        docstrings = {id(node.value) for node in ast.walk(function) if isinstance(node, ast.Expr)}
        for node in ast.walk(function):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield name, node.value


def imported(tree: ast.Module) -> set[str]:
    """Names of modules that are imported, and of what is taken from them."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_a_connection_is_written_to_in_two_places() -> None:
    """``send`` of a connection: behind the gate, and for public subscriptions; sockets of the control surface and
    datagrams of telemetry, which knows no connection, aside."""
    found = {
        name_in(path): {name for name, _ in calls(tree_of(path), "send")}
        for path in modules(*HOST, "venues", "")
        if path.relative_to(PACKAGE).parts[0] not in ("control", "telemetry")
    }
    assert {"TelemetryActor._send"} == found.pop("actors/telemetry.py")
    assert {name: set() for name in found} | SENDING == found


def test_only_who_may_send_gets_a_connection() -> None:
    """Connections are made by the two actors that keep them, out of transports that the composition gives them."""
    makers = {
        name_in(path)
        for path in modules(*HOST, "venues", "")
        if "livestack.transports.websocket" in imported(tree_of(path))
    }
    assert {"node/app.py"} == makers
    holders = {
        name_in(path)
        for path in modules(*HOST, "venues", "")
        if "livestack.transports.base.Connection" in imported(tree_of(path))
    }
    assert set(SENDING) - {"actors/connector.py"} | KEEPING == holders


def test_only_the_connector_gets_what_writes_plain_requests() -> None:
    """The transport by which an order leaves without a connection: made in one place, given to one actor."""
    makers, holders = set(), set()
    for path in modules(*HOST, "venues", ""):
        names = imported(tree_of(path))
        if "livestack.transports.request_sender" in names:
            makers.add(name_in(path))
        if "livestack.transports.base.RequestTransport" in names:
            holders.add(name_in(path))
    assert {"node/app.py"} == makers
    assert {"actors/connector.py", "node/composition.py"} == holders
    composition = tree_of(PACKAGE / "node/composition.py")
    users = [name for name, function in functions(composition) if "_seams.requests" in ast.unparse(function)]
    assert ["Node._start_connector"] == users


def test_the_write_is_inside_the_gate() -> None:
    """Both ``send`` of the connector, of a frame and of a plain request, stand in a ``with ... passage(...)``."""
    sends = [node for _, node in calls(tree_of(PACKAGE / "actors/connector.py"), "send")]
    write = next(
        node for name, node in functions(tree_of(PACKAGE / "actors/connector.py")) if name.endswith("._write")
    )
    inside = [
        inner.lineno
        for block in ast.walk(write)
        if isinstance(block, ast.With)
        and any("passage" in ast.unparse(item.context_expr) for item in block.items)
        for inner in ast.walk(block)
        if isinstance(inner, ast.Call)
    ]
    assert ["connection.send", "self._requests.send"] == sorted(ast.unparse(send.func) for send in sends)
    assert {send.lineno for send in sends} <= set(inside)


def test_what_the_host_asks_by_itself_reads_or_cancels() -> None:
    """A GET goes to the transport for questions, a DELETE through the gate, any other verb nowhere."""
    (go,) = [
        node
        for name, node in functions(tree_of(PACKAGE / "actors/connector.py"))
        if name == "ConnectorActor._go"
    ]
    ways = {
        ast.unparse(case.pattern): ast.unparse(ast.Module(case.body, []))
        for node in ast.walk(go)
        if isinstance(node, ast.Match)
        for case in node.cases
        if "Fetch" in ast.unparse(case.pattern)
    }
    assert ["Fetch(method='GET')", "Fetch(method='DELETE')", "Fetch()"] == list(ways)
    assert [True, False, False] == ["submit" in way for way in ways.values()]
    assert ["self._reductions.hold(item, self._clock.now_ns())"] == [ways["Fetch(method='DELETE')"]]
    writers = {name for name, _ in calls(tree_of(PACKAGE / "actors/connector.py"), "_write")}
    assert {"ConnectorActor._dispatch", "ConnectorActor._go", "ConnectorActor._reduce"} == writers


def test_only_a_committed_dispatch_is_encoded() -> None:
    """``encode`` of an adapter is called by ``_dispatch`` alone, with the request of a ``CommittedDispatch``."""
    found = {
        (name_in(path), name)
        for path in modules("actors", "node", "venues")
        for name, call in calls(tree_of(path), "encode")
        if "adapter" in ast.unparse(call.func)
    }
    assert {("actors/connector.py", "ConnectorActor._dispatch")} == found
    (dispatch,) = [
        node
        for name, node in functions(tree_of(PACKAGE / "actors/connector.py"))
        if name == "ConnectorActor._dispatch"
    ]
    assert isinstance(dispatch, ast.FunctionDef)
    annotation = dispatch.args.args[1].annotation
    assert annotation is not None
    assert "CommittedDispatch" == ast.unparse(annotation)


def test_an_order_is_put_into_words_in_one_function() -> None:
    """The venue's names for New, Replace and Cancel are texts of ``order_call``, which ``encode`` alone calls.

    ``calls`` reads one of them back; the table of routes says which REST request each is.
    """
    words = {
        (name_in(path), name, text)
        for path in modules("venues")
        for name, text in texts(tree_of(path))
        if text in ORDER_METHODS or text.startswith(OTHER_ORDER_METHODS)
    }
    assert {text for name, _, text in words if name == ROUTES} == ORDER_METHODS
    made = {one for one in words if one[0] not in ("venues/binance_spot/calls.py", ROUTES)}
    assert {("venues/binance_spot/requests.py", "order_call", one) for one in ORDER_METHODS} == made
    callers = {
        (name_in(path), name)
        for path in modules(*HOST, "venues")
        for name, function in functions(tree_of(path))
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "order_call"
    }
    assert {("venues/binance_spot/order_entry.py", "BinanceOrderEntry.encode")} == callers


def test_what_reads_a_methods_name_back_compares_it_only() -> None:
    """In ``calls`` the name stands behind ``==``."""
    tree = tree_of(PACKAGE / "venues/binance_spot/calls.py")
    compared = {
        id(one) for node in ast.walk(tree) if isinstance(node, ast.Compare) for one in node.comparators
    }
    found = [
        node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in ORDER_METHODS
    ]
    assert all(id(node) in compared for node in found)


@pytest.mark.parametrize("path", modules("venues", "node", "actors"), ids=name_in)
def test_no_rest_path_places_an_order(path: Path) -> None:
    """What goes over REST reads, or cancels by the symbol; but for the routes of dispatches."""
    found = [text for _, text in texts(tree_of(path)) if text.partition("?")[0].startswith(ORDER_PATHS)]
    assert (name_in(path) == ROUTES) is bool(found)


def test_the_routes_of_orders_are_read_for_a_dispatch_alone() -> None:
    """POST and PUT stand in one table, which ``dispatch`` reads; ``dispatch`` is called by ``encode``."""
    readers, callers, holders = set(), set(), set()
    for path in modules(*HOST, "venues"):
        has_table = "livestack.venues.binance_spot.routes.ORDERS" in imported(tree_of(path))
        holders |= {name_in(path)} if has_table else set()
        for name, function in functions(tree_of(path)):
            for node in ast.walk(function):
                is_own = isinstance(node, ast.Name) and node.id == "ORDERS" and isinstance(node.ctx, ast.Load)
                if (is_own and has_table) or (isinstance(node, ast.Attribute) and node.attr == "ORDERS"):
                    readers.add((name_in(path), name))
        callers |= {(name_in(path), name) for name, _ in calls(tree_of(path), "dispatch")}
    assert {"venues/binance_spot/calls.py"} == holders
    assert {("venues/binance_spot/calls.py", "Calls.dispatch")} == readers
    assert {("venues/binance_spot/order_entry.py", "BinanceOrderEntry.encode")} == callers
    assert {"GET"} == {verb for method, (verb, _) in QUESTIONS.items() if method != "openOrders.cancelAll"}
    assert {"POST", "PUT", "DELETE"} == {verb for verb, _ in ORDERS.values()}


@pytest.mark.parametrize("path", modules("venues"), ids=name_in)
def test_rest_is_used_to_read_and_to_cancel(path: Path) -> None:
    """Every ``Fetch`` that a venue's module builds is a GET, a DELETE of the last resort, or by a route's verb."""
    methods = {
        ast.literal_eval(node.args[1])
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Fetch"
        and isinstance(node.args[1], ast.Constant)
    }
    allowed = {"GET"}
    if name_in(path) == "venues/binance_spot/last_resort.py":
        signed = {
            call.args[0].value
            for _, call in calls(tree_of(path), "_signed")
            if isinstance(call.args[0], ast.Constant)
        }
        assert {"GET", "DELETE"} == signed
    assert methods <= allowed
    verbs = {"POST", "PUT", "PATCH"} & {text for _, text in texts(tree_of(path))}
    assert ({"POST", "PUT"} if name_in(path) == ROUTES else set()) == verbs


def test_the_rest_transport_gets_nothing_but_what_a_venue_built() -> None:
    """``submit`` is called in four places; a request is made in two, each with the method of a ``Fetch``."""
    submitted, made = {}, set()
    for path in modules("actors", "node", "cli", "venues", ""):
        for name, call in calls(tree_of(path), "submit"):
            submitted[name_in(path), name] = ast.unparse(call.args[0])
        for name, function in functions(tree_of(path)):
            for node in ast.walk(function):
                match node:
                    case ast.Call(func=ast.Name(id="HttpRequest"), args=[method, *_]):
                        made.add((name_in(path), name, ast.unparse(method)))
    assert {
        ("actors/connector.py", "ConnectorActor._go"): "as_http(self._rest_url, item)",
        ("actors/feed_reader.py", "FeedReader._fetch"): "as_http(self._rest_url, fetch)",
        ("node/venue_parts.py", "ask"): "as_http(rest_url, fetch)",
        ("node/sweep.py", "Sweep._perform"): "HttpRequest(fetch.method, url, fetch.headers)",
    } == submitted
    assert {
        ("actors/fetching.py", "as_http", "fetch.method"),
        ("node/sweep.py", "Sweep._perform", "fetch.method"),
    } == made


@pytest.mark.parametrize("path", modules("actors", "node", "cli", "control", ""), ids=name_in)
def test_the_host_knows_no_venues_words(path: Path) -> None:
    """No method's name of any venue outside of its own package."""
    assert set() == {text for _, text in texts(tree_of(path))} & ORDER_METHODS


def test_no_type_is_described_at_its_first_use() -> None:
    """msgspec describes a type to itself when it first meets it, and two threads that do so at once crash the
    interpreter: what a node decodes on its threads has a decoder that was made while its module was loaded."""
    found = []
    for package in ("actors", "control", "journal", "lease", "node", "transports", "venues"):
        for path in sorted((PACKAGE / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                names = {keyword.arg for keyword in node.keywords}
                if node.func.attr in ("decode", "convert") and "type" in names:
                    found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert [] == found
