"""`ape run sizes`: runtime size and optimiser setting of every contract that is deployed, as a Markdown table."""

from __future__ import annotations

import re
from pathlib import Path

import click
from ape import project

from scripts._build import ensure_fresh
from scripts._environment import complete_path

complete_path()

LIMIT = 24_576  # EIP-170
DEFAULT_OPTIMIZER = "gas"
OPTIMIZER = re.compile(r"^#\s*pragma optimize (\w+)", re.MULTILINE)


def rows() -> list[tuple[str, int, str]]:
    """(contract, runtime bytes, optimiser setting), largest first."""
    ensure_fresh(project)
    found = []
    for path in sorted(Path(project.contracts_folder).glob("*.vy")):
        runtime = project.load_contracts()[path.stem].runtime_bytecode
        setting = OPTIMIZER.search(path.read_text())
        size = len(str(runtime.bytecode).removeprefix("0x")) // 2
        found.append((path.stem, size, setting.group(1) if setting else DEFAULT_OPTIMIZER))
    return sorted(found, key=lambda row: -row[1])


@click.command()
def cli() -> None:
    """Print the table."""
    click.echo(f"| contract | bytes of {LIMIT:,} | optimiser |")
    click.echo("|---|---:|---|")
    for name, size, setting in rows():
        click.echo(f"| {name} | {size:,} | {setting} |")
