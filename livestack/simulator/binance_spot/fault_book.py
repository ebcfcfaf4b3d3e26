"""The rules that hold at a simulated venue now: which of them an occasion meets, how often each came true.

Pure. Runs on the venue's thread. All chance comes from one generator made of a seed: the same occasions in the same
order meet the same faults.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from livestack.simulator.fault_kinds import CERTAIN, KINDS, Kind, Rule, below


@dataclass(slots=True, frozen=True)
class Subject:
    """What a fault may befall, a request or a message; what does not apply is empty. ``way``: in or out."""

    side: str
    method: str = ""
    stream: str = ""
    symbol: str = ""
    event: str = ""
    way: str = "out"


@dataclass(slots=True, eq=False)
class Standing:
    """A rule that was put in at ``since_ns``; ``due_ns`` is the next moment of one that waits for moments."""

    rule: Rule
    kind: Kind
    since_ns: int
    due_ns: int
    seen: int = 0
    fired: int = 0

    def over(self, now_ns: int) -> bool:
        """Whether it can never come true again."""
        rule = self.rule
        ended = bool(rule.for_ns) and now_ns >= self.since_ns + rule.after_ns + rule.for_ns
        return (
            ended
            or bool(rule.times and self.fired >= rule.times)
            or bool(rule.occasion and self.seen >= rule.occasion)
        )


class FaultBook:
    """All rules of a venue. Whoever asks whether a rule comes true has met an occasion: asking counts."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        """How often each kind came true."""
        self._standing: dict[str, list[Standing]] = {}

    def put(self, rules: Iterable[Rule], now_ns: int) -> None:
        for rule in rules:
            kind = KINDS[rule.kind]
            standing = Standing(rule, kind, now_ns, now_ns + rule.after_ns)
            self._standing.setdefault(rule.kind, []).append(standing)

    def clear(self) -> None:
        self._standing.clear()

    def __bool__(self) -> bool:
        return bool(self._standing)

    @property
    def active(self) -> list[Rule]:
        return [one.rule for standing in self._standing.values() for one in standing]

    def holds(self, kind: str) -> bool:
        """Whether there is any rule of this kind."""
        return kind in self._standing

    def strikes(self, kind: str, subject: Subject, now_ns: int) -> Rule | None:
        """The first rule of ``kind`` that comes true for ``subject``; whoever lets it happen says so with ``count``."""
        standing = self._standing.get(kind)
        if standing is None:
            return None
        for one in standing:
            begun = now_ns >= one.since_ns + one.rule.after_ns
            if begun and not one.over(now_ns) and _concerns(one, subject) and self._comes_true(one):
                return one.rule
        return None

    def count(self, kind: str) -> None:
        self.counts[kind] += 1

    # -- moments ---------------------------------------------------------------------------------------------------

    def next_moment_ns(self) -> int | None:
        return min((one.due_ns for one in self._moments()), default=None)

    def moments(self, now_ns: int) -> list[Rule]:
        """The rules whose moment has come, in the order of their moments; each is then due again, or done."""
        true = []
        for one in sorted(self._moments(), key=lambda one: one.due_ns):
            if one.due_ns > now_ns:
                break
            if self._comes_true(one):
                true.append(one.rule)
            self._wait_again(one)
        return true

    def _moments(self) -> list[Standing]:
        return [
            one
            for standing in self._standing.values()
            for one in standing
            if one.kind.occasion == "moment" and one.due_ns >= 0
        ]

    def _wait_again(self, one: Standing) -> None:
        """Each pause is drawn from half to one and a half of the rule's."""
        if not one.rule.every_ns or one.over(one.due_ns):
            one.due_ns = -1
            return
        one.due_ns += max(one.rule.every_ns * (50 + below(self.random, 101)) // 100, 1)
        if one.over(one.due_ns):
            one.due_ns = -1

    def _comes_true(self, one: Standing) -> bool:
        one.seen += 1
        if one.rule.occasion and one.seen != one.rule.occasion:
            return False
        if one.rule.chance < CERTAIN and below(self.random, CERTAIN) >= one.rule.chance:
            return False
        one.fired += 1
        return True


def _concerns(one: Standing, subject: Subject) -> bool:
    rule = one.rule
    sides = rule.sides or one.kind.sides
    return (
        (not sides or subject.side in sides)
        and (not rule.methods or subject.method in rule.methods)
        and (not rule.symbols or subject.symbol in rule.symbols)
        and (not rule.events or subject.event in rule.events)
        and rule.values.get("way", subject.way) in (subject.way, "both")
        and (not rule.streams or any(fnmatchcase(subject.stream, pattern) for pattern in rule.streams))
    )
