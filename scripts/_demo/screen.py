"""What the audience sees: headings, tables and a progress bar on a terminal, plain lines when piped."""

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

_PLAIN_EVERY: Final = 8
_PIPE_WIDTH: Final = 140


class Screen:
    """:param record: keep what is shown, so that it can be saved as a picture."""

    def __init__(self, *, record: bool = False) -> None:
        # A pipe has no width of its own; a table must not be broken at 80 columns.
        width = None if Console().is_terminal and not record else _PIPE_WIDTH
        self.console = Console(highlight=False, width=width, record=record)
        self._started = time.monotonic()
        self._step = 0

    def step(self, title: str) -> None:
        """A new chapter, with the seconds since the start."""
        self._step += 1
        elapsed = time.monotonic() - self._started
        self.console.print()
        self.console.print(f"[bold cyan]{self._step}. {title}[/]  [dim]{elapsed:.0f} s[/]")

    def say(self, text: str) -> None:
        self.console.print("   " + text)

    def note(self, text: str) -> None:
        self.console.print("   " + text, style="dim")

    @contextlib.contextmanager
    def working(self, text: str) -> Iterator[None]:
        """A spinner while something takes its time; a plain line when piped."""
        if self.console.is_terminal:
            with self.console.status(text + " ..."):
                yield
        else:
            self.note(text + " ...")
            yield

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """`right` lists the columns that hold figures."""
        table = Table(padding=(0, 1), header_style="bold")
        for index, column in enumerate(columns):
            table.add_column(column, justify="right" if index in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def save_picture(self, path: Path) -> None:
        """What was shown, as SVG in the reader's own monospace font: nothing is fetched when it is looked at."""
        without_fonts = re.sub(r"@font-face {{.*?}}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        self.console.save_svg(str(path), title="make demo", code_format=without_fonts, unique_id="demo")

    def progress(self, title: str, total: int) -> "StreamProgress":
        return StreamProgress(self.console, title, total)


class StreamProgress:
    """A bar that moves on a terminal; every eighth step as a line when piped."""

    def __init__(self, console: Console, title: str, total: int) -> None:
        self._console = console
        self._title = title
        self._total = total
        self._done = 0
        self._bar = Progress(
            TextColumn("  "),
            SpinnerColumn(),
            TextColumn(title),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(title, total=total, status="")

    def __enter__(self) -> "StreamProgress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, status: str) -> None:
        self._done += 1
        self._bar.update(self._task, advance=1, status=status)
        if not self._console.is_terminal and (self._done % _PLAIN_EVERY == 0 or self._done == self._total):
            self._console.print(f"   {self._title}: {self._done} of {self._total}  {status}")

    def say(self, text: str) -> None:
        """A line above the bar."""
        self._console.print("   " + text)


def eth(wei: int) -> str:
    """Wei as ether with all its digits that count."""
    whole, rest = divmod(abs(wei), 10**18)
    text = f"{whole}.{rest:018d}".rstrip("0").rstrip(".")
    return ("-" if wei < 0 else "") + text
