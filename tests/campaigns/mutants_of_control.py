"""Mutants of what operators ask for: what is refused, what is answered once, what a change leads back to."""

from __future__ import annotations

from livestack.core import apply_commands, apply_control, configuration, derivation, runtime, versions
from tests.campaigns.mutants import Change, Mutant, edit

TESTS = (
    "tests/core/test_apply_commands.py",
    "tests/core/test_versions.py",
    "tests/core/test_apply_control.py",
)


def commands() -> list[Mutant]:
    """Guards of commands, and the memory of their answers."""
    answer, reset = apply_commands.operator_command, apply_commands._reset_kill_switch
    remember, unknown = apply_commands.remember, apply_commands.unknown_orders
    trading = apply_commands._set_trading_state
    made: list[Change] = [
        ("a repeated command is carried out again", answer, "if known is None:", "if True:"),
        ("a refused command is applied the second time", answer, "elif known.refusal:", "elif False:"),
        (
            "a used request id takes another command",
            answer,
            "known.fingerprint != _fingerprint(event.command)",
            "False",
        ),
        ("requests of one id are one, whoever asks", apply_commands._key, "encodable(event.who)", '""'),
        (
            "commands without an id are remembered",
            remember,
            "if not event.request_id:",
            "if False:",
        ),
        ("answers are remembered for ever", remember, "if len(answers) > ANSWERS_MAX:", "if False:"),
        ("one answer too few is remembered", remember, "> ANSWERS_MAX", ">= ANSWERS_MAX"),
        ("the newest answer is forgotten", remember, "next(iter(answers))", "list(answers)[-1]"),
        ("an applied command is not remembered", apply_commands._applied, "remember(", "str("),
        (
            "a checkpoint is attendance",
            remember,
            "is not events.TakeCheckpoint",
            "is not None",
        ),
        ("a refused command is not remembered", apply_commands._refused, "remember(", "str("),
        ("a refusal is of any length", apply_commands._refused, "if len(text) > REFUSAL_MAX:", "if False:"),
        ("a kill-switch that is not engaged is reset", reset, "if not state.control.kill:", "if False:"),
        ("the kill-switch is reset over unknown orders", reset, "unknown_orders(state)", "[]"),
        ("unknown orders cannot be accepted", reset, "[] if command.accept_unknown else ", ""),
        ("a New without an answer is known", unknown, "*flying, ", ""),
        ("an order that timed out is known", unknown, "*execution.unresolved, ", ""),
        ("an order in doubt is known", unknown, ", *execution.in_doubt", ""),
        ("a Cancel without an answer is unknown", unknown, "is not RequestKind.CANCEL", "is not None"),
        (
            "orders that the kill-switch does not cover count",
            unknown,
            "if control.killed(order.venue, order.instrument):",
            "if True:",
        ),
        (
            "a kill of an instrument that nobody knows covers nothing",
            apply_control._kill_scope,
            'market is None or venue not in ("", market.definition.venue)',
            "False",
        ),
        (
            "a kill of an instrument that is elsewhere covers nothing",
            apply_control._kill_scope,
            'or venue not in ("", market.definition.venue)',
            "",
        ),
        (
            "a kill has to name the venue of its instrument",
            apply_control._kill_scope,
            'not in ("", market',
            'not in ("no venue", market',
        ),
        (
            "a kill of a venue that nobody knows covers nothing",
            apply_control._kill_scope,
            '(venue, "") if is_known else ("", "")',
            '(venue, "")',
        ),
        (
            "a kill of a venue covers everything",
            apply_control._kill_scope,
            '(venue, "") if is_known else ("", "")',
            '("", "")',
        ),
        ("the reset resets nothing", derivation._kill_reset, "out.state.control.kill = {}", "pass"),
        (
            "a misspelt scope of the trading state covers nothing",
            trading,
            "_not_in_session(state, venue, instrument)",
            '""',
        ),
        (
            "a misspelt scope of orders covers nothing",
            apply_commands._cancel_all,
            "_not_in_session(state, command.venue, command.instrument)",
            '""',
        ),
        (
            "an instrument may be named at another venue",
            apply_commands._not_in_session,
            'if venue not in ("", at) else ""',
            'if False else ""',
        ),
        (
            "ACTIVE under something stricter is applied",
            trading,
            "fault or _stays_stricter(state, command.state, venue, instrument)",
            "fault",
        ),
        (
            "a venue's ACTIVE leaves its instruments halted",
            derivation._is_within,
            "market is not None and scope == market.definition.venue",
            "False",
        ),
        ("an instrument's ACTIVE lifts the rest", derivation._is_within, "scope in (", "True or scope in ("),
        (
            "a checkpoint that is asked for is not taken",
            apply_commands._take_checkpoint,
            "out.wants_checkpoint = True",
            "pass",
        ),
        (
            "a checkpoint is taken for ever",
            runtime.CoreRuntime._complete,
            "self._out.wants_checkpoint = False",
            "pass",
        ),
    ]
    return [edit(name, function, before, after, TESTS) for name, function, before, after in made]


def changes() -> list[Mutant]:
    """Changes of the Configuration, and the way back."""
    change, back = apply_commands._change, apply_commands._roll_back
    remembered, names = derivation._configuration, versions.unknown_names
    made: list[Change] = [
        (
            "a change against another version is made",
            apply_commands._set_configuration,
            "if fault:",
            "if False:",
        ),
        ("a roll-back against another version is made", back, "_made_against(state, event)", '""'),
        (
            "a change must say its version",
            apply_commands._made_against,
            "in (0, active)",
            "in (active,)",
        ),
        ("what the session does not have may be named", change, "if is_new:", "if False:"),
        (
            "a key that needs a restart is changed",
            configuration._set,
            "if first not in LIVE_TABLES:",
            "if False:",
        ),
        (
            "a table that there is not needs a restart",
            configuration._not_live,
            "if first not in Configuration.__struct_fields__:",
            "if False:",
        ),
        (
            "a version has the digest of the one behind it",
            remembered,
            "EarlierVersion(state.control.configuration_digest, undo)",
            "EarlierVersion(event.digest, undo)",
        ),
        ("versions are remembered for ever", remembered, "if len(earlier) > VERSIONS_MAX:", "if False:"),
        ("the newest version is forgotten", remembered, "next(iter(earlier))", "list(earlier)[-1]"),
        (
            "a version is undone in the wrong direction",
            remembered,
            "difference(state.configuration, before)",
            "difference(before, state.configuration)",
        ),
        ("the way back ends one version early", versions.way_back, "version - 1, -1", "version, -1"),
        (
            "a name with a quote is part of a key",
            versions._changed,
            "if not name or '\"' in name:",
            "if False:",
        ),
        ("an old name may be changed", versions._new_names, "old.get(name) != one", "name not in old"),
        ("what stays is a fault", versions._new_names, "and old.get(name) != one", ""),
        (
            "a misspelt fee mark is taken",
            names,
            "name not in instruments:\n            key",
            "False:\n            key",
        ),
        (
            "a misspelt instrument to decide on is taken",
            names,
            "name not in before.decisions.instruments and name not in instruments",
            "False",
        ),
    ]
    return [edit(name, function, before, after, TESTS) for name, function, before, after in made]
