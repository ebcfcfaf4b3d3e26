"""Rules for a simulated venue's faults: read from TOML or JSON with a sentence for every wrong key, or mixed by chance.

Pure. Any thread. The kinds are those of ``fault_kinds``; the venue applies the rules.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from livestack.core.validation import parse_duration
from livestack.exceptions import ConfigurationError
from livestack.simulator.fault_kinds import CERTAIN, KINDS, Kind, Parameter, Rule, Spread, Value, below
from livestack.simulator.market import Random

NUMBER_MAX = 10**9
NAMES_MAX = 1000
RULES_MAX = 1000
_TIMES = {"after": "after_ns", "for": "for_ns", "every": "every_ns"}
_COUNTS = ("occasion", "times")
_WORD = re.compile(r"[A-Za-z0-9_.@*?!\[\]-]{1,60}")


class WrongValueError(ValueError):
    """A value that cannot be; its text says what would be right."""


def rule(kind: str, **keys: Any) -> Rule:
    """One rule from the keys that a file would have: ``rule("disconnect", chance="0.01", at_byte=3)``.

    ``for`` is a word of the language: ``rule("latency", **{"for": "5s"})``.
    """
    return read_document({"fault": [{"kind": kind, **keys}]}, "rule")[0]


def read_rules(text: str, source: str = "faults") -> tuple[Rule, ...]:
    """The rules of a TOML text, or of a JSON one if it begins with a brace; ``ConfigurationError`` names all faults."""
    try:
        if text.lstrip().startswith("{"):
            document = msgspec.json.Decoder(float_hook=Decimal).decode(text)
        else:
            document = tomllib.loads(text, parse_float=Decimal)
    except (tomllib.TOMLDecodeError, msgspec.DecodeError) as error:
        raise ConfigurationError([("", f"cannot be read as TOML or JSON: {error}")], source) from None
    return read_document(document, source)


def read_document(document: Mapping[str, Any], source: str) -> tuple[Rule, ...]:
    """The rules of what was decoded already: a table with one array ``fault``."""
    faults: list[tuple[str, str]] = [
        (str(key), "is not known here; rules are tables [[fault]]") for key in document if key != "fault"
    ]
    tables = document.get("fault", [])
    if not isinstance(tables, list) or len(tables) > RULES_MAX:
        faults.append(("fault", f"must be tables [[fault]], at most {RULES_MAX}"))
        tables = []
    rules = []
    for number, table in enumerate(tables, 1):
        one = _rule(table, f"fault[{number}]", faults)
        if one is not None:
            rules.append(one)
    if faults:
        raise ConfigurationError(faults, source)
    return tuple(rules)


def _rule(table: Any, place: str, faults: list[tuple[str, str]]) -> Rule | None:
    if not isinstance(table, dict):
        faults.append((place, "must be a table with a kind"))
        return None
    name = table.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        faults.append((f"{place}.kind", f"must be one of {', '.join(KINDS)}"))
        return None
    fields: dict[str, Any] = {"kind": name}
    values = {key: parameter.default for key, parameter in kind.parameters.items()}
    for key, value in table.items():
        if key == "kind":
            continue
        try:
            if key in kind.parameters:
                values[key] = _value(kind.parameters[key], value)
            else:
                field, found = _common(kind, key, value)
                fields[field] = found
        except ValueError as wrong:
            faults.append((f"{place}.{key}", str(wrong)))
    return Rule(**fields, values=values)


def _common(kind: Kind, key: str, value: Any) -> tuple[str, Any]:
    """A key that kinds share: the field of ``Rule`` and its value."""
    allowed = ["chance", *_COUNTS, "after", "for"]
    if kind.occasion == "moment":
        allowed.append("every")
    allowed += kind.filters
    if key not in allowed:
        raise WrongValueError(
            f"is not known for this kind; known are {', '.join([*allowed, *kind.parameters])}"
        )
    if key == "chance":
        return "chance", _chance(value)
    if key in _COUNTS:
        return key, _number(value, 1)
    if key in _TIMES:
        return _TIMES[key], _duration(value)
    return key, _names(value, kind.sides if key == "sides" else ())


def _value(parameter: Parameter, value: Any) -> Value:
    match parameter.form:
        case "duration":
            return _duration(value)
        case "offset":
            text = value if isinstance(value, str) else ""
            return -_duration(text[1:]) if text.startswith("-") else _duration(value)
        case "number":
            return _number(value, -NUMBER_MAX)
        case "flag":
            if not isinstance(value, bool):
                raise WrongValueError("must be true or false")
            return int(value)
        case "spread":
            return _spread(value)
        case "answers":
            return _names(value, parameter.choices)
        case _:
            return _text(value, parameter.choices)


def _chance(value: Any) -> int:
    """A part of 1, exactly, as parts per million."""
    try:
        part = Decimal(str(value)) * CERTAIN
    except InvalidOperation:
        part = Decimal(-1)
    if isinstance(value, bool) or not part.is_finite() or not 0 <= part <= CERTAIN or part != int(part):
        raise WrongValueError("must be a number from 0 to 1 with at most six decimals, such as 0.01")
    return int(part)


def _number(value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= NUMBER_MAX:
        raise WrongValueError(f"must be a whole number from {least} to {NUMBER_MAX}")
    return value


def _duration(value: Any) -> int:
    if not isinstance(value, str):
        raise WrongValueError('must be a duration in quotes, such as "250ms", "3s" or "2m"')
    return parse_duration(value)


def _spread(value: Any) -> Spread:
    if isinstance(value, list):
        if len(value) != 2:
            raise WrongValueError(
                'must be a duration, two of them ["1ms", "20ms"], or {median = "5ms", most = "2s"}'
            )
        least, most = _duration(value[0]), _duration(value[1])
        if most < least:
            raise WrongValueError("must have the shorter duration first")
        return Spread(least, most)
    if isinstance(value, dict):
        if set(value) != {"median", "most"}:
            raise WrongValueError('must have median and most, such as {median = "5ms", most = "2s"}')
        return Spread(_duration(value["median"]), _duration(value["most"]), tail=True)
    fixed = _duration(value)
    return Spread(fixed, fixed)


def _names(value: Any, choices: tuple[str, ...]) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names or len(names) > NAMES_MAX:
        raise WrongValueError("must be a text or a list of texts")
    for name in names:
        _text(name, choices)
        if not choices and not _WORD.fullmatch(name):
            raise WrongValueError(f"must hold plain names, not {name!r}")
    return tuple(names)


def _text(value: Any, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str):
        raise WrongValueError("must be a text")
    if choices and value not in choices:
        raise WrongValueError(f"must be one of {', '.join(choices)}, not {value!r}")
    return value


# -- a mix of everything -----------------------------------------------------------------------------------------------

# Kind, chance in parts per million or seconds between two moments, and keys. Rates are those of a very bad day.
_MESSAGES: Final[tuple[tuple[str, int, dict[str, Any]], ...]] = (
    (
        "request_lost",
        8000,
        {"answer": ["cut", "silence", "500", "502", "503", "-1000", "-1001", "-1008", "-1016"]},
    ),
    ("response_lost", 15_000, {"answer": ["cut", "silence", "500", "502", "504", "-1006", "-1007"]}),
    ("reject", 3000, {"methods": ["order.place"]}),
    ("rate_limited", 500, {"wait": "3s", "ban": "5s"}),
    ("orders_limited", 3000, {"wait": "3s", "methods": ["order.place", "order.cancelReplace"]}),
    ("firewall", 1000, {}),
    ("fill_first", 40_000, {}),
    ("fill_first", 20_000, {"part": "half"}),
    ("replace_half", 20_000, {"row": "cancelled_only"}),
    ("replace_half", 10_000, {"row": "neither"}),
    ("replace_half", 10_000, {"row": "orders_limited"}),
    ("replace_half", 10_000, {"row": "placed_only"}),
    ("reports_first", 500_000, {}),
    ("stale_snapshot", 100_000, {"age": "3s"}),
    ("snapshot_leads", 100_000, {"delay": ["100ms", "900ms"]}),
    ("answer_delayed", 30_000, {"delay": ["1ms", "800ms"]}),
    ("answer_duplicated", 10_000, {"delay": ["0ms", "300ms"]}),
    ("latency", CERTAIN, {"way": "both", "delay": {"median": "2ms", "most": "400ms"}}),
    ("event_delayed", 20_000, {"delay": ["1ms", "600ms"]}),
    ("event_held", 10_000, {"delay": ["10ms", "900ms"]}),
    ("event_duplicated", 20_000, {"delay": ["0ms", "500ms"]}),
    ("event_lost", 5000, {}),
    ("frame_dropped", 1000, {}),
    ("frame_duplicated", 3000, {"delay": ["0ms", "300ms"]}),
    ("frame_delayed", 2000, {"delay": ["1ms", "400ms"]}),
    ("crossed_book", 500, {}),
    ("disconnect", 200, {}),
    ("half_open", 30, {}),
    ("half_open", 30, {"deaf": False}),
    ("unknown_key", 5000, {}),
    ("unknown_value", 300, {}),
    ("wrong_type", 200, {}),
    ("lost_field", 200, {}),
)
_MOMENTS: Final[tuple[tuple[str, int, dict[str, Any]], ...]] = (
    ("cut", 90, {}),
    ("cut", 60, {"which": "one"}),
    ("mute", 240, {"which": "one"}),
    ("refused", 180, {"lasts": "4s"}),
    ("server_shutdown", 200, {"delay": ["0ms", "8s"]}),
    ("maintenance", 400, {"lasts": "8s"}),
    ("clock_skew", 150, {"offset": "1500ms", "lasts": "20s"}),
    ("clock_skew", 170, {"offset": "-2s", "drift": 200, "lasts": "20s"}),
    ("symbol_status", 200, {"status": "HALT", "lasts": "5s"}),
    ("symbol_status", 300, {"status": "CANCEL_ONLY", "lasts": "5s"}),
    ("symbol_status", 500, {"status": "BREAK", "lasts": "3s"}),
    ("symbol_status", 500, {"status": "END_OF_DAY", "lasts": "3s"}),
    ("symbol_status", 700, {"status": "AUCTION_CALL", "lasts": "3s"}),
    ("symbol_missing", 400, {"lasts": "5s"}),
    ("filters_changed", 500, {"tick": 2, "step": 2, "lasts": "20s"}),
    ("external_order", 40, {}),
    ("external_cancel", 60, {}),
    ("external_trade", 60, {}),
    ("deposit", 100, {}),
    ("subscription_ended", 150, {}),
    ("wipe", 1800, {}),
    ("key_revoked", 1200, {"lasts": "5s"}),
)
MIXED: Final = tuple(kind for kind in KINDS if kind not in ("wipe", "key_revoked"))
"""Every kind after which a node can go on as if nothing had been."""


def random_mix(
    random: Random, intensity: int = 100, kinds: Collection[str] = MIXED, symbols: Collection[str] = ()
) -> tuple[Rule, ...]:
    """Rules of all ``kinds``, their rates drawn between half and one and a half of a bad day's.

    ``intensity`` in percent: 200 is twice as often. ``symbols``: what the kinds that change a symbol may choose from.
    """
    rules = []
    for kind, usual, keys in _MESSAGES:
        chance = usual if usual == CERTAIN else usual * (50 + below(random, 101)) * intensity // 10_000
        if kind in kinds and chance:
            rules.append(rule(kind, chance=Decimal(min(chance, CERTAIN)) / CERTAIN, **keys))
    for kind, seconds, keys in _MOMENTS:
        every_ms = max(seconds * 1000 * (50 + below(random, 101)) // max(intensity, 1), 1)
        first_ms = below(random, every_ms)
        narrowed = {"symbols": list(symbols)} if symbols and "symbols" in KINDS[kind].filters else {}
        if kind in kinds and intensity:
            times = {"every": f"{every_ms}ms", "after": f"{first_ms}ms"}
            rules.append(rule(kind, **times, **keys, **narrowed))
    return tuple(rules)
