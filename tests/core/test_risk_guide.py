"""The list of rules for people: complete, in order, and true."""

from __future__ import annotations

from livestack.core.configuration import RiskLimits
from livestack.core.events import IntentDenied
from livestack.core.risk_guide import MONITOR_GUIDE, MONITORED, RATE_LIMITS, RULE_GUIDE, Guide
from livestack.core.risk_rules import RULES
from tests.core.support import Bench, configuration

LIMITS = RiskLimits.__struct_fields__


def denial_without(key: str) -> IntentDenied:
    """What an order meets when only ``key`` is not written."""
    bench = Bench(configuration(risk={key: None})).start()
    bench.buy()
    (denied,) = (one for one in bench.derived if isinstance(one, IntentDenied))
    return denied


def test_every_rule_has_its_sentence_in_order() -> None:
    """A full sentence each, in the order in which the rules are asked."""
    assert list(RULES) == list(RULE_GUIDE)
    for guide in (*RULE_GUIDE.values(), *MONITOR_GUIDE.values()):
        assert guide.sentence[0].isupper()
        assert guide.sentence.endswith(".")


def test_every_limit_is_named_and_no_other() -> None:
    """Each key of RiskLimits belongs to a rule; each key of a monitor is asked for by ``monitored_limits``."""
    named = [key for guide in RULE_GUIDE.values() for key in guide.keys]
    assert sorted([*LIMITS, RATE_LIMITS]) == sorted(named)
    assert sorted(MONITORED) == sorted(key for guide in MONITOR_GUIDE.values() for key in guide.keys)


def test_the_rule_that_needs_a_key_denies_without_it() -> None:
    """Key by key: with everything else written, the order is denied by the rule that names the key."""
    for key in LIMITS:
        denied = denial_without(key)
        assert key in RULE_GUIDE[denied.rule].keys
        assert f"risk.defaults.{key}" in denied.detail


def test_a_venue_without_rate_limits_is_denied_by_the_rule_that_names_them() -> None:
    """Nothing is sent where the venue's limits are not known."""
    bench = Bench(configuration(execution={"venue": {}})).start()
    bench.buy()
    (denied,) = (one for one in bench.derived if isinstance(one, IntentDenied))
    assert (RATE_LIMITS,) == RULE_GUIDE[denied.rule].keys


def test_a_guide_needs_no_key() -> None:
    """Most filters are the venue's own."""
    assert () == Guide("Any order.").keys
