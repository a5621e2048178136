"""The board as a Textual app: draws what `policy.board` says, and hands keys to the desk.

URIs, reasons and errors are others' words: a terminal would obey what is in them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, RichLog, Static

from livepeer_client.codec.printing import harmless, on_one_line
from livepeer_client.errors import LivepeerError
from livepeer_client.policy.board import (
    BoardFacts,
    Event,
    Line,
    Tone,
    changes,
    gas_lines,
    peer_rows,
    round_lines,
    winner_lines,
    winner_rows,
)
from livepeer_client.ports.board import BoardSource
from livepeer_client.ports.desk import RedemptionDesk
from livepeer_client.types import Hash32

WINNER_COLUMNS: Final = ("ticket", "value", "age", "deadline", "decision", "why")
PEER_COLUMNS: Final = ("orchestrator", "price", "latency", "stake", "capabilities", "verdict", "reason")
NOTE: Final = "held on the dashboard"
_STYLES: Final = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.WAIT: "yellow", Tone.ALERT: "bold red"}


class Details(ModalScreen[None]):
    """Everything about one ticket."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q", "dismiss", "close"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="details"):
            yield Static(Text(harmless(self._text)))


class Board(App[None]):
    """Looks at `source` every `poll_s` seconds, and at the market every `market_s`.

    What fails stays on the screen as it was last seen, with the error in the log.
    """

    TITLE = "Livepeer"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; }
    #panels { height: 8; }
    .panel { width: 1fr; border: round $primary; padding: 0 1; height: 8; }
    #winners { height: 2fr; border: round $primary; }
    #peers { height: 1fr; border: round $primary; }
    #events { height: 1fr; border: round $primary; padding: 0 1; overflow-y: auto; background: $background; }
    DataTable { scrollbar-size-horizontal: 0; }
    Details { align: center middle; }
    #details { width: 100; max-width: 90%; height: auto; max-height: 80%; border: thick $primary; padding: 1 2;
               background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "redeem", "redeem now"),
        Binding("R", "redeem_all", "redeem all", key_display="R"),
        Binding("h", "hold", "hold/release"),
        Binding("p", "pause", "pause/resume"),
        Binding("m", "market", "ask orchestrators"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(
        self,
        source: BoardSource,
        desk: RedemptionDesk,
        *,
        poll_s: float = 2.0,
        market_s: float = 60.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self.theme = "textual-dark"
        self._source = source
        self._desk = desk
        self._poll_s = poll_s
        self._market_s = market_s
        self._now = now
        self._facts: BoardFacts | None = None
        self._looking = asyncio.Lock()
        self._trouble = ""

    @property
    def facts(self) -> BoardFacts | None:
        """What is on the screen."""
        return self._facts

    def compose(self) -> ComposeResult:
        with Horizontal(id="panels"):
            yield Static(id="round", classes="panel")
            yield Static(id="gas", classes="panel")
            yield Static(id="summary", classes="panel")
        yield DataTable(id="winners", cursor_type="row", zebra_stripes=True)
        yield DataTable(id="peers", cursor_type="row", zebra_stripes=True)
        yield RichLog(id="events", wrap=True, max_lines=1000)
        yield Footer()

    async def on_mount(self) -> None:
        for name, title in (
            ("round", "round and reward"),
            ("gas", "gas"),
            ("summary", "winners"),
            ("winners", "winners waiting"),
            ("peers", "orchestrators"),
            ("events", "events"),
        ):
            self.query_one(f"#{name}").border_title = title
        self.query_one("#winners", DataTable).add_columns(*WINNER_COLUMNS)
        self.query_one("#peers", DataTable).add_columns(*PEER_COLUMNS)
        self.query_one("#winners").focus()
        self.run_worker(self._watch())
        self.run_worker(self._watch_market())

    async def _watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(self._poll_s)

    async def _watch_market(self) -> None:
        while True:
            await self.look_at_market()
            await asyncio.sleep(self._market_s)

    async def look(self) -> None:
        """Look once and draw."""
        async with self._looking:
            try:
                facts = await self._source.look()
            except LivepeerError as error:
                self._troubled(error)
                return
            self._trouble = ""
            for event in changes(self._facts, facts):
                self._tell(event)
            self._facts = facts
            self._draw(facts)

    async def look_at_market(self) -> None:
        """Ask for the orchestrators, and draw."""
        try:
            await self._source.look_at_market()
        except LivepeerError as error:
            self._tell(Event(self._now(), f"orchestrators: {error}", Tone.ALERT))
        await self.look()

    # --- drawing --------------------------------------------------------------------------------------

    def _draw(self, facts: BoardFacts) -> None:
        self.query_one("#round", Static).update(_panel(round_lines(facts)))
        self.query_one("#gas", Static).update(_panel(gas_lines(facts)))
        self.query_one("#summary", Static).update(_panel(winner_lines(facts)))
        rows = winner_rows(facts)
        self._fill("#winners", [(row.hash.hex(), row.cells, row.tone) for row in rows])
        peers = peer_rows(facts.market.peers)
        self._fill("#peers", [(str(at), row.cells, row.tone) for at, row in enumerate(peers)])
        self.query_one("#winners").border_title = f"winners waiting: {len(rows)}"
        # A text would be markup to Textual, and a source may hold what somebody else answered.
        self.query_one("#peers").border_title = Content(on_one_line(f"orchestrators: {facts.market.source}"))

    def _fill(self, name: str, rows: Sequence[tuple[str, Sequence[str], Tone]]) -> None:
        """Put rows in place of the old ones; the cursor stays with its row, or where it was."""
        table = self.query_one(name, DataTable)
        at, key = table.cursor_row, self._key_at(table)
        table.clear()
        for row_key, cells, tone in rows:
            table.add_row(*(Text(on_one_line(cell), style=_STYLES[tone]) for cell in cells), key=row_key)
        keys = [row_key for row_key, _, _ in rows]
        if keys:
            table.move_cursor(row=keys.index(key) if key in keys else min(at, len(keys) - 1))

    def _key_at(self, table: DataTable[Text]) -> str | None:
        if not table.is_valid_row_index(table.cursor_row):
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    def _tell(self, event: Event) -> None:
        at = time.strftime("%H:%M:%S  ", time.gmtime(event.at))
        self.query_one("#events", RichLog).write(
            Text.assemble((at, "dim"), (harmless(event.text), _STYLES[event.tone]))
        )

    def _troubled(self, error: LivepeerError) -> None:
        """Say it once, not at every look."""
        if str(error) != self._trouble:
            self._trouble = str(error)
            self._tell(Event(self._now(), f"{type(error).__name__}: {error}", Tone.ALERT))

    # --- keys -----------------------------------------------------------------------------------------

    def _chosen(self) -> Hash32 | None:
        key = self._key_at(self.query_one("#winners", DataTable))
        return None if key is None else Hash32(bytes.fromhex(key))

    def _act(self, what: str, work: Callable[[], Awaitable[str]]) -> None:
        """Do it beside the drawing, one after the other, and look again."""

        async def act() -> None:
            try:
                self._tell(Event(self._now(), await work(), Tone.GOOD))
            except LivepeerError as error:
                self._tell(Event(self._now(), f"{what}: {error}", Tone.ALERT))
            await self.look()

        self.run_worker(act(), group="acts", exclusive=False)

    def action_redeem(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self._redeem([chosen])

    def action_redeem_all(self) -> None:
        if self._facts is not None and self._facts.told:
            self._redeem([told.hash for told in self._facts.told])

    def _redeem(self, hashes: Sequence[Hash32]) -> None:
        async def work() -> str:
            done = await self._desk.redeem_now(hashes)
            if done.sent:
                return "redeem: sent " + ", ".join(f"0x{each.hex()[:8]}" for each in done.sent)
            why = sorted({reason for _, _, reason in done.decided})
            return "redeem: nothing was sent" + (f": {'; '.join(why)}" if why else "")

        self._act("redeem", work)

    def action_hold(self) -> None:
        chosen = self._chosen()
        if chosen is None or self._facts is None:
            return
        stored = self._facts.tickets.get(chosen)
        held = stored is not None and stored.hold is not None

        async def work() -> str:
            await (self._desk.release([chosen]) if held else self._desk.hold([chosen], NOTE))
            return f"0x{chosen.hex()[:8]}: {'released' if held else 'held back'}"

        self._act("release" if held else "hold", work)

    def action_pause(self) -> None:
        async def work() -> str:
            paused = (await self._desk.state()).paused
            await (self._desk.resume() if paused else self._desk.pause())
            return "you resumed redemption" if paused else "you paused redemption"

        self._act("pause", work)

    def action_market(self) -> None:
        self.run_worker(self.look_at_market())

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        chosen = self._chosen()
        if event.data_table.id != "winners" or chosen is None or self._facts is None:
            return
        told = next((each for each in self._facts.told if each.hash == chosen), None)
        if told is not None:
            self.push_screen(Details(str(told)))


def _panel(lines: Sequence[Line]) -> Text:
    width = max(len(line.label) for line in lines) + 2
    text = Text()
    for line in lines:
        text.append(f"{line.label:{width}}", style="dim")
        text.append(harmless(line.text) + "\n", style=_STYLES[line.tone])
    return text
