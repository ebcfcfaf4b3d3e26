"""The screen of ``livestack top``: takes what the source has gathered twice a second and writes what has changed.

One thread, Textual's. It waits for nothing but the terminal; whoever asks the node does so elsewhere.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar

import click
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from livestack.cli import top_figures, top_panels, top_state
from livestack.cli.top_arrange import (
    OVERVIEWS,
    VIEWS,
    Place,
    arrange,
    column_widths,
    columns_of,
    incident_rows,
)
from livestack.cli.top_banner import banner
from livestack.cli.top_lines import Block, Line, fitted
from livestack.cli.top_picture import Picture
from livestack.cli.top_source import Killing, Source
from livestack.cli.top_widgets import HelpScreen, KillScreen, Panel
from livestack.cli.top_words import seconds

DRAW_EVERY_S = 0.5
SECOND_S = 1.0
STEADY_S = 10.0
"""A panel that wants less room keeps it so long: what is read should not jump."""

Maker = Callable[[Picture, float, int], Block]

MAKERS: dict[str, Maker] = {
    "all_incidents": top_state.all_incidents,
    "venues": top_panels.venues,
    "market": top_panels.market,
    "orders": top_panels.orders,
    "positions": top_panels.positions,
    "fills": top_panels.fills,
    "events": top_panels.events,
    "rates": top_figures.rates,
    "latency": top_figures.latency,
    "denials": top_figures.denials,
    "risk": top_figures.risk,
    "system": top_figures.system,
    "sinks": top_figures.sinks,
    "balances": top_figures.balances,
}
SLOW = frozenset(("fills", "rates", "latency", "denials", "risk", "system", "sinks", "balances"))
"""Made anew once a second: nothing comes for them more often."""

FRAME = ("head", "banner", "incidents", "foot")
SHORT_NAMES = ("all", "inc", "mkt", "ord", "pos", "fil", "evt", "rsk", "spd", "sys")
LONG_FOOT = 112


class Top(App[BaseException | None]):
    """``now_s``: seconds of a clock that only goes forward. With ``is_driven`` nothing happens by itself: a test calls
    :meth:`tick`."""

    CSS = """
    Screen { layout: vertical; overflow: hidden; }
    #filter { position: absolute; border: none; height: 1; padding: 0; display: none; }
    """
    TITLE = "livestack top"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(str((place + 1) % 10), f"view('{name}')", show=False) for place, name in enumerate(VIEWS)),
        Binding("i", "view('incidents')", show=False),
        Binding("K", "kill", show=False),
        Binding("question_mark,h", "help", show=False),
        Binding("slash", "filter", show=False),
        Binding("enter", "zoom", show=False),
        Binding("escape", "all", show=False),
        Binding("q", "leave", show=False),
        Binding("ctrl+c,ctrl+q", "leave", show=False, priority=True),
    ]

    def __init__(
        self, source: Source, now_s: Callable[[], float] = time.monotonic, *, is_driven: bool = False
    ) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self.source = source
        self.now_s = now_s
        self.picture = Picture(now_s())
        self.view = "overview"
        self.filter = ""
        self.killing: Killing | None = None
        self._is_driven = is_driven
        self._is_ready = False
        self._second_s = now_s()
        self._places: dict[str, Place] = {}
        self._wanted: dict[str, tuple[int, float]] = {}
        self._blocks: dict[str, Block] = {}

    def compose(self) -> ComposeResult:
        for name in (*FRAME, *MAKERS):
            panel = Panel(name)
            panel.can_focus = name in MAKERS
            panel.display = False
            yield panel
        yield Input(id="filter", placeholder="only rows with this text", compact=True)

    def on_mount(self) -> None:
        self._is_ready = True
        self.source.start()
        self.tick()
        if not self._is_driven:
            self.set_interval(DRAW_EVERY_S, self.tick)
            for number in (signal.SIGTERM, signal.SIGHUP):
                with suppress(RuntimeError, ValueError):
                    asyncio.get_running_loop().add_signal_handler(number, self.exit)

    def on_unmount(self) -> None:
        if self.killing is not None:
            self.killing.stop()
        self.source.stop()

    def on_resize(self, _event: events.Resize) -> None:
        self._wanted.clear()
        self.redraw()

    # -- What is shown -----------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Take what came, and show it."""
        self.picture.take(self.source.inbox.take())
        now_s = self.now_s()
        is_second = now_s - self._second_s >= SECOND_S
        if is_second:
            self._second_s = now_s if now_s - self._second_s > 2 * SECOND_S else self._second_s + SECOND_S
            self.picture.second(now_s)
        if self.picture.denied is not None and not self.picture.status.phase:
            self.exit(self.picture.denied)
        self.redraw(keep=not is_second and not self._is_driven)

    def redraw(self, keep: bool = False) -> None:
        """Arrange the panels for what there is, and let each write what has changed; ``keep``: not the slow ones."""
        width, height = self.size
        if not (width and height) or not self._is_ready:
            return
        now_s, picture = self.now_s(), self.picture
        stale = picture.staleness(now_s)
        kept = {name: block for name, block in self._blocks.items() if name in SLOW} if keep else {}
        blocks = {
            name: kept.get(name) or self._block(name, now_s, wide)
            for name, wide in self._widths(width).items()
        }
        self._blocks = dict(blocks)
        blocks["head"] = top_state.head(picture, now_s, width)
        blocks["incidents"] = top_state.incidents(picture, now_s, width, incident_rows(height))
        if stale is not None:
            blocks["banner"] = banner(stale, width)
        blocks["foot"] = Block("", "", None, 1, lambda _number: self._foot(width))
        wanted = {name: self._steady(name, block.rows_wanted(), now_s) for name, block in blocks.items()}
        places = arrange(self.view, width, height, blocks["incidents"].rows, stale is not None, wanted)
        self._move(places)
        for name in places:
            is_old = stale is not None and name not in ("banner", "foot")
            self.query_one(f"#{name}", Panel).show(blocks[name], is_old)

    def _widths(self, width: int) -> dict[str, int]:
        """Name -> columns, of every panel of the present page."""
        if self.view != "overview":
            return dict.fromkeys(VIEWS.get(self.view) or (self.view,), width)
        pairs = zip(OVERVIEWS[columns_of(width)], column_widths(width), strict=True)
        return {need.name: wide for needs, wide in pairs for need in needs}

    def _block(self, name: str, now_s: float, width: int) -> Block:
        block = MAKERS[name](self.picture, now_s, width)
        wanted = self.filter.casefold()
        if not wanted or not block.rows:
            return block
        lines = [block.line(number) for number in range(block.rows)]
        found = [line for line in lines if wanted in "".join(text for text, _ in line).casefold()]
        note = f"{len(found):,} of {block.rows:,} with {self.filter!r}"
        return Block(block.title, note, block.head, len(found), found.__getitem__)

    def _steady(self, name: str, rows: int, now_s: float) -> int:
        before, until_s = self._wanted.get(name, (0, 0.0))
        if rows >= before or now_s >= until_s:
            self._wanted[name] = rows, now_s + STEADY_S
            return rows
        return before

    def _move(self, places: dict[str, Place]) -> None:
        if places == self._places:
            return
        for panel in self.query(Panel):
            name = panel.id or ""
            place = places.get(name)
            if place != self._places.get(name):
                panel.display = place is not None
                if place is not None:
                    panel.styles.offset = place.x, place.y
                    panel.styles.width, panel.styles.height = place.width, place.height
        self._places = places
        field = self.query_one("#filter", Input)
        foot = places["foot"]
        field.styles.offset, field.styles.width = (foot.x, foot.y), foot.width

    def _foot(self, width: int) -> Line:
        """Pages and keys; the present page is marked."""
        is_long = width >= LONG_FOOT
        spans = []
        for place, name in enumerate(VIEWS):
            text = f"{(place + 1) % 10} {name if is_long else SHORT_NAMES[place]}"
            spans += [(text, "focus" if name == self.view else ""), (" " if not is_long else "  ", "")]
        spans += [("? help ", "key"), ("K kill ", "key"), ("q quit", "key")]
        if self.filter:
            spans = [(f"only rows with {self.filter!r}; / changes it, Escape shows all ", "focus"), *spans]
        return fitted(tuple(spans), width)

    # -- Keys --------------------------------------------------------------------------------------------------------

    def action_view(self, name: str) -> None:
        self.view = name
        self._wanted.clear()
        self.set_focus(None)
        self.redraw()
        shown = [one for one in VIEWS.get(name) or (name,) if one in self._places]
        if name != "overview" and shown:
            self.query_one(f"#{shown[0]}").focus()

    def action_zoom(self) -> None:
        """The panel that has the focus, alone."""
        panel = self.focused
        if isinstance(panel, Panel) and panel.id in MAKERS:
            self.action_view(panel.id)

    def action_all(self) -> None:
        if self.filter:
            self.filter = ""
            self.redraw()
        else:
            self.action_view("overview")

    def action_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.value = self.filter
        field.display = True
        field.focus()

    def on_input_changed(self, changed: Input.Changed) -> None:
        if changed.input.id == "filter":
            self.filter = changed.value.strip()
            self.redraw()

    def on_input_submitted(self, submitted: Input.Submitted) -> None:
        if submitted.input.id == "filter":
            self._end_filter()

    def on_key(self, event: events.Key) -> None:
        if event.key == "escape" and self.focused is self.query_one("#filter"):
            self.filter = ""
            self._end_filter()
            event.stop()

    def _end_filter(self) -> None:
        self.query_one("#filter").display = False
        self.set_focus(None)
        self.redraw()

    def action_help(self) -> None:
        self.push_screen(HelpScreen())

    def action_kill(self) -> None:
        found = self.picture.status
        known = ""
        if found.phase:
            age = seconds(self.picture.age_ms(self.now_s()))
            known = (
                f"{found.open_orders:,} orders were open, {found.unknown_orders:,} of unknown fate, "
                f"{age} before this page was opened."
            )
        self.push_screen(KillScreen(found.node, known, self._kill))

    def _kill(self, reason: str) -> Killing:
        self.killing = self.source.kill(reason)
        return self.killing

    def action_leave(self) -> None:
        """Not before a kill that was sent is answered."""
        if self.killing is None or self.killing.state != "asking":
            self.exit()

    def _fatal_error(self) -> None:
        """An error of ours is told by the command line, as all others are."""
        self._close_messages_no_wait()

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if that was not its user."""
        return self._exception or self.return_value


def run(source: Source) -> None:
    """Until its user has had enough. What became of a kill stays readable behind it."""
    app = Top(source)
    app.run(mouse=False)
    if app.killing is not None:
        for line in app.killing.lines:
            click.echo(line)
    if app.failure is not None:
        raise app.failure
