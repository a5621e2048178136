"""The committed table: our gas beside that of the Solidity reference, and what follows from it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.contracts.gas.chain import HARD_FORK
from tests.contracts.gas.scenarios import Table
from tests.contracts.gas.tickets import COMPACT_PREFIX
from tests.contracts.gas.wiring import MODES, ROUND_LENGTH, Mode
from tests.support.anvil import ROOT

TABLE = ROOT / "tests" / "contracts" / "gas.json"
REFERENCE = ROOT / "tests" / "contracts" / "gas_reference.json"
REGENERATE = "make gas"

# What the reference has and this suite does not; such a scenario counts as a ratio of 1.
LEFT_OUT = {
    "deploy.AdjustableRoundsManager": "for tests only, here as there: a mock, which no script deploys",
    "deploy.SortedDoublyLL": "no external library: the pool is a module inside of BondingManager, and in its figure",
}
# Solidity stores up to 31 bytes together with their length in one slot; Vyper always uses a slot for the length.
EXEMPT = ("setServiceURI.first_31B", "setServiceURI.update_31B")
# Creation happens once, and depends on the size of the code above all.
CREATION = "deploy."

HEADLINES = (
    "redeemWinningTicket.deposit.first_in_round_after_reward.pool100",
    "redeemWinningTicket.deposit.again_same_round.pool100",
    "redeemWinningTicket.reserve.again_in_round.pool100",
    "batchRedeemWinningTickets.1_sender.N10.pool100",
    "batchRedeemWinningTickets.1_sender.N50.pool100",
    "batchRedeemWinningTickets.1_sender.N100.pool100",
    "batchRedeemWinningTickets.10_senders.N100.pool100",
    "compactRedeem.1_sender.N50.pool100",
    "fundDepositAndReserve.first",
    "withdraw",
    "bond.delegate_new.pool100.middle.hint",
    "unbond.delegator_partial.pool100.middle.hint",
    "rebond.delegator_next_round.pool100.middle.hint",
    "transferBond.to_new.pool100.middle.hint",
    "reward.pool100.middle.round2.hint",
    "reward.pool100.middle.round2.nohint",
    "claimEarnings.delegator.10_rounds.pool100",
    "withdrawFees.delegator.incl_claim.10_rounds.pool100",
    "transcoder.update_after_reward.pool100.middle",
    "initializeRound.pool100",
)


def load(path: Path) -> Any:
    return json.loads(path.read_text())


def reference() -> Table:
    table: Table = load(REFERENCE)
    return table


def committed() -> Table:
    """Our figures as committed, without ratios."""
    return {name: {mode: row[mode] for mode in MODES} for name, row in load(TABLE)["gas"].items()}


def counterpart(name: str) -> str:
    """The reference's scenario that one of ours is compared with: its own, or that of what it takes the place of."""
    prefix, _, rest = name.partition(".")
    return f"batchRedeemWinningTickets.{rest}" if prefix == COMPACT_PREFIX else name


def render(measured: Table) -> str:
    """The table as a file, one scenario per line, in the order of the reference."""
    theirs = reference()
    setting = {
        "compiler": f"vyper {version('vyper')}, default pipeline, optimizer as in each file",
        "node": "anvil, receipts' gasUsed of whole transactions, each alone in its block",
        "hard_fork": HARD_FORK,
        "round_length": ROUND_LENGTH,
        "proxy": "five contracts behind ManagerProxies, as in production",
        "direct": "the same contracts registered without proxies",
    }
    rows = []
    for name in [*(name for name in theirs if name in measured), *(name for name in measured if name not in theirs)]:
        row: dict[str, float] = {mode: measured[name][mode] for mode in MODES}
        row |= {f"ratio_{mode}": round(measured[name][mode] / theirs[counterpart(name)][mode], 4) for mode in MODES}
        rows.append(f"  {json.dumps(name)}: {json.dumps(row)}")
    return (
        f'{{\n "setting": {json.dumps(setting, indent=2)},\n "gas": {{\n'
        + ",\n".join(rows)
        + f'\n }},\n "left_out": {json.dumps(LEFT_OUT, indent=2)}\n}}\n'
    )


@dataclass(frozen=True, slots=True)
class Summary:
    """The suite against the reference in one wiring; creation and the exempt are not part of it."""

    geometric_mean: float
    worst: list[tuple[str, float]]
    dearer: list[tuple[str, float]]
    reproduced: int
    total: int


def summary(ours: Table, mode: Mode = "proxy") -> Summary:
    theirs = reference()
    compared = [name for name in theirs if not name.startswith(CREATION) and name not in EXEMPT]
    ratios = {name: ours[name][mode] / theirs[name][mode] if name in ours else 1.0 for name in compared}
    ordered = sorted(ratios.items(), key=lambda entry: -entry[1])
    return Summary(
        geometric_mean=math.exp(math.fsum(map(math.log, ratios.values())) / len(ratios)),
        worst=ordered[:10],
        dearer=[entry for entry in ordered if entry[1] > 1],
        reproduced=sum(name in ours for name in theirs),
        total=len(theirs),
    )


def markdown(ours: Table) -> str:
    """The headlines, in the wiring of production."""
    theirs = reference()
    lines = ["| scenario | Solidity reference | here | ratio |", "|---|---:|---:|---:|"]
    for name in HEADLINES:
        before, after = theirs[counterpart(name)]["proxy"], ours[name]["proxy"]
        lines.append(f"| `{name}` | {before:,} | {after:,} | {after / before:.2f} |")
    return "\n".join(lines)
