"""Shows a call while it runs: a live picture on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from local.demo.story import Story, StoryLine

_STYLES = {
    "caller": "bold cyan",
    "bot": "bold green",
    "human": "bold blue",
    "line": "dim",
    "tool": "magenta",
    "time": "yellow",
    "error": "bold red",
}
_FLOOR_DBFS, _BAR_CELLS = -54.0, 24
_ROWS_BESIDE = 10
_REFRESH_HZ = 10

Levels = Callable[[], tuple[float, float]]


class View(Protocol):
    """Something that shows a call."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(self, *_: object) -> None:
        """Show the last state and stop."""
        ...

    def tell(self, line: StoryLine) -> None:
        """Show another line of the story."""
        ...


class PlainView:
    """One line of text a line of the story."""

    def __init__(self, console: Console):
        """Initialize on a console."""
        self._console = console

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def tell(self, line: StoryLine) -> None:
        """Print it."""
        self._console.print(_text(line), soft_wrap=True, highlight=False)


class LiveView:
    """Level bars of both sides above the last lines of the story."""

    def __init__(self, console: Console, story: Story, levels: Levels):
        """Initialize a view.

        Args:
            console: A terminal.
            story: Who speaks.
            levels: Level of caller and bot on the line at this moment, dBFS.
        """
        self._console, self._story, self._levels = console, story, levels
        self._began = time.monotonic()
        self._live = Live(
            get_renderable=self._render,
            console=console,
            refresh_per_second=_REFRESH_HZ,
            transient=True,
        )

    def __enter__(self) -> Self:
        """Take the lower part of the terminal."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the whole story on the terminal, without the bars."""
        self._live.stop()
        for line in self._story.lines:
            self._console.print(_text(line), highlight=False)

    def tell(self, line: StoryLine) -> None:
        """The next refresh shows it."""

    def _render(self) -> RenderableType:
        caller, bot = self._levels()
        bars = Table.grid(padding=(0, 1))
        bars.add_row(*_bar("caller", caller, self._story.caller_speaks))
        bars.add_row(*_bar("bot", bot, self._story.bot_speaks))
        room = max(4, self._console.height - _ROWS_BESIDE)
        told = [_text(line) for line in self._story.lines[-room:]]
        title = f"a real call, {time.monotonic() - self._began:.0f} s"
        return Panel(Group(bars, Text(), *told), title=title, border_style="dim")


def _bar(who: str, level_dbfs: float, speaks: bool) -> tuple[Text, Text, Text]:
    filled = round(_BAR_CELLS * min(1.0, max(0.0, 1 - level_dbfs / _FLOOR_DBFS)))
    bar = "█" * filled + "·" * (_BAR_CELLS - filled)
    style = _STYLES[who]
    return Text(f"{who:>6}", style), Text(bar, style), Text("speaks" if speaks else "", "dim")


def _text(line: StoryLine) -> Text:
    style = _STYLES[line.who]
    return Text.assemble(
        (f"{line.t:7.2f}  ", "dim"),
        (f"{line.who:>6}  ", style),
        (line.text, "" if line.who in ("caller", "bot", "human") else style),
    )
