"""`python -m scripts._diagrams [--check]`: the diagrams and tables in docs/ that are drawn from the library's tables.

What stands between two `<!-- drawn: NAME -->` marks is written anew; with `--check` nothing is written, and the command
fails if anything would be.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from livepeer_client.policy.workloads import AI, BYOC, BYOC_STREAM, LIVE, TRANSCODING, Phase, Table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "transcoding.md"


def diagram(table: Table) -> str:
    """A state diagram in Mermaid; steps between the same two phases share an arrow."""
    arrows: dict[tuple[Phase, Phase], list[str]] = {}
    for move in table.moves:
        arrows.setdefault((move.before, move.after), []).append(move.on.value)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {table.start.phase.value}"]
    lines += [f"    {before.value} --> {after.value}: {', '.join(on)}" for (before, after), on in arrows.items()]
    ends = dict.fromkeys(move.after for move in table.moves if move.after.is_end)
    lines += [f"    {end.value} --> [*]" for end in ends]
    return "\n".join([*lines, "```"])


def reactions(table: Table) -> str:
    """What follows each cause, as a Markdown table."""
    rows = [
        f"| `{cause.value}` | {reaction.then.value} | {reaction.hold.value} | {reaction.why} |"
        for cause, reaction in table.reactions.items()
    ]
    return "\n".join(["| cause | then | kept out | because |", "|---|---|---|---|", *rows])


PARTS: Mapping[str, Callable[[], str]] = {
    "transcoding diagram": lambda: diagram(TRANSCODING),
    "transcoding reactions": lambda: reactions(TRANSCODING),
    "batch AI diagram": lambda: diagram(AI),
    "batch AI reactions": lambda: reactions(AI),
    "real-time diagram": lambda: diagram(LIVE),
    "real-time reactions": lambda: reactions(LIVE),
    "BYOC job reactions": lambda: reactions(BYOC),
    "BYOC stream reactions": lambda: reactions(BYOC_STREAM),
}


def drawn(page: str) -> str:
    """A page with every marked part drawn anew.

    :raises ValueError: a part is not marked in it exactly twice.
    """
    for name, draw in PARTS.items():
        pieces = page.split(f"<!-- drawn: {name} -->")
        if len(pieces) != 3:
            raise ValueError(f"{name}: marked {len(pieces) - 1} times, not twice")
        mark = f"<!-- drawn: {name} -->"
        page = f"{pieces[0]}{mark}\n{draw()}\n{mark}{pieces[2]}"
    return page


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if the page is out of date")
    check = parser.parse_args(arguments).check
    before = PAGE.read_text()
    after = drawn(before)
    if before == after:
        return 0
    if check:
        print(f"{PAGE.relative_to(ROOT)} is out of date: make diagrams", file=sys.stderr)
        return 1
    PAGE.write_text(after)
    return 0


if __name__ == "__main__":
    sys.exit(main())
