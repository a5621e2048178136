"""What commands print: JSON, tables on a terminal, and plain columns with tabs between them in a pipe."""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, Final

from rich.console import Console
from rich.table import Table as RichTable

from livepeer_client.codec.address import checksum_address
from livepeer_client.codec.amounts import format_units
from livepeer_client.codec.printing import harmless, on_one_line
from livepeer_client.types import ADDRESS_BYTES, Address

ETH: Final = "ETH"
LPT: Final = "LPT"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under column names."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


Lines = Sequence[tuple[str, str]]
"""Names and values, one below the other."""


class Output:
    """Where a command's answer goes."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def show(self, data: Mapping[str, object], *, lines: Lines = (), table: Table | None = None) -> None:
        """Print `data` as one JSON object, or else lines and table."""
        if self._as_json:
            sys.stdout.write(json.dumps(data) + "\n")
            return
        console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        if lines:
            width = max(len(name) for name, _ in lines)
            for name, value in lines:
                # Further lines of a text that others wrote do not begin where names do.
                told = harmless(value).replace("\n", "\n" + " " * (width + 2))
                console.print(f"{name:{width}}  {told}", markup=False)
        if table is not None:
            _print_table(console, table)


@contextlib.contextmanager
def waiting(*, as_json: bool) -> Iterator[None]:
    """Show on a terminal that something goes on. Nothing in a pipe."""
    console = Console(file=sys.stderr)
    if as_json or not console.is_terminal:
        yield
        return
    with console.status("waiting for the chain ..."):
        yield


def _print_table(console: Console, table: Table) -> None:
    if not console.is_terminal:
        for row in (table.columns, *table.rows):
            # Nor for another column.
            sys.stdout.write("\t".join(on_one_line(cell) for cell in row) + "\n")
        return
    shown = RichTable(*table.columns)
    for row in table.rows:
        shown.add_row(*(_escape(cell) for cell in row))
    console.print(shown)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(harmless(text))


# --- values ---------------------------------------------------------------------------------------


def eth(wei: int) -> str:
    """Exactly, with its unit."""
    return f"{format_units(wei)} {ETH}"


def lpt(amount: int) -> str:
    return f"{format_units(amount)} {LPT}"


def ppm(share: int) -> str:
    """A share of a million as a percentage, exactly."""
    return f"{format_units(share, 4)} %"


def hexed(data: bytes) -> str:
    """Addresses with their checksum."""
    return checksum_address(Address(data)) if len(data) == ADDRESS_BYTES else f"0x{data.hex()}"


def plain(value: object, amounts: frozenset[str] = frozenset(), name: str = "") -> Any:
    """A value as JSON has it. Integers named in `amounts` are decimal strings: they are wei, and may not fit what many
    readers take a number for."""
    if value is None or isinstance(value, (bool, str, float)):
        return value
    if isinstance(value, bytes):
        return hexed(value)
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, int):
        return str(value) if name in amounts else value
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name), amounts, field.name) for field in fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(each, amounts, name) for each in value]
    raise TypeError(f"{name}: {type(value).__name__} has no form in JSON")
