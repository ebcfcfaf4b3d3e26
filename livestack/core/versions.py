"""Versions of the Configuration: the patch between two of them, the way back to an earlier one, names nobody knows.

Pure. State remembers of each earlier version only the patch that leads back to it from the one behind it, so that
what it holds is as small as what was changed. Harness thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import msgspec

from livestack.core.configuration import Configuration, RiskLimits, put
from livestack.core.events import InstrumentDefined
from livestack.core.validation import Faults, guess, join_key

VERSIONS_MAX = 64
"""Earlier versions that can be rolled back to: more changes than an operator makes in a day, some kilobytes each."""

Patch = tuple[tuple[str, str], ...]
"""``(dotted key, JSON value)`` pairs; ``null`` removes a key."""


class EarlierVersion(msgspec.Struct, frozen=True):
    """``undo`` turns the version behind it back into this one."""

    digest: str
    undo: Patch


def difference(before: Configuration, after: Configuration) -> Patch:
    """The patch that turns the content of ``before`` into that of ``after``. The version is no part of it."""
    return _difference(before.plain(), after.plain())


def way_back(active: Configuration, earlier: Mapping[int, EarlierVersion], version: int) -> Patch:
    """The patch that turns ``active`` into the content of ``version``, which must be among ``earlier``."""
    content = active.plain()
    for number in range(active.version - 1, version - 1, -1):
        for key, text in earlier[number].undo:
            put(content, key, json.loads(text))
    return _difference(active.plain(), content)


def _difference(before: dict[str, object], after: dict[str, object]) -> Patch:
    names = (name for name in {**before, **after} if name != "version")
    found: list[tuple[str, str]] = []
    for name in names:
        found += _changed(before.get(name), after.get(name), name)
    return tuple(found)


def _changed(before: object, after: object, key: str) -> list[tuple[str, str]]:
    if before == after:
        return []
    whole = [(key, json.dumps(after, separators=(",", ":")))]
    if not isinstance(before, dict) or not isinstance(after, dict):
        return whole
    found: list[tuple[str, str]] = []
    for name in {**before, **after}:
        if before.get(name) == after.get(name):
            continue
        if not name or '"' in name:  # a dotted key cannot say it
            return whole
        found += _changed(before.get(name), after.get(name), join_key(key, name))
    return found


def unknown_names(
    before: Configuration, after: Configuration, definitions: Iterable[InstrumentDefined]
) -> Faults:
    """Venues, instruments and currencies that a change names and the session does not have.

    What is misspelt would be valid, and limit nothing. What stays as it was, or goes, is nobody's fault.
    """
    faults: Faults = []
    known = list(definitions)
    instruments = [one.instrument for one in known]
    venues = list(dict.fromkeys(one.venue for one in known))
    quotes = list(dict.fromkeys(one.quote for one in known))
    tables: tuple[tuple[str, Mapping[str, object], Mapping[str, object], list[str], str], ...] = (
        ("risk.instrument", before.risk.instrument, after.risk.instrument, instruments, "instrument"),
        ("risk.venue", before.risk.venue, after.risk.venue, venues, "venue"),
        ("execution.venue", before.execution.venue, after.execution.venue, venues, "venue"),
    )
    for key, old, new, names, what in tables:
        for name in _new_names(old, new, names):
            faults.append((join_key(key, name), _nothing_of_it(name, what, names)))
    for asset, name in after.valuation.fee_marks.items():
        if before.valuation.fee_marks.get(asset) != name and name not in instruments:
            key = join_key("valuation.fee_marks", asset)
            faults.append((key, _nothing_of_it(name, "instrument", instruments)))
    for name in after.decisions.instruments:
        if name not in before.decisions.instruments and name not in instruments:
            faults.append(("decisions.instruments", _nothing_of_it(name, "instrument", instruments)))
    _unknown_currencies("risk.defaults", before.risk.defaults, after.risk.defaults, quotes, faults)
    for name, limits in after.risk.venue.items():
        _unknown_currencies(join_key("risk.venue", name), before.risk.venue.get(name), limits, quotes, faults)
    for name, limits in after.risk.instrument.items():
        _unknown_currencies(
            join_key("risk.instrument", name), before.risk.instrument.get(name), limits, quotes, faults
        )
    return faults


def _new_names(old: Mapping[str, object], new: Mapping[str, object], known: list[str]) -> list[str]:
    return [name for name, one in new.items() if name not in known and old.get(name) != one]


def _unknown_currencies(
    scope: str, old: RiskLimits | None, new: RiskLimits, quotes: list[str], faults: Faults
) -> None:
    for field in RiskLimits.__struct_fields__:
        limits = getattr(new, field)
        if not isinstance(limits, dict):
            continue
        before = getattr(old, field) if old is not None else None
        for name in _new_names(before if isinstance(before, dict) else {}, limits, quotes):
            faults.append(
                (f"{scope}.{join_key(field, name)}", _nothing_of_it(name, "quote currency", quotes))
            )


def _nothing_of_it(name: str, what: str, known: list[str]) -> str:
    return f"{name} is no {what} of this session{guess(name, known)}"
