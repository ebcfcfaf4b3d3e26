"""Panels write only what has changed; the kill-switch asks for a word, and shows what became of it."""

from __future__ import annotations

from textual.widgets import Input

from livestack.cli.top_widgets import HelpScreen, KillScreen, Panel
from tests.cli.top_support import driven, orders, status, watching


def test_only_what_changed_is_written() -> None:
    """A line that is as it was costs nothing, on a slow line neither."""

    async def play() -> None:
        async with watching() as screen:
            screen.tell_everything()
            await screen.settle()
            panel = screen.app.query_one("#orders", Panel)
            written: list[tuple[object, ...]] = []
            panel.refresh = lambda *regions, **_how: written.append(regions) or panel
            await screen.settle()
            assert [] == written
            changed = orders()
            changed.orders[0].price = "3011.30000000"
            screen.tell(changed)
            await screen.settle()
            assert [1] == [len(regions) for regions in written]

    driven(play)


def test_rows_are_scrolled() -> None:
    """With the keys of the panel that has the focus, no further than there are any."""

    async def play() -> None:
        async with watching() as screen:
            screen.tell_everything()
            await screen.settle()
            await screen.press("4")
            assert "Open orders" in screen.text()
            many = orders()
            many.orders.extend([many.orders[1]] * 96)
            screen.tell(many)
            await screen.settle()
            panel = screen.app.query_one("#orders", Panel)
            firsts = []
            for key in ("down", "pagedown", "end", "down", "up", "home", "up"):
                await screen.press(key)
                firsts.append(panel.first)
            room = panel.size.height - 2
            assert [1, room, 100 - room, 100 - room, 99 - room, 0, 0] == firsts
            assert f"rows 1-{room} of 100" in screen.text()

    driven(play)


def test_a_kill() -> None:
    """What will happen, why, the word; then the answer, which stays until it was seen."""

    async def play() -> None:
        async with watching() as screen:
            screen.tell_everything()
            await screen.settle()
            await screen.press("K")
            assert "1 of unknown fate, 0.1 s before" in screen.text()
            await screen.press(*"bad", "space", *"news", "enter", *"Kill", "enter")
            assert ["bad news"] == [one.reason for one in screen.source.kills]
            assert "the answer is waited for" in screen.text()
            kill = screen.source.kills[0]
            for key in ("escape", "enter", "q", "ctrl+c"):
                await screen.press(key)
            assert isinstance(screen.app.screen, KillScreen)
            assert screen.app.is_running
            assert 1 == len(screen.source.kills)
            kill.lines, kill.state = ("kill-switch engaged for everything", "it is on disk"), "killed"
            screen.app.screen.look()
            await screen.pilot.pause()
            assert "kill-switch engaged for everything" in screen.text()
            assert "the kill stays" in screen.text()
            await screen.press("escape")
            assert not isinstance(screen.app.screen, KillScreen)
            assert kill.stopped

    driven(play)


def test_the_word_has_to_be_right() -> None:
    """Nothing leaves for another one, nor after Escape; the node's name is one too."""

    async def play() -> None:
        async with watching() as screen:
            screen.tell(status())
            await screen.settle()
            await screen.press("K", "enter", *"yes", "enter")
            assert "NOTHING WAS KILLED: 'yes'" in screen.text()
            await screen.press("enter", "q", "enter", "escape")
            assert [] == screen.source.kills
            await screen.press("K", "enter", *"demo", "enter")
            assert [""] == [one.reason for one in screen.source.kills]

    driven(play)


def test_a_kill_without_any_answer_so_far() -> None:
    """Where not even the node's name is known the word is enough, and a failure is shown as one."""

    async def play() -> None:
        async with watching() as screen:
            await screen.press("K", "tab", "enter")
            assert [] == screen.source.kills
            await screen.press(*"kill", "enter")
            kill = screen.source.kills[0]
            kill.lines, kill.state = ("NOT CONFIRMED: " + "very long " * 200,), "failed"
            assert isinstance(screen.app.screen, KillScreen)
            screen.app.screen.look()
            await screen.pilot.pause()
            assert "NOT CONFIRMED" in screen.text()
            assert all(one.disabled for one in screen.app.screen.query(Input))

    driven(play)


def test_help() -> None:
    """Every key, and away with any of those that one tries."""

    async def play() -> None:
        async with watching() as screen:
            for key in ("escape", "q", "enter", "question_mark"):
                await screen.press("question_mark")
                assert "the kill-switch: it says what it does" in screen.text()
                await screen.press(key)
                assert not isinstance(screen.app.screen, HelpScreen)
            assert screen.app.is_running

    driven(play)
