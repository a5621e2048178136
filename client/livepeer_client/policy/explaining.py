"""A selection as a table for people: every candidate with its weights, or with the reason why it is not used."""

from typing import Final

from livepeer_client.policy.price import shown
from livepeer_client.policy.selection import Candidate, Selection

HEAD: Final = (
    "verdict",
    "orchestrator",
    "price/px",
    "probe",
    "stake",
    "trust",
    "share",
    "stake/price/random",
    "because",
)
_LPT = 10**18


def rows_of(selection: Selection) -> list[tuple[str, ...]]:
    """One row under `HEAD` per candidate, the largest stake first; shares in per cent, price in wei, stake in LPT."""
    return [_row(candidate) for candidate in selection.candidates]


def explained(selection: Selection) -> str:
    """The whole table as text."""
    rows = [HEAD, *rows_of(selection)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if selection.chosen is None:
        lines.append("nobody is chosen")
    return "\n".join(lines)


def _row(line: Candidate) -> tuple[str, ...]:
    shares = line.shares
    return (
        line.verdict.value,
        line.uri,
        "-" if line.price is None else shown(line.price),
        "-" if line.latency_s is None else f"{line.latency_s * 1000:.0f} ms",
        f"{line.stake / _LPT:g}",
        f"{line.trust:.2f}",
        "-" if line.probability is None else f"{line.probability:.1%}",
        "-" if shares is None else f"{shares.stake:.1%} / {shares.price:.1%} / {shares.random:.1%}",
        line.reason,
    )
