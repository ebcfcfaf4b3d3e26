"""The house rules that a machine can check: sizes, docstrings, exactness of the core, tests that mirror the package."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "livestack"

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
README_LINES_MAX = 120

PURE = ("core", "strategies", "wire", "venues")
"""Packages whose outcome must not depend on anything but their input."""

# Modules without a test module of their own, each with its reason.
TESTED_ELSEWHERE = {
    "core/control_events.py": "declarations; every test of the core uses them",
    "core/events.py": "declarations; every test of the core uses them",
    "core/execution_events.py": "declarations; every test of the core uses them",
    "core/market_events.py": "declarations; every test of the core uses them",
    "core/intents.py": "declarations; every test of risk and execution control uses them",
    "core/obligations.py": "declarations; every test of the runtime uses them",
    "simulator/binance_spot/account_operations.py": "over real sockets: tests/venues/binance_spot and tests/live",
    "simulator/binance_spot/captured.py": "by a whole capture: tests/live/test_capture.py",
    "simulator/binance_spot/errors.py": "tests/simulator/binance_spot/test_filters.py",
    "simulator/binance_spot/exchange.py": "tests/simulator/binance_spot/test_venue.py",
    "simulator/binance_spot/feed.py": "tests/simulator/binance_spot/test_venue.py",
    "simulator/binance_spot/front.py": "tests/simulator/binance_spot/test_venue.py",
    "simulator/binance_spot/gatekeeper.py": "tests/simulator/binance_spot/test_signing.py",
    "simulator/binance_spot/instruments.py": "tests/simulator/binance_spot/test_filters.py",
    "simulator/binance_spot/limits.py": "tests/cli/test_venue.py, tests/venues",
    "simulator/binance_spot/market_operations.py": "over real sockets: tests/venues/binance_spot and tests/live",
    "simulator/binance_spot/numbers.py": "tests/simulator/binance_spot/test_filters.py",
    "simulator/binance_spot/operations.py": "tests/simulator/binance_spot/test_order_operations.py",
    "simulator/binance_spot/params.py": "tests/simulator/binance_spot/test_filters.py",
    "simulator/binance_spot/rest.py": "over real sockets: tests/venues/binance_spot and tests/live",
    "simulator/binance_spot/shapes.py": "tests/simulator/binance_spot/test_order_operations.py",
    "simulator/binance_spot/streams.py": "tests/simulator/binance_spot/test_venue.py",
    "simulator/binance_spot/websocket_api.py": "tests/simulator/binance_spot/test_order_operations.py",
    "simulator/capture.py": "by a whole capture: tests/live/test_capture.py",
    "simulator/capture_files.py": "tests/live/test_capture.py; tests/cli/test_venue.py",
    "simulator/market.py": "an interface; tests/simulator/test_synthetic.py implements and drives it",
    "simulator/server.py": "over real sockets: tests/venues/binance_spot and tests/live",
    "research/replies.py": "tests/research/test_exchange.py reads every answer",
    "research/venue_rules.py": "tests/research/test_exchange.py breaks every rule",
    "actors/progress.py": "two counters; the tests of harness and recorder read them",
    "actors/messages.py": "declarations; every test of an actor uses them",
    "transports/base.py": "declarations; every transport's tests use them",
    "venues/adapter.py": "the contract; every adapter's tests use it",
}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if not path.stem.endswith("_pb2"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def functions_of(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_can_be_held_in_the_head(path: Path) -> None:
    """No module is longer than 400 lines, no function longer than 60."""
    assert MODULE_LINES_MAX >= len(path.read_text(encoding="utf-8").splitlines())
    too_long = {
        function.name: (function.end_lineno or 0) - function.lineno + 1
        for function in functions_of(tree_of(path))
    }
    assert {} == {name: lines for name, lines in too_long.items() if lines > FUNCTION_LINES_MAX}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_says_what_it_is(path: Path) -> None:
    """Every package and every module begins with a docstring."""
    assert (ast.get_docstring(tree_of(path)) or "").strip()


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_every_test_states_its_behaviour(path: Path) -> None:
    """Every test has a docstring, and nothing sleeps, skips itself or is expected to fail."""
    tree = tree_of(path)
    silent = [
        one.name for one in functions_of(tree) if one.name.startswith("test_") and not ast.get_docstring(one)
    ]
    assert [] == silent
    words = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert set() == words & {"sleep", "skip", "xfail", "importorskip"}


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.relative_to(PACKAGE).parts[0] in PURE], ids=name_of
)
def test_pure_module_is_exact(path: Path) -> None:
    """No float, no ``hash`` or ``id``, and no iteration over a set in what decides."""
    found = [f"line {line}: {what}" for line, what in inexact(tree_of(path))]
    assert [] == found


def inexact(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and kind of everything in ``tree`` whose outcome is not exact or not the same everywhere."""
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=float() | complex() as value):
                yield node.lineno, f"float literal {value}"
            case ast.Call(func=ast.Name(id="float" | "hash" | "id" | "round" as name)):
                yield node.lineno, f"{name}()"
            case ast.For(iter=iterated) | ast.AsyncFor(iter=iterated) | ast.comprehension(iter=iterated):
                if is_set(iterated):
                    yield iterated.lineno, "iteration over a set"
            case ast.Call(
                func=ast.Name(id="list" | "tuple" | "iter" | "next" | "enumerate"), args=[first, *_]
            ):
                if is_set(first):
                    yield node.lineno, "order of a set"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield node.lineno, "true division makes a float"


def is_set(node: ast.expr) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
            return is_set(left) or is_set(right)
    return False


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("x = 1.5", 1),
        ("x = 1 / 2", 1),
        ("x = float('1')", 1),
        ("for x in {1, 2}: pass", 1),
        ("[x for x in set(y)]", 1),
        ("tuple({x for x in y} | z)", 1),
        ("sorted({1, 2}); 3 in {1, 2}; x = 7 // 2", 0),
    ],
)
def test_the_check_of_exactness_works(code: str, count: int) -> None:
    """The check finds what it is for, and leaves alone what is exact."""
    assert count == len(list(inexact(ast.parse(code))))


def test_tests_mirror_the_package() -> None:
    """Every module with code has a test module at its place, or a reason in the list above."""
    missing = []
    for path in MODULES:
        name = path.relative_to(PACKAGE)
        has_code = any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree_of(path).body)
        if has_code and str(name) not in TESTED_ELSEWHERE:
            stem = name.parent.name if name.stem == "__init__" else name.stem
            parent = name.parent.parent if name.stem == "__init__" else name.parent
            if not (ROOT / "tests" / parent / f"test_{stem}.py").exists():
                missing.append(str(name))
    assert not missing, "without a test module:\n" + "\n".join(missing)


def test_the_list_of_exceptions_is_true() -> None:
    """Every module of the list exists and has no test module of its own."""
    for name in TESTED_ELSEWHERE:
        assert (PACKAGE / name).exists(), name
        assert not (ROOT / "tests" / Path(name).parent / f"test_{Path(name).name}").exists(), name


def imported_by(paths: list[Path]) -> set[str]:
    """Distributions that ``paths`` import, by their names in the package index."""
    names: set[str] = set()
    for path in paths:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add((node.module or "").partition(".")[0])
    known = packages_distributions()
    return {known[name][0].lower() for name in names - {"livestack"} if name in known}


def test_dependencies_are_listed_and_used() -> None:
    """What the package imports is in setup.cfg, nothing else is, and each has its reason in docs/dependencies.rst."""
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    required = {
        line.partition(">")[0].partition("[")[0]
        for line in settings["options"]["install_requires"].split()
        if line[0] != "#"
    }
    optional = {"keyring"}  # each an extra of the same name, imported where a setting asks for it
    assert imported_by(MODULES) == required | optional
    assert optional <= set(settings["options.extras_require"])
    extras = {
        line.partition(">")[0].partition("[")[0]
        for extra in settings["options.extras_require"].values()
        for line in extra.split()
    }
    assert imported_by(TESTS) <= required | extras
    reasons = (ROOT / "docs" / "dependencies.rst").read_text(encoding="utf-8")
    assert set() == {name for name in required | extras if f"\n{name} " not in reasons}


def shipped_files() -> list[Path]:
    """Every text file that is ours, as it would be in a fresh clone."""
    roots = ("livestack", "tests", "docs", "etc", "scripts", "benchmarks", "protos", ".ci")
    files = [path for root in roots for path in (ROOT / root).rglob("*") if path.is_file()]
    files += [path for path in ROOT.iterdir() if path.is_file() and path.name != "LICENSE"]
    ignored = {"__pycache__", "_build"}
    return sorted(path for path in files if not ignored & set(path.parts) and path.suffix != ".pyc")


def test_nothing_is_left_to_be_done() -> None:
    """No mark of unfinished work, and no path of the machine it was written on."""
    marks = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" * 3 + r"\b", "NotImplemented" + "Error")))
    machine = re.compile(r"(?<![\w.}/])/(work|root|home|Users)/\w")
    found = []
    for path in shipped_files():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if marks.search(line) or machine.search(line):
                found.append(f"{name_of(path)}:{number}: {line.strip()}")
    assert [] == found


def test_readme_is_short() -> None:
    """The README is read in two minutes."""
    assert README_LINES_MAX > len((ROOT / "README.rst").read_text(encoding="utf-8").splitlines())
