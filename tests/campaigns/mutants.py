"""Mutants: what one is, and how a patch of the imported modules is made.

A mutant patches imported modules and is only ever applied in a forked child. Tables are changed in place; a function is
replaced wherever it is referred to; an ``edit`` recompiles a function with one piece of its text changed, and is an
error, not a survivor, once that text is no longer there.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple


class Mutant(NamedTuple):
    """``equivalent``: why no test can tell it from the original; such a mutant is listed and not run."""

    name: str
    tests: tuple[str, ...]
    apply: Callable[[], None]
    equivalent: str = ""


Change = tuple[str, Callable[..., Any], str, str]
"""Name of the mutant, the function, the piece of its text, and what is put in its place."""


class StaleMutant(Exception):  # noqa: N818 - the mutant is stale; nothing went wrong in the tests
    """The text that a mutant would change is not in the function, or is there more than once."""


def replaced(old: object, new: object) -> None:
    """Put ``new`` wherever a module, a class or a module's table of this project refers to ``old``.

    A reference that a test holds in a list of parameters is not found: such a test must look the function up.
    """
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] not in ("livestack", "tests") or module is None:
            continue
        for key, value in list(vars(module).items()):
            if value is old:
                setattr(module, key, new)
            elif isinstance(value, dict):
                for inner in [one for one, item in value.items() if item is old]:
                    value[inner] = new
            elif inspect.isclass(value) and value.__module__ == name:
                for attribute in [one for one, item in vars(value).items() if item is old]:
                    setattr(value, attribute, new)


class Edited:
    """A patch that recompiles ``function`` with ``before`` changed to ``after``."""

    def __init__(self, function: Callable[..., Any], before: str, after: str) -> None:
        self.function, self.before, self.after = function, before, after

    def text(self) -> str:
        """The function's text with the change in it; ``StaleMutant`` where it cannot be made."""
        source = textwrap.dedent(inspect.getsource(self.function))
        count = source.count(self.before)
        if count != 1:
            raise StaleMutant(f"{self.function.__qualname__} holds {count} times {self.before!r}")
        return source.replace(self.before, self.after)

    def __call__(self) -> None:
        made: dict[str, Any] = {}
        text = "from __future__ import annotations\n" + self.text()
        code = compile(text, f"<mutant of {self.function.__qualname__}>", "exec")
        exec(code, self.function.__globals__, made)
        replaced(self.function, made[self.function.__name__])


def edit(name: str, function: Callable[..., Any], before: str, after: str, tests: tuple[str, ...]) -> Mutant:
    return Mutant(name, tests, Edited(function, before, after))


def entry(table: dict[Any, Any], key: object, value: object) -> Callable[[], None]:
    """A patch of one entry of a table."""

    def apply() -> None:
        table[key] = value

    return apply


def cells(
    name: str, table: dict[Any, dict[Any, Any]], outcomes: Iterable[Any], tests: tuple[str, ...]
) -> list[Mutant]:
    """Each cell of a table of tables changed to the next other outcome."""
    known = list(outcomes)
    made = []
    for row, columns in table.items():
        for column, outcome in columns.items():
            other = known[(known.index(outcome) + 1) % len(known)]
            label = f"{name} {row.name} x {column.name}: {outcome.name} -> {other.name}"
            made.append(Mutant(label, tests, _cell(table, row, column, other)))
    return made


def _cell(
    table: dict[Any, dict[Any, Any]], row: object, column: object, outcome: object
) -> Callable[[], None]:
    def apply() -> None:
        table[row] = {**table[row], column: outcome}  # rows may share one dict

    return apply
