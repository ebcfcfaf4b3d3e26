"""The whole screen: as it should look, at several sizes, and through all that happens to a node."""

from __future__ import annotations

import pytest

from livestack.cli.top_app import Top, run
from livestack.cli.top_arrange import VIEWS
from livestack.exceptions import PermissionDeniedError
from livestack.wire import control_pb2 as wire
from tests.cli.top_support import (
    PICTURE,
    SCENES,
    SNAPSHOTS,
    UMLAUT,
    FakeSource,
    Watched,
    driven,
    event,
    order,
    orders,
    scene,
    status,
    watching,
)


@pytest.mark.parametrize("name", SCENES)
def test_it_looks_as_it_did(name: str) -> None:
    """Compared with what somebody has looked at; ``python -m tests.cli.top_support`` writes it anew."""
    text, _ = driven(lambda: scene(name))
    assert (SNAPSHOTS / f"{name}.txt").read_text(encoding="utf-8") == text


def test_the_picture_of_the_documentation() -> None:
    """Is small, and loads nothing from elsewhere."""
    text = PICTURE.read_text(encoding="utf-8")
    assert 200_000 > len(text.encode())
    assert "url(" not in text.replace("url(#", "")


@pytest.mark.parametrize("size", [(20, 6), (80, 24), (132, 43), (300, 90)])
def test_every_page_at_every_size(size: tuple[int, int]) -> None:
    """Nothing breaks, and the keys are on the last line."""

    async def play() -> None:
        async with watching(*size) as screen:
            screen.tell_everything()
            await screen.settle()
            for name in VIEWS:
                screen.app.action_view(name)
                await screen.pilot.pause()
                lines = screen.text().splitlines()
                assert size[1] == len(lines)
                assert "1 all" in lines[-1] or "1 overview" in lines[-1]
            await screen.press("0")
            assert list(VIEWS)[9] == screen.app.view

    driven(play)


def test_the_size_changes() -> None:
    """It is arranged anew."""

    async def play() -> None:
        async with watching(80, 24) as screen:
            screen.tell_everything()
            await screen.settle()
            assert "Sinks of records" not in screen.text()
            await screen.pilot.resize_terminal(200, 50)
            await screen.settle()
            assert "Sinks of records" in screen.text()

    driven(play)


def test_silence_and_return() -> None:
    """While the node does not answer its age is said in large; then it goes on as if nothing had been."""

    async def play() -> None:
        async with watching() as screen:
            screen.tell_everything()
            await screen.settle()
            assert "DOES NOT ANSWER" not in screen.text()
            screen.source.inbox.put_trouble("it is stopped")
            await screen.pass_time(12.0)
            assert "THE NODE DOES NOT ANSWER: WHAT IS SHOWN IS 12 SECONDS OLD" in screen.text()
            await screen.pass_time(100.0)
            assert "WHAT IS SHOWN IS 112 SECONDS OLD" in screen.text()
            screen.source.inbox.put_trouble("")
            screen.tell_everything()
            await screen.settle()
            assert "SECONDS OLD" not in screen.text()

    driven(play)


def test_another_session() -> None:
    """What was of the one before is gone."""

    async def play() -> None:
        async with watching() as screen:
            screen.tell_everything()
            await screen.settle()
            screen.tell(status(session="20260102T050607Z-f00d", started_at_ns=5))
            await screen.settle()
            text = screen.text()
            assert "from here on session 20260102T050607Z-f00d" in text
            assert "Open orders not answered yet" in text

    driven(play)


def test_a_node_that_is_still_starting() -> None:
    """Has a phase, and nothing else yet."""

    async def play() -> None:
        async with watching() as screen:
            screen.tell(wire.Status(node="demo", phase="starting", guard="off"))
            await screen.settle()
            assert "! starting" in screen.text()

    driven(play)


def test_a_node_that_does_not_let_us_in() -> None:
    """The command ends with its sentence; one that did before only says so."""
    denied = PermissionDeniedError("PERMISSION_DENIED", "unknown key")

    async def play(known: bool) -> Top:
        async with watching() as screen:
            if known:
                screen.tell(status())
                await screen.settle()
            screen.source.inbox.put_denied(denied)
            await screen.pass_time(5.0)
            if known:
                assert screen.app.is_running
                assert "unknown key" in screen.text()
            return screen.app

    assert denied is driven(lambda: play(False)).failure
    assert driven(lambda: play(True)).failure is None


async def with_orders(screen: Watched) -> None:
    screen.tell_everything()
    many = [order(n, instrument=UMLAUT if n % 5 == 0 else "binance_spot:BTCUSDT") for n in range(1, 1_001)]
    screen.tell(wire.Orders(orders=many, total=4_000))
    await screen.settle()


def test_thousands_of_orders() -> None:
    """Listed as far as the node lists them, with the number of all."""

    async def play() -> None:
        async with watching() as screen:
            await with_orders(screen)
            await screen.press("4", "end")
            assert "Open orders 4,000, 3,000 not listed" in screen.text()
            assert " 1000  BTCUSDT" in screen.text() or " 1000  ÄÖÜ币USDT" in screen.text()

    driven(play)


def test_a_filter() -> None:
    """Only rows with the text, of whatever alphabet; Escape shows all again."""

    async def play() -> None:
        async with watching() as screen:
            await with_orders(screen)
            await screen.press("4", "slash", *"öü币", "enter")
            assert "200 of 1,000 with 'öü币'" in screen.text()
            assert "only rows with 'öü币'" in screen.text().splitlines()[-1]
            await screen.press("escape")
            assert "of 1,000 with" not in screen.text()
            await screen.press("slash", "x", "escape", "q")
            assert "" == screen.app.filter

    driven(play)


def test_one_panel_alone() -> None:
    """Tab chooses it, Enter shows it, Escape goes back."""

    async def play() -> None:
        async with watching() as screen:
            screen.tell_everything()
            await screen.settle()
            await screen.press("enter", "tab", "enter")
            assert "venues" == screen.app.view
            assert "Open orders" not in screen.text()
            await screen.press("escape")
            assert "Open orders" in screen.text()

    driven(play)


def test_panels_do_not_jump() -> None:
    """One that wants less room keeps what it has for a while."""

    async def play() -> None:
        async with watching(80, 60) as screen:
            screen.tell_everything()
            await screen.settle()
            place = (
                screen.text()
                .splitlines()
                .index(next(x for x in screen.text().splitlines() if "Positions" in x))
            )
            fewer = orders()
            del fewer.orders[1:]
            screen.tell(fewer)
            await screen.pass_time(1.0)
            assert "Positions" in screen.text().splitlines()[place]
            screen.tell_everything()
            screen.tell(fewer)
            await screen.pass_time(11.0)
            assert "Positions" not in screen.text().splitlines()[place]

    driven(play)


def test_events_faster_than_the_screen() -> None:
    """Those that could not be shown are counted."""

    async def play() -> None:
        async with watching(80, 24) as screen:
            screen.tell_everything()
            for number in range(2_500):
                screen.source.inbox.put_event(event("OrderAccepted", 1, order_id=number))
            await screen.settle()
            await screen.press("7", "end")
            assert "of 500" in screen.text()
            assert any(
                one.text.startswith("500 Events came faster") for one in screen.app.picture.happenings.lines
            )

    driven(play)


def test_no_colour_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR there is none, and the words are the same."""
    monkeypatch.setenv("NO_COLOR", "1")

    async def play() -> None:
        async with watching() as screen:
            screen.tell_everything()
            await screen.settle()
            strips = screen.app.screen._compositor.render_strips()
            filters = screen.app._filters
            shown = [one for strip in strips for one in strip]
            assert "NoColor" in {type(one).__name__ for one in filters}
            assert "!! critical" in "".join(one.text for one in shown)

    driven(play)


def test_an_error_of_ours_ends_it_with_a_sentence() -> None:
    """What breaks is raised for the command line to tell; no page of code is shown."""

    class Broken(FakeSource):
        def start(self) -> None:
            raise ValueError("broken")

    app = Top(Broken(), lambda: 0.0, is_driven=True)
    driven(lambda: app.run_async(headless=True, size=(80, 24)))
    assert "broken" == str(app.failure)
    assert [] == app._exit_renderables


def test_what_ends_a_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What became of a kill stays readable behind the screen; what ended it is raised."""
    denied = PermissionDeniedError("PERMISSION_DENIED", "unknown key")

    def ended(app: Top, **_how: object) -> None:
        app.killing = app.source.kill("news")
        app.killing.lines = ("kill-switch engaged for everything",)  # type: ignore[misc]
        app._return_value = denied

    monkeypatch.setattr(Top, "run", ended)
    with pytest.raises(PermissionDeniedError, match="unknown key"):
        run(FakeSource())
    assert "kill-switch engaged for everything\n" == capsys.readouterr().out
