"""What ``livestack top`` is drawn with: panels of lines, which write anew only what has changed, and its dialogues.

The screen's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.geometry import Region
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, Static

from livestack.cli.top_lines import Block, Line, fitted, rule
from livestack.cli.top_source import Killing

STYLES = {
    "": Style(),
    "good": Style(color="green"),
    "warn": Style(color="yellow", bold=True),
    "bad": Style(color="red", bold=True),
    "loud": Style(color="red", bold=True, reverse=True),
    "dim": Style(dim=True),
    "bold": Style(bold=True),
    "title": Style(bold=True),
    "focus": Style(bold=True, reverse=True),
    "plot": Style(color="cyan"),
    "key": Style(bold=True),
}
"""The terminal's own colours. Whatever a colour says is said by a word or a mark too."""

PAGE_OVERLAP = 1
LOOK_EVERY_S = 0.2
WORD = "kill"


class Panel(Widget, can_focus=True):
    """Shows a :class:`Block` in as many lines as it is high; ``first`` is the row at its top."""

    DEFAULT_CSS = "Panel { position: absolute; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_rows(1)", show=False),
        Binding("up,k", "scroll_rows(-1)", show=False),
        Binding("pagedown,space", "scroll_pages(1)", show=False),
        Binding("pageup", "scroll_pages(-1)", show=False),
        Binding("home,g", "scroll_to(0)", show=False),
        Binding("end,G", "scroll_to(1_000_000_000)", show=False),
    ]

    def __init__(self, name: str) -> None:
        super().__init__(id=name)
        self.first = 0
        self.block = Block("")
        self.lines: list[Line] = []
        self._is_old = False

    def show(self, block: Block, is_old: bool = False) -> None:
        """``is_old``: it cannot be relied on."""
        if block is not self.block or is_old != self._is_old:
            self.block, self._is_old = block, is_old
            self.draw()

    def draw(self) -> None:
        """Write what has changed."""
        before, self.lines = self.lines, self._drawn()
        changed = [y for y, line in enumerate(self.lines) if y >= len(before) or before[y] != line]
        if len(before) != len(self.lines):
            self.refresh()
        elif changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def _drawn(self) -> list[Line]:
        block, (width, height) = self.block, self.size
        lines: list[Line] = []
        room = self._room()
        self.first = max(min(self.first, block.rows - room), 0)
        last = min(self.first + room, block.rows)
        if block.title:
            note = block.note
            if block.rows > room > 0:
                note = f"{note}{', ' if note else ''}rows {self.first + 1:,}-{last:,} of {block.rows:,}"
            lines.append(rule(block.title, note, width, "focus" if self.has_focus else "title"))
        if block.head is not None:
            lines.append(block.head)
        lines += [block.line(number) for number in range(self.first, last)]
        lines = [fitted(line, width) for line in lines[:height]]
        lines += [fitted((), width)] * (height - len(lines))
        if self._is_old:
            lines = [tuple((text, "dim") for text, _ in line) for line in lines]
        return lines

    def _room(self) -> int:
        return max(self.size.height - bool(self.block.title) - (self.block.head is not None), 0)

    def render_line(self, y: int) -> Strip:
        if y >= len(self.lines):
            return Strip.blank(self.size.width)
        segments = [Segment(text, STYLES.get(style, STYLES[""])) for text, style in self.lines[y]]
        return Strip(segments).adjust_cell_length(self.size.width)

    def on_resize(self) -> None:
        self.draw()

    def on_focus(self) -> None:
        self.draw()

    def on_blur(self) -> None:
        self.draw()

    def action_scroll_rows(self, rows: int) -> None:
        self.first += rows
        self.draw()

    def action_scroll_pages(self, pages: int) -> None:
        self.action_scroll_rows(pages * max(self._room() - PAGE_OVERLAP, 1))

    def action_scroll_to(self, row: int) -> None:
        self.first = row
        self.draw()


_BOX = """
{name} {{ align: center middle; }}
{name} > Vertical {{
    width: 78; max-width: 100%; height: auto; max-height: 100%; padding: 0 1; border: heavy {colour};
}}
{name} Static {{ height: auto; }}
{name} Input, {name} Input:focus {{
    border: none; border-left: thick ansi_default; height: 1; padding: 0 1; margin: 0 0 1 0;
}}
{name} .heading {{ text-style: bold; }}
{name} .answer {{ text-style: bold; height: auto; min-height: 1; }}
"""


class KillScreen(ModalScreen[None]):
    """Says what will happen, asks why and for a word, and shows what became of it.

    ``open_orders``: a sentence about what is open now.
    """

    DEFAULT_CSS = _BOX.format(name="KillScreen", colour="ansi_red")

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("enter", "next", show=False, priority=True),
    ]

    def __init__(self, node: str, open_orders: str, kill: Callable[[str], Killing]) -> None:
        super().__init__()
        self._node = node
        self._open_orders = open_orders
        self._kill = kill
        self.killing: Killing | None = None

    def compose(self) -> ComposeResult:
        words = f'"{WORD}"' + (f' or "{self._node}"' if self._node and self._node != WORD else "")
        with Vertical():
            yield Static(f"KILL {self._node or 'this node'}".upper(), classes="heading", markup=False)
            yield Static(
                "No new order and no change of an order leaves any more, at any venue. Open orders are cancelled "
                "(unless kill.cancel_open_orders is off). Positions stay. It holds, across restarts too, until "
                f"livestack kill reset. {self._open_orders}",
                markup=False,
            )
            yield Static("")
            yield Static("Why (it is recorded with the command):", markup=False)
            yield Input(id="reason", select_on_focus=False)
            yield Static(f"Type {words} and press Enter; Escape leaves everything as it is:", markup=False)
            yield Input(id="word", select_on_focus=False)
            yield Static("", id="answer", classes="answer", markup=False)

    def on_mount(self) -> None:
        self.query_one("#reason").focus()
        self.set_interval(LOOK_EVERY_S, self.look)

    def action_next(self) -> None:
        """Enter. What was typed before it may still be on its way into a field, and what is typed behind it already
        belongs to the next one."""
        reason, word = self.query_one("#reason"), self.query_one("#word")
        if self.focused is reason:
            self.set_focus(word)
        elif self.focused is word:
            reason.call_later(word.call_later, self._submit)

    def _submit(self) -> None:
        if self.killing is not None:
            return
        field = self.query_one("#word", Input)
        word = field.value.strip()
        if word.lower() not in {WORD, self._node.lower() or WORD}:
            self._answer(f"NOTHING WAS KILLED: {word!r} is not the word that was asked for")
            field.clear()
            return
        for field in self.query(Input):
            field.disabled = True
        self._answer("the kill is sent; the answer is waited for …")
        self.killing = self._kill(self.query_one("#reason", Input).value)
        self.set_focus(None)

    def look(self) -> None:
        """How far it is."""
        killing = self.killing
        if killing is not None and killing.state != "asking":
            stays = "; the kill stays" if killing.state == "killed" else ""
            self._answer("\n".join((*killing.lines, "", f"Escape leaves this page{stays}.")))

    def is_asking(self) -> bool:
        """Whether a kill was sent and not answered yet."""
        return self.killing is not None and self.killing.state == "asking"

    def action_leave(self) -> None:
        """Not while the answer is still to come: whoever kills has to see it."""
        if self.is_asking():
            return
        if self.killing is not None:
            self.killing.stop()
        self.dismiss()

    def _answer(self, text: str) -> None:
        self.query_one("#answer", Static).update(text)


HELP = """\
1 to 9, 0    a page: all, incidents, market, orders, positions, fills,
             Events, risk, speed, system
Tab          the next panel; Enter shows it alone, Escape goes back
Up, Down     rows of the panel that has the focus; Page Up, Page Down,
             Home, End
/            show only rows with this text; Escape shows all again
K            the kill-switch: it says what it does, and asks for a word
?            this page
q, Ctrl-C    end; the node goes on

!  look at it    !!  it is bad    p50, p90, p99  so many of 100 are faster
Everything is what the node tells. Nothing here changes it but K.
Where it does not answer, what is shown is dimmed, its age said in large.\
"""


class HelpScreen(ModalScreen[None]):
    """The keys and the marks."""

    DEFAULT_CSS = _BOX.format(name="HelpScreen", colour="ansi_default")

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,enter", "dismiss", show=False)]

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("livestack top", classes="heading", markup=False)
            yield Static(HELP, markup=False)
