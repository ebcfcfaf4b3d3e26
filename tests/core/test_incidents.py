"""The catalogue of incidents: each has a name of its own, says what it is, and is made nowhere else."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from livestack.cli.main import cli
from livestack.core import incidents
from livestack.core.control_events import HALTING, VENUE_HALTING, IncidentClosed, IncidentOpened
from livestack.core.incidents import BY_NAME, CRITICAL, INCIDENTS, WARNING, Incident, named

ROOT = Path(__file__).resolve().parents[2]
FORWARDS = {Path("livestack/actors/feed_reader.py")}
"""Closes what the adapter of a feed that is gone left open, whichever it was."""

each = pytest.mark.parametrize("incident", INCIDENTS, ids=lambda one: one.name)


def test_every_entry_of_the_page_is_listed() -> None:
    """Under its name in capitals, and no name twice."""
    assert {one.name.upper(): one for one in INCIDENTS} == {
        name: one for name, one in vars(incidents).items() if isinstance(one, Incident)
    }
    assert len(INCIDENTS) == len(BY_NAME)


@each
def test_it_says_what_an_operator_needs(incident: Incident) -> None:
    """A name for files and metrics, a grade, and sentences."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", incident.name)
    assert incident.grade in (WARNING, CRITICAL, HALTING, VENUE_HALTING)
    assert incident.scope
    for text in (incident.meaning, incident.look_at, incident.over):
        assert re.fullmatch(r"[A-Za-z].*[.?]", text), text
        assert text == " ".join(text.split())


@each
def test_the_commands_that_it_names_exist(incident: Incident) -> None:
    """To the last word that is not an argument's."""
    for words in re.findall(r"livestack ((?:[a-z]+ ?)+)", incident.look_at):
        first, *rest = words.split()
        command = cli.get_command(click.Context(cli), first)
        assert command is not None, words
        subcommands = getattr(command, "commands", {})
        if subcommands and rest:
            assert rest[0] in subcommands, words


@each
def test_it_makes_its_events(incident: Incident) -> None:
    """Under its own name and grade."""
    opened = IncidentOpened(name=incident.name, scope="s", grade=incident.grade, detail="d")
    assert opened == incident.opened("s", "d")
    assert IncidentClosed(name=incident.name, scope="s", detail="d") == incident.closed("s", "d")


@pytest.mark.parametrize(
    ("key", "name", "scope"),
    [
        ("stall harness", "stall", "harness"),
        ("kill", "kill", ""),
        ("actor_failing feed v", "actor_failing", "feed v"),
    ],
)
def test_states_keys_name_it(key: str, name: str, scope: str) -> None:
    """A scope may be empty or of several words; a name of an older program is none of ours."""
    assert (BY_NAME[name], scope) == named(key)
    assert (None, "x y") == named("other x y")


def test_incidents_are_made_by_the_catalogue_alone() -> None:
    """So that none is without a meaning, a grade of its own, and a line in the guide."""
    makers = set()
    for path in sorted((ROOT / "livestack").rglob("*.py")):
        if "IncidentOpened(" not in (text := path.read_text()) and "IncidentClosed(" not in text:
            continue
        calls = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))
        if any(getattr(call.func, "id", getattr(call.func, "attr", "")) in MADE for call in calls):
            makers.add(path.relative_to(ROOT))
    assert {Path("livestack/core/incidents.py"), *FORWARDS} == makers


MADE = {"IncidentOpened", "IncidentClosed"}


@each
def test_the_guide_has_it(incident: Incident) -> None:
    """With what it is, what to look at and when it is over."""
    text = (ROOT / "docs" / "generated" / "incidents.inc").read_text()
    for part in (
        f"``{incident.name}`` ({incident.grade})",
        incident.meaning,
        incident.look_at,
        incident.over,
    ):
        assert part in text


def test_other_pages_name_incidents_that_there_are() -> None:
    """Wherever one says "incident ``name``"."""
    told = {
        name
        for page in (ROOT / "docs").glob("*.rst")
        for name in re.findall(r"incidents? ``([a-z_]+)``", page.read_text())
    }
    assert told
    assert set() == told - BY_NAME.keys()
